import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock } from "../../engine/clock.ts";
import { type Checksum, type ChecksumAlgorithm, checksumHasher, type Hasher } from "./checksums.ts";
import { type Disk, hasCode, type ObjectFacts, syncDirectory } from "./disk.ts";
import { S3Error } from "./errors.ts";
import { openStoredFile, readBytes, readFacts, type StoredFile, writeStoredFile } from "./stored-file.ts";

export interface UploadFacts {
  uploadId: string;
  key: string;
  headers: Record<string, string>;
  initiatedMs: number;
  checksum?: { algorithm: ChecksumAlgorithm; type: Checksum["type"] };
}

export interface PartFacts {
  partNumber: number;
  size: number;
  etag: string;
  lastModifiedMs: number;
  checksum?: Checksum;
}

/** A part as the client names it when it completes an upload. */
export interface PartClaimed {
  partNumber: number;
  etag: string;
  checksum?: string | undefined;
}

export const partNumberMax = 10_000;
/** All parts but the last are at least this large, as on S3. */
const partBytesMin = 5 * 1024 ** 2;
const uploadFile = "upload";

/** Multipart uploads: a folder each, with a file for what was asked at the start and a stored file a part. */
export class Uploads {
  readonly #disk: Disk;
  readonly #clock: Clock;

  constructor(disk: Disk, clock: Clock) {
    this.#disk = disk;
    this.#clock = clock;
  }

  async create(
    bucket: string,
    asked: Pick<UploadFacts, "key" | "headers" | "checksum">,
  ): Promise<UploadFacts> {
    await this.#disk.bucketCreatedMs(bucket);
    const facts = { ...asked, uploadId: randomBytes(16).toString("hex"), initiatedMs: this.#clock.nowMs() };
    const directory = this.#directory(bucket, facts.uploadId);
    const preparing = this.#disk.asidePath();
    await mkdir(preparing, { mode: 0o700 });
    await writeStoredFile(join(preparing, uploadFile), nothing(), () => facts);
    await rename(preparing, directory);
    await syncDirectory(this.#disk.uploadsDirectory(bucket));
    return facts;
  }

  /** Throws `NoSuchUpload`. */
  async find(bucket: string, key: string, uploadId: string): Promise<UploadFacts> {
    try {
      const facts = await readFacts<UploadFacts>(join(this.#directory(bucket, uploadId), uploadFile));
      if (facts.key === key) return facts;
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
    }
    throw noSuchUpload();
  }

  async list(bucket: string): Promise<UploadFacts[]> {
    await this.#disk.bucketCreatedMs(bucket);
    const found: UploadFacts[] = [];
    for (const name of await readdir(this.#disk.uploadsDirectory(bucket))) {
      if (!isUploadId(name)) continue;
      try {
        found.push(await readFacts<UploadFacts>(join(this.#directory(bucket, name), uploadFile)));
      } catch (error) {
        if (!hasCode(error, "ENOENT")) throw error;
      }
    }
    return found;
  }

  async putPart(
    bucket: string,
    { uploadId }: UploadFacts,
    partNumber: number,
    bytes: AsyncIterable<Buffer>,
    receivedAtEnd: () => Omit<PartFacts, "partNumber" | "lastModifiedMs">,
  ): Promise<PartFacts> {
    return await this.#disk.place<PartFacts>(
      this.#part(bucket, uploadId, partNumber),
      bytes,
      () => ({ ...receivedAtEnd(), partNumber, lastModifiedMs: this.#clock.nowMs() }),
      { whenGone: noSuchUpload },
    );
  }

  /** In order of their numbers. */
  async parts(bucket: string, { uploadId }: UploadFacts): Promise<PartFacts[]> {
    const directory = this.#directory(bucket, uploadId);
    try {
      const names = (await readdir(directory)).filter((name) => name !== uploadFile).sort();
      const parts: PartFacts[] = [];
      for (const name of names) parts.push(await readFacts<PartFacts>(join(directory, name)));
      return parts;
    } catch (error) {
      throw hasCode(error, "ENOENT") ? noSuchUpload() : error;
    }
  }

  /** Puts the parts together as the object. The upload is gone afterwards; after a crash half-way both may be there. */
  async complete(
    bucket: string,
    upload: UploadFacts,
    claimed: PartClaimed[],
    { onlyIfNew = false } = {},
  ): Promise<ObjectFacts> {
    const parts = checkParts(claimed, await this.parts(bucket, upload));
    const whole =
      upload.checksum?.type === "FULL_OBJECT" ? checksumHasher(upload.checksum.algorithm) : undefined;
    const facts = await this.#disk.putObject(
      bucket,
      upload.key,
      this.#joined(bucket, upload, parts, whole),
      () => ({
        key: upload.key,
        size: parts.reduce((sum, part) => sum + part.size, 0),
        etag: `${md5OfMd5s(parts)}-${parts.length}`,
        lastModifiedMs: this.#clock.nowMs(),
        headers: upload.headers,
        uploadId: upload.uploadId,
        ...joinedChecksum(upload, parts, whole),
      }),
      { onlyIfNew },
    );
    await this.remove(bucket, upload.uploadId);
    return facts;
  }

  /** Moved aside in one step, so that a part arriving meanwhile finds no folder. Does nothing the second time. */
  async remove(bucket: string, uploadId: string): Promise<void> {
    const aside = this.#disk.asidePath();
    try {
      await rename(this.#directory(bucket, uploadId), aside);
    } catch (error) {
      if (hasCode(error, "ENOENT")) return;
      throw error;
    }
    await syncDirectory(this.#disk.uploadsDirectory(bucket));
    await rm(aside, { recursive: true });
  }

  async *#joined(
    bucket: string,
    { uploadId }: UploadFacts,
    parts: PartFacts[],
    whole: Hasher | undefined,
  ): AsyncGenerator<Buffer> {
    for (const part of parts) {
      const file = await this.#openPart(bucket, uploadId, part.partNumber);
      try {
        if (file.facts.etag !== part.etag) throw invalidPart(part.partNumber);
        for await (const bytes of readBytes(file)) {
          whole?.update(bytes);
          yield bytes;
        }
      } finally {
        await file.handle.close();
      }
    }
  }

  /** The upload was there a moment ago: without its part, another request has aborted or completed it. */
  async #openPart(bucket: string, uploadId: string, partNumber: number): Promise<StoredFile<PartFacts>> {
    try {
      return await openStoredFile<PartFacts>(this.#part(bucket, uploadId, partNumber));
    } catch (error) {
      throw hasCode(error, "ENOENT") ? noSuchUpload() : error;
    }
  }

  #part(bucket: string, uploadId: string, partNumber: number): string {
    return join(this.#directory(bucket, uploadId), String(partNumber).padStart(5, "0"));
  }

  #directory(bucket: string, uploadId: string): string {
    if (!isUploadId(uploadId)) throw noSuchUpload();
    return join(this.#disk.uploadsDirectory(bucket), uploadId);
  }
}

function checkParts(claimed: PartClaimed[], there: PartFacts[]): PartFacts[] {
  if (claimed.length === 0) throw new S3Error("MalformedXML", "You must specify at least one part.");
  const byNumber = new Map(there.map((part) => [part.partNumber, part]));
  const parts = claimed.map(({ partNumber, etag, checksum }, index) => {
    const part = byNumber.get(partNumber);
    if (part?.etag !== etag || (checksum !== undefined && checksum !== part.checksum?.value)) {
      throw invalidPart(partNumber);
    }
    if (partNumber <= (claimed[index - 1]?.partNumber ?? 0)) {
      throw new S3Error("InvalidPartOrder", "The list of parts was not in ascending order.");
    }
    return part;
  });
  const small = parts.slice(0, -1).find(({ size }) => size < partBytesMin);
  if (!small) return parts;
  throw new S3Error(
    "EntityTooSmall",
    "Your proposed upload is smaller than the minimum allowed object size.",
    {
      PartNumber: String(small.partNumber),
      MinSizeAllowed: String(partBytesMin),
    },
  );
}

function md5OfMd5s(parts: PartFacts[]): string {
  const hash = createHash("md5");
  for (const { etag } of parts) hash.update(etag, "hex");
  return hash.digest("hex");
}

/** Of a composite, the checksum of the parts' checksums, and how many they were. */
function joinedChecksum(
  upload: UploadFacts,
  parts: PartFacts[],
  whole: Hasher | undefined,
): { checksum?: Checksum } {
  if (!upload.checksum) return {};
  const { algorithm, type } = upload.checksum;
  if (whole) return { checksum: { algorithm, type, value: whole.digest().toString("base64") } };
  const hasher = checksumHasher(algorithm);
  for (const part of parts) {
    if (part.checksum?.algorithm !== algorithm) throw invalidPart(part.partNumber);
    hasher.update(Buffer.from(part.checksum.value, "base64"));
  }
  return { checksum: { algorithm, type, value: `${hasher.digest().toString("base64")}-${parts.length}` } };
}

async function* nothing(): AsyncGenerator<Buffer> {
  // An upload's own file is all facts and no data.
}

const isUploadId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);

const noSuchUpload = (): S3Error =>
  new S3Error("NoSuchUpload", "The specified upload does not exist. It may have been aborted or completed.");

const invalidPart = (partNumber: number): S3Error =>
  new S3Error(
    "InvalidPart",
    "One or more of the specified parts could not be found, or its ETag did not match.",
    {
      PartNumber: String(partNumber),
    },
  );
