import { createReadStream, createWriteStream } from "node:fs";
import { addAbortSignal, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListMultipartUploadsCommand,
  S3Client,
  S3ServiceException,
  type HeadObjectCommandOutput,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { Clock } from "../engine/clock.ts";
import { SautikitError } from "../engine/errors.ts";
import { fingerprint, fingerprintFile, partBytes, type Fingerprint } from "./fingerprint.ts";

/** The object storage: any server that speaks S3. Every method throws `storage.unavailable`, and nothing else. */
export interface Storage {
  /** Makes the bucket if there is none. */
  ensureBucket(): Promise<void>;
  /**
   * Puts the file, or what is read, there and returns once the storage was seen to hold exactly those bytes. Repeatable: what is there
   * already is not sent again.
   */
  put(file: string | (() => Readable), key: string, expected: Fingerprint): Promise<void>;
  /** The same with a file of any kind. Answers its size. */
  putFile(file: string, key: string, contentType: string): Promise<number>;
  /** The whole object into a file. False: there is none. */
  getFile(key: string, file: string, bytes: number): Promise<boolean>;
  /** The same with bytes that are in memory. */
  putBytes(bytes: Uint8Array, key: string, contentType: string): Promise<void>;
  /** The whole object. Null: there is none. Throws where it is larger. */
  get(key: string, bytesMax: number): Promise<Uint8Array | null>;
  /** Null: there is no such object. */
  head(key: string): Promise<{ sizeBytes: number } | null>;
  /** Reads the whole object. Null: there is none. */
  read(key: string, bytes: number): Promise<Fingerprint | null>;
  /** Objects whose keys begin so, in the order of their keys, those after `after`. */
  list(prefix: string, after: string, limit: number): Promise<StoredObject[]>;
  /** A link for whoever holds it, to the storage's public address, which saves the object under that name. */
  presignGet(key: string, options: LinkOptions): Promise<PresignedUrl>;
  /** Also when there is no such object. `unfinished`: and what uploads have left there that never ended. */
  delete(key: string, options?: { unfinished: boolean }): Promise<void>;
  /** Whether the bucket can be reached with our key, now. */
  healthy(): Promise<boolean>;
  close(): void;
}

export interface StoredObject {
  key: string;
  sizeBytes: number;
}

export interface LinkOptions {
  expiresInSeconds: number;
  fileName: string;
  /** Default: audio/wav. */
  contentType?: string;
}

export interface PresignedUrl {
  url: string;
  expiresAtMs: number;
}

export interface StorageOptions {
  /** Without it: AWS's own, by region. */
  endpoint?: string;
  /** Where customers reach the same server (S3_PUBLIC_URL); default: `endpoint`. */
  publicEndpoint?: string;
  region: string;
  bucket: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** `https://host/bucket/key` instead of `https://bucket.host/key`. */
  forcePathStyle: boolean;
  clock: Clock;
}

export function createStorage(options: StorageOptions): Storage {
  const client = new S3Client(clientConfig(options, options.endpoint));
  const signer = new S3Client(clientConfig(options, options.publicEndpoint ?? options.endpoint));
  return new S3Storage(client, signer, options.bucket, options.clock);
}

function clientConfig(options: StorageOptions, endpoint: string | undefined) {
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    region: options.region,
    forcePathStyle: options.forcePathStyle,
    credentials: { accessKeyId: options.accessKeyId, secretAccessKey: options.secretAccessKey },
    // Otherwise the SDK adds a CRC32 of its own to every request, which other stores than AWS's may take for data.
    requestChecksumCalculation: "WHEN_REQUIRED" as const,
    responseChecksumValidation: "WHEN_REQUIRED" as const,
    // Who calls us repeats by a plan of its own; this one is for a connection that was closed while it lay idle.
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: 5000,
      // From the request to the head of the answer; a part of 8 MiB makes it on the slowest link.
      requestTimeout: 60_000,
      throwOnRequestTimeout: true,
      // Nothing sent or received for so long.
      socketTimeout: 30_000,
      httpAgent: { maxSockets: 32, keepAlive: true },
      httpsAgent: { maxSockets: 32, keepAlive: true },
    },
  };
}

/**
 * What an answer may take beside its bytes, and those on the slowest link, 1.2 Mbit/s. It bounds what the limits above
 * do not: an answer that drips.
 */
const answerMsMax = 10_000;
const bytesPerMsMin = 150;

/** No `put` of so many bytes goes on for longer: each is sent once and may be read once, with some requests beside. */
export const putMsMax = (bytes: number): number => 10 * answerMsMax + 2 * Math.ceil(bytes / bytesPerMsMin);

class S3Storage implements Storage {
  readonly #client: S3Client;
  readonly #signer: S3Client;
  readonly #bucket: string;
  readonly #clock: Clock;

  constructor(client: S3Client, signer: S3Client, bucket: string, clock: Clock) {
    this.#client = client;
    this.#signer = signer;
    this.#bucket = bucket;
    this.#clock = clock;
  }

  async ensureBucket(): Promise<void> {
    await attempt("make the bucket", async () => {
      const named = { Bucket: this.#bucket };
      if (await this.#found((limit) => this.#client.send(new HeadBucketCommand(named), limit))) return;
      try {
        await this.#inTime((limit) => this.#client.send(new CreateBucketCommand(named), limit));
      } catch (error) {
        // Another box of ours was quicker.
        if (!isNamed(error, "BucketAlreadyOwnedByYou")) throw error;
      }
    });
  }

  async put(file: string | (() => Readable), key: string, expected: Fingerprint): Promise<void> {
    const body = typeof file === "string" ? () => createReadStream(file) : file;
    await this.#put(body, key, expected, "audio/wav");
  }

  async putBytes(bytes: Uint8Array, key: string, contentType: string): Promise<void> {
    const body = () => Readable.from(slices(bytes));
    await this.#put(body, key, await fingerprint(body()), contentType);
  }

  async putFile(file: string, key: string, contentType: string): Promise<number> {
    const expected = await fingerprintFile(file);
    await this.#put(() => createReadStream(file), key, expected, contentType);
    return expected.sizeBytes;
  }

  async getFile(key: string, file: string, bytes: number): Promise<boolean> {
    const written = await attempt(`read ${key}`, () =>
      this.#object(key, bytes, async (body) => {
        await pipeline(body, createWriteStream(file));
        return true;
      }),
    );
    return written ?? false;
  }

  async get(key: string, bytesMax: number): Promise<Uint8Array | null> {
    return attempt(`read ${key}`, () =>
      this.#object(key, bytesMax, async (body) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        for await (const chunk of body as AsyncIterable<Buffer>) {
          chunks.push(chunk);
          if ((bytes += chunk.length) > bytesMax)
            throw new Error(`The object is larger than ${bytesMax} bytes.`);
        }
        return Buffer.concat(chunks);
      }),
    );
  }

  async head(key: string): Promise<{ sizeBytes: number } | null> {
    const head = await attempt(`look up ${key}`, () => this.#head(key));
    return head && { sizeBytes: head.ContentLength ?? 0 };
  }

  read(key: string, bytes: number): Promise<Fingerprint | null> {
    return attempt(`read ${key}`, () => this.#read(key, bytes));
  }

  async list(prefix: string, after: string, limit: number): Promise<StoredObject[]> {
    const command = new ListObjectsV2Command({
      ...{ Bucket: this.#bucket, Prefix: prefix, MaxKeys: limit },
      ...(after === "" ? {} : { StartAfter: after }),
    });
    const { Contents = [] } = await attempt("list the bucket", () =>
      this.#inTime((options) => this.#client.send(command, options)),
    );
    return Contents.map(({ Key = "", Size = 0 }) => ({ key: Key, sizeBytes: Size }));
  }

  async presignGet(
    key: string,
    { expiresInSeconds, fileName, contentType = "audio/wav" }: LinkOptions,
  ): Promise<PresignedUrl> {
    const signingDate = new Date(this.#clock.nowMs());
    const command = new GetObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      ResponseContentDisposition: `attachment; filename="${fileName}"`,
      ResponseContentType: contentType,
    });
    const url = await attempt(`sign a link to ${key}`, () =>
      getSignedUrl(this.#signer, command, { expiresIn: expiresInSeconds, signingDate }),
    );
    // The signature counts from the whole second.
    return { url, expiresAtMs: (Math.floor(signingDate.getTime() / 1000) + expiresInSeconds) * 1000 };
  }

  async delete(key: string, { unfinished } = { unfinished: false }): Promise<void> {
    await attempt(`delete ${key}`, async () => {
      if (unfinished) await this.#dropParts(key);
      await this.#found((limit) =>
        this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }), limit),
      );
    });
  }

  async healthy(): Promise<boolean> {
    try {
      await this.#inTime((limit) =>
        this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket }), limit),
      );
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#client.destroy();
    this.#signer.destroy();
  }

  async #put(body: () => Readable, key: string, expected: Fingerprint, contentType: string): Promise<void> {
    await attempt(`upload ${key}`, async () => {
      if (await this.#holds(key, expected)) return;
      if (expected.sizeBytes > partBytes) await this.#dropParts(key);
      await this.#upload(body(), key, expected.sizeBytes, contentType);
      if (!(await this.#holds(key, expected))) throw new Error("The storage does not hold what was sent.");
    });
  }

  async #upload(Body: Readable, key: string, bytes: number, ContentType: string): Promise<void> {
    try {
      await this.#inTime((limit) => {
        const upload = new Upload({
          client: limited(this.#client, limit),
          partSize: partBytes,
          // One after another, lest two share the time that a link has for each; with 4 files at once, 32 MiB are in memory.
          queueSize: 1,
          params: {
            Bucket: this.#bucket,
            Key: key,
            Body,
            ContentType,
            ChecksumAlgorithm: "SHA256",
          },
        });
        limit.abortSignal.addEventListener("abort", () => void upload.abort(), { once: true });
        return upload.done();
      }, bytes);
    } finally {
      Body.destroy();
    }
  }

  /** What an upload that was killed left behind is nowhere to be seen, and paid for. */
  async #dropParts(key: string): Promise<void> {
    const { Uploads = [] } = await this.#inTime((limit) =>
      this.#client.send(new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: key }), limit),
    );
    for (const { UploadId } of Uploads) {
      const command = new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key: key, UploadId });
      await this.#found((limit) => this.#client.send(command, limit));
    }
  }

  /** Whether the object's bytes are those: by the checksum that the storage tells, else by reading it. */
  async #holds(key: string, expected: Fingerprint): Promise<boolean> {
    const head = await this.#head(key);
    if (head?.ContentLength !== expected.sizeBytes) return false;
    const told = head.ChecksumSHA256;
    if (told === undefined) return (await this.#read(key, expected.sizeBytes))?.sha256 === expected.sha256;
    return told === (told.includes("-") ? expected.sha256OfParts : base64(expected.sha256));
  }

  #read(key: string, bytes: number): Promise<Fingerprint | null> {
    return this.#object(key, bytes, fingerprint);
  }

  /** Null: there is none. */
  #object<T>(key: string, bytes: number, read: (body: Readable) => Promise<T>): Promise<T | null> {
    return this.#found(async (limit) => {
      const object = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }), limit);
      return object.Body ? read(addAbortSignal(limit.abortSignal, object.Body as Readable)) : null;
    }, bytes);
  }

  #head(key: string): Promise<HeadObjectCommandOutput | null> {
    const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: key, ChecksumMode: "ENABLED" });
    return this.#found((limit) => this.#client.send(command, limit));
  }

  /** Null for a 404. */
  async #found<T>(request: (limit: Limit) => Promise<T>, bytes = 0): Promise<T | null> {
    try {
      return await this.#inTime(request, bytes);
    } catch (error) {
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404) return null;
      throw error;
    }
  }

  /** Gives a request up, its second try included, once it has taken longer than its bytes can explain. */
  async #inTime<T>(request: (limit: Limit) => Promise<T>, bytes = 0): Promise<T> {
    const late = new AbortController();
    const ms = answerMsMax + Math.ceil(bytes / bytesPerMsMin);
    const timer = this.#clock.after(ms, () => late.abort());
    try {
      return await request({ abortSignal: late.signal });
    } catch (cause) {
      if (!late.signal.aborted) throw cause;
      throw new Error(`There was no complete answer within ${ms} ms.`, { cause });
    } finally {
      timer.cancel();
    }
  }
}

/** As the SDK takes it. */
interface Limit {
  abortSignal: AbortSignal;
}

/**
 * The client for an upload, which by itself goes on with the requests that it has under way when it is given up: their object
 * would come when it was removed already. The parts are taken back all the same.
 */
function limited(client: S3Client, limit: Limit): S3Client {
  const send = (command: Parameters<S3Client["send"]>[0]) =>
    client.send(command, command instanceof AbortMultipartUploadCommand ? {} : limit);
  return Object.create(client, { send: { value: send } }) as S3Client;
}

async function attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new SautikitError("storage.unavailable", `Could not ${what}: ${reason(cause)}`, {
      cause,
      retryAfterSeconds: 5,
    });
  }
}

/** S3 names its refusals (AccessDenied, NoSuchBucket); a bare HTTP status has no text of its own. */
function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return "unknown";
  return cause.message === "" || cause.message === "UnknownError"
    ? cause.name
    : `${cause.name}: ${cause.message}`;
}

const isNamed = (error: unknown, name: string) => error instanceof S3ServiceException && error.name === name;

const sliceBytes = 64 * 1024;

/** So that nobody holds, or hashes, all of it at a time. */
function* slices(bytes: Uint8Array): Generator<Buffer> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < all.length; at += sliceBytes) yield all.subarray(at, at + sliceBytes);
}

const base64 = (hex: string) => Buffer.from(hex, "hex").toString("base64");
