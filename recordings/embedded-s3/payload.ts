import { createHash } from "node:crypto";
import { decodeAwsChunked } from "./aws-chunked.ts";
import {
  type Checksum,
  checkChecksumShape,
  type ChecksumAlgorithm,
  checksumAlgorithm,
  checksumHasher,
  checksumHeader,
} from "./checksums.ts";
import { S3Error } from "./errors.ts";
import { type S3Request } from "./request.ts";
import { type Proof } from "./signature.ts";

/** What S3 allows in a single PUT, and in one part. */
export const objectBytesMax = 5 * 1024 ** 3;
/** Room for 10,000 parts with a SHA-256 each, or 1,000 keys of 1,024 bytes, escaped. */
const documentBytesMax = 8 * 1024 ** 2;

export interface Received {
  size: number;
  md5Hex: string;
  checksum?: Checksum;
}

/** A request's body, decoded and held against everything the request promised of it. */
export class Payload {
  readonly #request: S3Request;
  readonly #proof: Proof;
  readonly #sizeDeclared: number;
  /** The one the client declared, else the one the upload was created with. */
  readonly #algorithm: ChecksumAlgorithm | undefined;
  readonly #checksumDeclared: ChecksumAlgorithm | undefined;
  readonly #trailers = new Map<string, string>();
  #received: Received | undefined;

  constructor(
    request: S3Request,
    proof: Proof,
    {
      bytesMax = objectBytesMax,
      algorithm,
    }: { bytesMax?: number; algorithm?: ChecksumAlgorithm | undefined } = {},
  ) {
    this.#request = request;
    this.#proof = proof;
    this.#sizeDeclared = sizeDeclared(request, proof, bytesMax);
    this.#checksumDeclared = checksumDeclared(request);
    this.#algorithm = this.#checksumDeclared ?? algorithm;
  }

  /** To be read to its end once: only then has every promise been checked, else this throws. */
  async *bytes(): AsyncGenerator<Buffer> {
    const sha256 = createHash("sha256");
    const md5 = createHash("md5");
    const checksum = this.#algorithm && checksumHasher(this.#algorithm);
    const hashed = /^[0-9a-f]{64}$/.test(this.#proof.payloadHash);

    let size = 0;
    for await (const bytes of this.#decoded()) {
      size += bytes.length;
      if (size > this.#sizeDeclared) throw incomplete();
      if (hashed) sha256.update(bytes);
      md5.update(bytes);
      checksum?.update(bytes);
      yield bytes;
    }
    if (size !== this.#sizeDeclared) throw incomplete();
    if (hashed && sha256.digest("hex") !== this.#proof.payloadHash) {
      throw new S3Error(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' is not what was computed.",
      );
    }
    const md5Digest = md5.digest();
    checkContentMd5(this.#request.header("content-md5"), md5Digest);
    const checksumDigest = checksum?.digest().toString("base64");
    if (checksumDigest !== undefined) this.#checkChecksum(checksumDigest);
    this.#received = {
      size,
      md5Hex: md5Digest.toString("hex"),
      ...(this.#algorithm && checksumDigest !== undefined
        ? { checksum: { algorithm: this.#algorithm, type: "FULL_OBJECT", value: checksumDigest } }
        : {}),
    };
  }

  /** After `bytes()` has ended. */
  get received(): Received {
    if (!this.#received) throw new Error("The payload has not been read to its end.");
    return this.#received;
  }

  #decoded(): AsyncIterable<Buffer> {
    this.#request.acceptBody();
    // A refusal half-way must leave the socket alive to carry the reply.
    const raw = this.#request.raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    const { payloadHash, chunks } = this.#proof;
    if (!isStreaming(payloadHash)) return raw;
    const signed = payloadHash !== "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    return decodeAwsChunked(raw, signed ? chunks : undefined, this.#trailers);
  }

  #checkChecksum(computed: string): void {
    if (!this.#checksumDeclared) return;
    const name = checksumHeader(this.#checksumDeclared);
    const declared = this.#request.header(name) ?? this.#trailers.get(name);
    if (declared === undefined)
      throw new S3Error("InvalidRequest", `The trailer ${name} was promised and not sent.`);
    checkChecksumShape(this.#checksumDeclared, declared);
    if (declared !== computed) {
      throw new S3Error(
        "BadDigest",
        `The ${this.#checksumDeclared} you specified did not match what we received.`,
      );
    }
  }
}

/** A small XML body, whole. */
export async function readDocument(request: S3Request, proof: Proof): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of new Payload(request, proof, { bytesMax: documentBytesMax }).bytes())
    pieces.push(piece);
  return Buffer.concat(pieces);
}

const isStreaming = (payloadHash: string): boolean => payloadHash.startsWith("STREAMING-");

const payloadHashes =
  /^([0-9a-f]{64}|UNSIGNED-PAYLOAD|STREAMING-(AWS4-HMAC-SHA256-PAYLOAD(-TRAILER)?|UNSIGNED-PAYLOAD-TRAILER))$/;

function sizeDeclared(request: S3Request, { payloadHash }: Proof, bytesMax: number): number {
  if (!payloadHashes.test(payloadHash)) {
    throw new S3Error(
      "NotImplemented",
      `x-amz-content-sha256 of this kind is not supported: ${payloadHash}.`,
    );
  }
  const text = isStreaming(payloadHash)
    ? request.header("x-amz-decoded-content-length")
    : request.raw.headers["content-length"];
  if (text === undefined || !/^\d{1,15}$/.test(text)) {
    throw new S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.");
  }
  if (Number(text) > bytesMax) {
    throw new S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.", {
      MaxSizeAllowed: String(bytesMax),
    });
  }
  return Number(text);
}

const checksumNames = /^x-amz-checksum-(?!algorithm$|type$|mode$)(.+)$/;

function checksumDeclared(request: S3Request): ChecksumAlgorithm | undefined {
  const names = new Set([
    ...Object.keys(request.raw.headers),
    ...request.query.map(([name]) => name.toLowerCase()),
    ...(request.header("x-amz-trailer") ?? "").split(",").map((name) => name.trim().toLowerCase()),
  ]);
  const algorithms = [...names]
    .map((name) => checksumNames.exec(name)?.[1])
    .filter((name) => name !== undefined);
  if (algorithms.length > 1) {
    throw new S3Error(
      "InvalidRequest",
      "Expecting a single x-amz-checksum- header. Multiple checksums are not allowed.",
    );
  }
  return algorithms[0] === undefined ? undefined : checksumAlgorithm(algorithms[0]);
}

function checkContentMd5(declared: string | undefined, computed: Buffer): void {
  if (declared === undefined) return;
  const bytes = Buffer.from(declared, "base64");
  if (bytes.length !== 16) throw new S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.");
  if (!bytes.equals(computed)) {
    throw new S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.");
  }
}

const incomplete = (): S3Error =>
  new S3Error(
    "IncompleteBody",
    "You did not provide the number of bytes specified by the Content-Length header.",
  );
