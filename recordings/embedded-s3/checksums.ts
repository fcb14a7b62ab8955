import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { S3Error } from "./errors.ts";

/** As S3 spells them in `x-amz-checksum-algorithm`; lower-cased they are the end of `x-amz-checksum-…`. */
export type ChecksumAlgorithm = keyof typeof bytesByAlgorithm;

const bytesByAlgorithm = { CRC32: 4, CRC32C: 4, SHA1: 20, SHA256: 32 };
export const checksumAlgorithms = Object.keys(bytesByAlgorithm) as ChecksumAlgorithm[];

/** `value` is base64; of an object put together from parts without its whole bytes hashed, base64 and `-3`. */
export interface Checksum {
  algorithm: ChecksumAlgorithm;
  type: "FULL_OBJECT" | "COMPOSITE";
  value: string;
}

export interface Hasher {
  update(bytes: Buffer): void;
  digest(): Buffer;
}

export function checksumHasher(algorithm: ChecksumAlgorithm): Hasher {
  if (algorithm === "CRC32") return crcHasher((bytes, value) => crc32(bytes, value));
  if (algorithm === "CRC32C") return crcHasher(crc32c);
  return createHash(algorithm.toLowerCase());
}

export const checksumHeader = (algorithm: ChecksumAlgorithm): string =>
  `x-amz-checksum-${algorithm.toLowerCase()}`;

/** `ChecksumSHA256`, as the element is called in S3's XML. */
export const checksumElement = (algorithm: ChecksumAlgorithm): string => `Checksum${algorithm}`;

export function checksumAlgorithm(name: string): ChecksumAlgorithm {
  const known = checksumAlgorithms.find((each) => each === name.toUpperCase());
  if (!known)
    throw new S3Error("NotImplemented", `Checksums here are ${checksumAlgorithms.join(", ")}, not ${name}.`);
  return known;
}

/** Throws unless `value` is base64 of as many bytes as the algorithm gives. */
export function checkChecksumShape(algorithm: ChecksumAlgorithm, value: string): void {
  const bytes = Buffer.from(value, "base64");
  if (bytes.length === bytesByAlgorithm[algorithm] && bytes.toString("base64") === value) return;
  throw new S3Error("InvalidRequest", `Value for ${checksumHeader(algorithm)} header is invalid.`);
}

function crcHasher(next: (bytes: Buffer, value: number) => number): Hasher {
  let value = 0;
  return {
    update(bytes) {
      value = next(bytes, value);
    },
    digest() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes;
    },
  };
}

/** Castagnoli's polynomial, reflected. RFC 3720 appendix B.4 has test values. */
const castagnoli = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

function crc32c(bytes: Buffer, previous: number): number {
  let value = ~previous;
  for (const byte of bytes) value = (castagnoli[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return ~value >>> 0;
}
