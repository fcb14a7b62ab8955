import { type IncomingMessage } from "node:http";
import { S3Error } from "./errors.ts";

const keyBytesMax = 1024;

/**
 * One request as S3 sees it: path-style, so the first segment is the bucket and all the rest is the key.
 * The path is decoded once, here, and never resolved: `..` in a key is two dots.
 */
export class S3Request {
  readonly raw: IncomingMessage;
  readonly method: string;
  /** Decoded, with its leading slash. */
  readonly path: string;
  readonly bucket: string;
  readonly key: string;
  /** Decoded, in the order sent. */
  readonly query: readonly (readonly [name: string, value: string])[];
  /** Tells a client that sent `Expect: 100-continue` to go on with the body. */
  readonly acceptBody: () => void;

  constructor(raw: IncomingMessage, acceptBody: () => void) {
    const url = raw.url ?? "";
    if (!url.startsWith("/")) throw new S3Error("InvalidURI", "Couldn't parse the specified URI.");
    const questionMark = url.indexOf("?");
    this.raw = raw;
    this.acceptBody = acceptBody;
    this.method = raw.method ?? "";
    this.path = percentDecode(questionMark < 0 ? url : url.slice(0, questionMark));
    this.query = questionMark < 0 ? [] : parseQuery(url.slice(questionMark + 1));

    const slash = this.path.indexOf("/", 1);
    this.bucket = slash < 0 ? this.path.slice(1) : this.path.slice(1, slash);
    this.key = slash < 0 ? "" : this.path.slice(slash + 1);
    if (Buffer.byteLength(this.key) > keyBytesMax)
      throw new S3Error("KeyTooLongError", "Your key is too long.");
  }

  parameter(name: string): string | undefined {
    return this.query.find(([each]) => each === name)?.[1];
  }

  /** A whole number between 0 and `max`; what is larger counts as `max`, as S3 has it for page sizes. */
  countParameter(name: string, max: number): number {
    const text = this.parameter(name);
    if (text === undefined || text === "") return max;
    if (!/^\d{1,10}$/.test(text))
      throw new S3Error("InvalidArgument", `Provided ${name} is not a whole number.`);
    return Math.min(Number(text), max);
  }

  /** A header; of a presigned request also an `x-amz-` one that the signer moved into the query. */
  header(name: string): string | undefined {
    const value = this.raw.headers[name];
    if (value !== undefined) return Array.isArray(value) ? value.join(",") : value;
    if (!name.startsWith("x-amz-")) return undefined;
    return this.query.find(([each]) => each.toLowerCase() === name)?.[1];
  }

  /** All values of a header as they were sent, byte for byte (latin1), for the signature. */
  rawHeader(name: string): string[] {
    return this.raw.headersDistinct[name] ?? [];
  }
}

function parseQuery(text: string): [string, string][] {
  return text
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=");
      const name = equals < 0 ? pair : pair.slice(0, equals);
      const value = equals < 0 ? "" : pair.slice(equals + 1);
      return [percentDecode(name.replaceAll("+", " ")), percentDecode(value.replaceAll("+", " "))];
    });
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error("InvalidURI", "Couldn't parse the specified URI.");
  }
}
