import { randomUUID } from "node:crypto";
import { link, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Checksum } from "./checksums.ts";
import { S3Error } from "./errors.ts";
import { keyFileName, keyOfFileName } from "./key-file-name.ts";
import { openStoredFile, readFacts, type StoredFile, writeStoredFile } from "./stored-file.ts";

/** What is kept of an object beside its bytes. */
export interface ObjectFacts {
  key: string;
  size: number;
  /** Without its quotes. */
  etag: string;
  lastModifiedMs: number;
  /** Content-Type and the like, and `x-amz-meta-`, as they go out again. */
  headers: Record<string, string>;
  checksum?: Checksum;
  /** Of the multipart upload that made it, so that a repeated completion finds its result. */
  uploadId?: string;
}

/**
 * Buckets and objects as files:
 *
 *     incoming/<uuid>                   being written; swept at the next start
 *     buckets/<bucket>/objects/<name>   an object, named by keyFileName
 *     buckets/<bucket>/uploads/<id>/    a multipart upload (uploads.ts)
 *
 * A file appears in its place by rename only, whole and on the disk, so a kill at any moment leaves the old object or
 * the new one. One server has a directory to itself.
 */
export class Disk {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async open(): Promise<void> {
    await rm(this.#incoming, { recursive: true, force: true });
    await mkdir(this.#incoming, { recursive: true, mode: 0o700 });
    await mkdir(this.#buckets, { recursive: true, mode: 0o700 });
  }

  async createBucket(bucket: string): Promise<"created" | "there already"> {
    await mkdir(this.uploadsDirectory(bucket), { recursive: true, mode: 0o700 });
    try {
      // Last, because a bucket is there when this folder is, whatever a crash left of the rest.
      await mkdir(this.#objects(bucket), { mode: 0o700 });
    } catch (error) {
      if (hasCode(error, "EEXIST")) return "there already";
      throw error;
    }
    await syncDirectory(this.#bucket(bucket));
    await syncDirectory(this.#buckets);
    return "created";
  }

  /** Ms since the epoch when the bucket was made; throws `NoSuchBucket`. */
  async bucketCreatedMs(bucket: string): Promise<number> {
    try {
      return (await stat(this.#objects(bucket))).birthtimeMs;
    } catch (error) {
      throw hasCode(error, "ENOENT") ? noSuchBucket(bucket) : error;
    }
  }

  async buckets(): Promise<{ name: string; createdMs: number }[]> {
    const found: { name: string; createdMs: number }[] = [];
    for (const name of (await readdir(this.#buckets)).sort()) {
      try {
        found.push({ name, createdMs: await this.bucketCreatedMs(name) });
      } catch (error) {
        if (!(error instanceof S3Error)) throw error;
      }
    }
    return found;
  }

  async deleteBucket(bucket: string): Promise<void> {
    await this.bucketCreatedMs(bucket);
    try {
      await rmdir(this.#objects(bucket));
    } catch (error) {
      if (!hasCode(error, "ENOTEMPTY")) throw error;
      throw new S3Error("BucketNotEmpty", "The bucket you tried to delete is not empty.");
    }
    await rm(this.#bucket(bucket), { recursive: true });
    await syncDirectory(this.#buckets);
  }

  /** With `onlyIfNew` an object that is there already stays, and `PreconditionFailed` is thrown. */
  async putObject(
    bucket: string,
    key: string,
    bytes: AsyncIterable<Buffer>,
    factsAtEnd: () => ObjectFacts,
    { onlyIfNew = false } = {},
  ): Promise<ObjectFacts> {
    return await this.place(this.#objectPath(bucket, key), bytes, factsAtEnd, {
      onlyIfNew,
      whenGone: () => noSuchBucket(bucket),
    });
  }

  /** The caller closes the file; throws `NoSuchKey` or `NoSuchBucket`. */
  async openObject(bucket: string, key: string): Promise<StoredFile<ObjectFacts>> {
    try {
      return await openStoredFile<ObjectFacts>(this.#objectPath(bucket, key));
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
      await this.bucketCreatedMs(bucket);
      throw new S3Error("NoSuchKey", "The specified key does not exist.", { Key: key });
    }
  }

  /** Undefined when it is gone by now. */
  async objectFacts(bucket: string, key: string): Promise<ObjectFacts | undefined> {
    try {
      return await readFacts<ObjectFacts>(this.#objectPath(bucket, key));
    } catch (error) {
      if (hasCode(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  async deleteObject(bucket: string, key: string): Promise<void> {
    try {
      await unlink(this.#objectPath(bucket, key));
      await syncDirectory(this.#objects(bucket));
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
    }
  }

  /** In no order. Reads names, and no file but those whose key was too long for one. */
  async keys(bucket: string): Promise<string[]> {
    await this.bucketCreatedMs(bucket);
    const objects = this.#objects(bucket);
    const keys: string[] = [];
    for (const name of await readdir(objects)) {
      const key = keyOfFileName(name) ?? (await readKey(join(objects, name)));
      if (key !== undefined) keys.push(key);
    }
    return keys;
  }

  /** A name nobody has, swept at the next start. */
  asidePath(): string {
    return join(this.#incoming, randomUUID());
  }

  /** The folder of a bucket's multipart uploads. */
  uploadsDirectory(bucket: string): string {
    return join(this.#bucket(bucket), "uploads");
  }

  /** Writes aside, then moves to `path` in one step. `whenGone` says what it means that the folder is not there. */
  async place<Facts>(
    path: string,
    bytes: AsyncIterable<Buffer>,
    factsAtEnd: () => Facts,
    { onlyIfNew = false, whenGone }: { onlyIfNew?: boolean; whenGone: () => S3Error },
  ): Promise<Facts> {
    const incoming = this.asidePath();
    try {
      const facts = await writeStoredFile(incoming, bytes, factsAtEnd);
      try {
        // Unlike rename, link refuses to replace.
        await (onlyIfNew ? link(incoming, path) : rename(incoming, path));
      } catch (error) {
        if (hasCode(error, "ENOENT")) throw whenGone();
        throw hasCode(error, "EEXIST") ? preconditionFailed() : error;
      }
      await syncDirectory(dirname(path));
      return facts;
    } finally {
      await rm(incoming, { force: true });
    }
  }

  get #incoming(): string {
    return join(this.#directory, "incoming");
  }

  get #buckets(): string {
    return join(this.#directory, "buckets");
  }

  #objects(bucket: string): string {
    return join(this.#bucket(bucket), "objects");
  }

  #objectPath(bucket: string, key: string): string {
    return join(this.#objects(bucket), keyFileName(key));
  }

  /** The one gate through which a client's bucket name becomes a path. */
  #bucket(bucket: string): string {
    if (!/^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
      throw new S3Error("InvalidBucketName", "The specified bucket is not valid.", { BucketName: bucket });
    }
    return join(this.#buckets, bucket);
  }
}

export const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

/** A rename or unlink is lasting only once the folder itself is on the disk. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readKey(path: string): Promise<string | undefined> {
  try {
    return (await readFacts<ObjectFacts>(path)).key;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

export const preconditionFailed = (): S3Error =>
  new S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold.");

const noSuchBucket = (bucket: string): S3Error =>
  new S3Error("NoSuchBucket", "The specified bucket does not exist.", { BucketName: bucket });
