import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import { systemClock, type Clock } from "../../engine/clock.ts";
import { startEmbeddedS3 } from "../../recordings/embedded-s3/server.ts";
import { createStorage, type Storage } from "../../recordings/storage.ts";

export interface ObjectStorage {
  /** Our client of it, with a bucket. */
  storage: Storage;
  /** Of the objects that are in the bucket, by their beginning. */
  keys(prefix: string): Promise<string[]>;
  /** An upload of many parts is begun there, and never ends. */
  leaveUnfinished(key: string): Promise<void>;
  /** Where there are such. */
  unfinished(): Promise<string[]>;
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
  const client = new S3Client({ endpoint: s3.endpoint, region, credentials, forcePathStyle: true });
  return {
    storage,
    async keys(Prefix) {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: "recordings", Prefix }));
      return Contents.flatMap(({ Key }) => Key ?? []);
    },
    async leaveUnfinished(Key) {
      await client.send(new CreateMultipartUploadCommand({ Bucket: "recordings", Key }));
    },
    async unfinished() {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: "recordings" }));
      return Uploads.flatMap(({ Key }) => Key ?? []);
    },
    async close() {
      client.destroy();
      storage.close();
      await s3.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
