import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../engine/clock.ts";
import { startEmbeddedS3, type EmbeddedS3 } from "../../recordings/embedded-s3/server.ts";
import { openStorageProxy, type StorageProxy } from "../peers/storage-proxy.ts";

/** Where the upload is caught: before its first byte has arrived, or when it has arrived and nobody was told. */
export type UploadPoint = "nothing has arrived" | "nobody was told that it has arrived";

/** Object storage that outlives `sautikit`, and through which uploads can be held for ever. */
export class HeldStorage {
  /** For `sautikit`. */
  readonly env: Record<string, string>;
  readonly #s3: EmbeddedS3;
  readonly #proxy: StorageProxy;
  readonly #directory: string;

  private constructor(s3: EmbeddedS3, proxy: StorageProxy, directory: string, env: Record<string, string>) {
    this.env = { ...env, S3_ENDPOINT: proxy.endpoint };
    this.#s3 = s3;
    this.#proxy = proxy;
    this.#directory = directory;
  }

  static async start(): Promise<HeldStorage> {
    const credentials = { accessKeyId: "wanjiru", secretAccessKey: "wanjiru-secret" };
    const directory = await mkdtemp(join(tmpdir(), "held-storage-"));
    const s3 = await startEmbeddedS3({
      ...{ host: "127.0.0.1", port: 0, directory, region: "af-nairobi-1" },
      ...{ credentials, clock: systemClock },
    });
    return new HeldStorage(s3, await openStorageProxy(s3), directory, {
      S3_ACCESS_KEY_ID: credentials.accessKeyId,
      S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    });
  }

  /** Resolves when the recording's upload is at that point, where it stays. */
  hold(recordingId: string, point: UploadPoint): Promise<unknown> {
    const caught = Promise.withResolvers<undefined>();
    const isIt = (method = "", url = "") => {
      if (method !== "PUT" || !url.includes(recordingId)) return false;
      caught.resolve(undefined);
      return true;
    };
    if (point === "nothing has arrived") this.#proxy.refuse = ({ method, url }) => isIt(method, url);
    else this.#proxy.meddle = ({ method, url }) => isIt(method, url);
    return caught.promise;
  }

  /** The next upload is let through. */
  letThrough(): void {
    this.#proxy.refuse = () => false;
    this.#proxy.meddle = () => false;
  }

  /** How many objects there are of that recording. */
  async objects(recordingId: string): Promise<number> {
    const files = await readdir(join(this.#directory, "buckets"), { recursive: true });
    return files.filter((file) => file.includes(recordingId)).length;
  }

  async close(): Promise<void> {
    await this.#proxy.close();
    await this.#s3.close();
  }
}
