import { createHash } from "node:crypto";
import { S3Error } from "./errors.ts";
import { type ChunkSignatures } from "./signature.ts";

const headerBytesMax = 256;
const trailerBytesMax = 4096;

/**
 * Takes the `aws-chunked` framing off a body: `size;chunk-signature=…`, the data, and so on to a chunk of size 0,
 * then the trailers, which land in `trailers`. With `signatures` each chunk and the trailer must be signed;
 * a chunk's bytes come out before its signature was checked, so nothing may be kept until the end was reached.
 */
export async function* decodeAwsChunked(
  source: AsyncIterable<Buffer>,
  signatures: ChunkSignatures | undefined,
  trailers: Map<string, string>,
): AsyncGenerator<Buffer> {
  const reader = new Reader(source);
  try {
    for (;;) {
      const header = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(await reader.line());
      if (!header?.[1]) throw malformed();
      const size = parseInt(header[1], 16);

      const hash = createHash("sha256");
      let left = size;
      while (left > 0) {
        const piece = await reader.some(left);
        if (signatures) hash.update(piece);
        left -= piece.length;
        yield piece;
      }
      signatures?.checkChunk(hash.digest("hex"), header[2]);
      if (size === 0) break;
      if ((await reader.line()) !== "") throw malformed();
    }
    readTrailers(await reader.rest(), signatures, trailers);
  } finally {
    await reader.letGo();
  }
}

function readTrailers(
  text: string,
  signatures: ChunkSignatures | undefined,
  trailers: Map<string, string>,
): void {
  for (const line of text.split(/\r?\n/).filter((each) => each !== "")) {
    const colon = line.indexOf(":");
    if (colon < 1) throw malformed();
    trailers.set(line.slice(0, colon).toLowerCase().trim(), line.slice(colon + 1).trim());
  }
  const signature = trailers.get("x-amz-trailer-signature");
  trailers.delete("x-amz-trailer-signature");
  if (!signatures || (trailers.size === 0 && signature === undefined)) return;
  const canonical = [...trailers].map(([name, value]) => `${name}:${value}\n`).join("");
  signatures.checkTrailer(canonical, signature);
}

class Reader {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Up to the next CRLF, which is taken away. */
  async line(): Promise<string> {
    let end: number;
    while ((end = this.#held.indexOf("\r\n")) < 0) {
      if (this.#held.length > headerBytesMax || !(await this.#more())) throw malformed();
    }
    if (end > headerBytesMax) throw malformed();
    const line = this.#held.toString("latin1", 0, end);
    this.#held = this.#held.subarray(end + 2);
    return line;
  }

  /** At least one byte, at most `max`, without copying. */
  async some(max: number): Promise<Buffer> {
    if (this.#held.length === 0 && !(await this.#more())) throw malformed();
    const piece = this.#held.subarray(0, max);
    this.#held = this.#held.subarray(piece.length);
    return piece;
  }

  async rest(): Promise<string> {
    do {
      if (this.#held.length > trailerBytesMax) throw malformed();
    } while (await this.#more());
    return this.#held.toString("latin1");
  }

  /** Of the source, so that what is left of the body can be read by somebody else. */
  async letGo(): Promise<void> {
    await this.#source.return?.();
  }

  /** False at the end. */
  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done) return false;
    this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
    return true;
  }
}

const malformed = (): S3Error =>
  new S3Error("IncompleteBody", "The aws-chunked body is cut short or is not framed as it should be.");
