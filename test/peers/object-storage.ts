import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { startEmbeddedS3 } from "../../recordings/embedded-s3/server.ts";
import { createStorage, type Storage } from "../../recordings/storage.ts";

export interface ObjectStorage {
  /** Our client of it, with a bucket. */
  storage: Storage;
  /** Another client of the same server, to look past ours; to be destroyed. */
  client(): S3Client;
  /** What is in it goes, too. */
  close(): Promise<void>;
}

/** An S3 server of a test's own, over real HTTP. */
export async function startObjectStorage(clock: Clock = systemClock): Promise<ObjectStorage> {
  const directory = await mkdtemp(join(tmpdir(), "sautikit-objects-"));
  const credentials = { accessKeyId: "wanjiru", secretAccessKey: "wanjiru-secret" };
  const region = "af-nairobi-1";
  const s3 = await startEmbeddedS3({
    ...{ host: "127.0.0.1", port: 0, directory, region, credentials, clock },
  });
  const storage = createStorage({
    ...{ endpoint: s3.endpoint, region, bucket: "recordings", ...credentials },
    ...{ forcePathStyle: true, clock },
  });
  await storage.ensureBucket();
  return {
    storage,
    client: () => new S3Client({ endpoint: s3.endpoint, region, credentials, forcePathStyle: true }),
    async close() {
      storage.close();
      await s3.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
