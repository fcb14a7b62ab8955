import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";

/** What a file is known by at both ends of an upload. */
export interface Fingerprint {
  sizeBytes: number;
  /** Of the whole file, hex. */
  sha256: string;
  /** Of its parts, as S3 tells the checksum of an object that came in parts: `<base64>-<how many>`. */
  sha256OfParts: string;
}

/** Files up to this go in one request, larger ones in parts of it; S3's own floor is 5 MiB. */
export const partBytes = 8 * 1024 * 1024;

export const fingerprintFile = (path: string): Promise<Fingerprint> => fingerprint(createReadStream(path));

/** Reads to the end, holding one buffer at a time. */
export async function fingerprint(stream: Readable): Promise<Fingerprint> {
  const whole = createHash("sha256");
  const parts = new Parts();
  let sizeBytes = 0;
  for await (const bytes of stream as AsyncIterable<Buffer>) {
    whole.update(bytes);
    parts.add(bytes);
    sizeBytes += bytes.length;
  }
  return { sizeBytes, sha256: whole.digest("hex"), sha256OfParts: parts.end() };
}

class Parts {
  readonly #ofDigests = createHash("sha256");
  #count = 0;
  #part: Hash = createHash("sha256");
  #room = partBytes;

  add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#room === 0) this.#close();
    const here = bytes.subarray(0, this.#room);
    this.#part.update(here);
    this.#room -= here.length;
    this.add(bytes.subarray(here.length));
  }

  end(): string {
    if (this.#room < partBytes) this.#close();
    return `${this.#ofDigests.digest("base64")}-${this.#count}`;
  }

  #close(): void {
    this.#ofDigests.update(this.#part.digest());
    this.#count++;
    this.#part = createHash("sha256");
    this.#room = partBytes;
  }
}
