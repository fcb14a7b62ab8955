/**
 * The event socket's framing, in both directions: a block of lines, an empty line, and a body if the block has a
 * Content-Length. Nothing here knows what a frame means.
 */

export interface Frame {
  /** As it stands on the wire: the command in a frame sent to the switch, a header in one from it. */
  readonly firstLine: string;
  /** Names in lower case. Of a repeated header the first counts. Values are not percent-decoded. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** The peer sent what is not ESL. The stream cannot be trusted from here on: drop the connection. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** What FreeSWITCH 1.11.2 and later allow in one frame. */
const bodyBytesMax = 16 * 1024 * 1024;
/** Real header blocks have two or three lines; long ones hold a dial string. */
const headBytesMax = 64 * 1024;

const newline = 10;
const empty = Buffer.alloc(0);

/**
 * Cuts a byte stream into frames, however it was split. Each byte is looked at once and copied at most twice, so a
 * large reply costs linear time.
 */
export class FrameReader {
  readonly #from: "switch" | "client";
  #chunks: Buffer[] = [];
  #bytes = 0;
  #endsWithNewline = false;
  /** Set once a header block is complete and its body is not. */
  #head: { frame: Omit<Frame, "body">; bodyBytes: number } | undefined;
  #broken = false;

  /** `from` says who is speaking: a client's first line is a command and never read as a header. */
  constructor(from: "switch" | "client") {
    this.#from = from;
  }

  /** Calls `onFrame` for each frame that `chunk` completes. Throws ProtocolError; then the reader is of no use. */
  push(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    if (this.#broken) throw new ProtocolError("the stream was broken before");
    try {
      let rest: Buffer | undefined = chunk;
      while (rest !== undefined && rest.length > 0) {
        rest = this.#head === undefined ? this.#readHead(rest, onFrame) : this.#readBody(rest, onFrame);
      }
    } catch (error) {
      if (error instanceof ProtocolError) this.#broken = true;
      throw error;
    }
  }

  #readHead(chunk: Buffer, onFrame: (frame: Frame) => void): Buffer | undefined {
    // Empty lines between frames are tolerated, as the switch tolerates them.
    if (this.#bytes === 0) {
      let start = 0;
      while (chunk[start] === newline) start++;
      if (start > 0) chunk = chunk.subarray(start);
      if (chunk.length === 0) return undefined;
    }
    const end = this.#endsWithNewline && chunk[0] === newline ? 1 : endOfHead(chunk);
    const headBytes = this.#bytes + (end ?? chunk.length);
    if (headBytes > headBytesMax) throw new ProtocolError(`a header block of over ${headBytesMax} bytes`);
    if (end === undefined) {
      this.#keep(chunk);
      return undefined;
    }
    this.#keep(chunk.subarray(0, end));
    const frame = parseHead(this.#take().toString("utf8"), this.#from);
    const bodyBytes = contentLength(frame);
    if (bodyBytes === 0) onFrame({ ...frame, body: empty });
    else this.#head = { frame, bodyBytes };
    return chunk.subarray(end);
  }

  #readBody(chunk: Buffer, onFrame: (frame: Frame) => void): Buffer | undefined {
    const { frame, bodyBytes } = this.#head ?? { frame: undefined, bodyBytes: 0 };
    const missing = bodyBytes - this.#bytes;
    if (chunk.length < missing) {
      this.#keep(chunk);
      return undefined;
    }
    this.#keep(chunk.subarray(0, missing));
    const body = this.#take();
    this.#head = undefined;
    if (frame !== undefined) onFrame({ ...frame, body });
    return chunk.subarray(missing);
  }

  #keep(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#endsWithNewline = chunk.at(-1) === newline;
  }

  #take(): Buffer {
    const [only] = this.#chunks;
    const whole = this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#bytes = 0;
    this.#endsWithNewline = false;
    return whole;
  }
}

/** Index after the first empty line. */
function endOfHead(chunk: Buffer): number | undefined {
  const at = chunk.indexOf("\n\n");
  return at === -1 ? undefined : at + 2;
}

function parseHead(text: string, from: "switch" | "client"): Omit<Frame, "body"> {
  const lines = text.slice(0, -2).split("\n");
  const headers = new Map<string, string>();
  for (const line of from === "client" ? lines.slice(1) : lines) {
    const colon = line.indexOf(":");
    if (colon === -1) continue;
    const name = line.slice(0, colon).toLowerCase();
    if (!headers.has(name)) headers.set(name, line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1));
    else if (name === "content-length") throw new ProtocolError("two Content-Lengths in a frame");
  }
  return { firstLine: lines[0] ?? "", headers };
}

function contentLength(frame: Omit<Frame, "body">): number {
  const text = frame.headers.get("content-length");
  if (text === undefined) return 0;
  // Nine digits hold any length allowed and stay exact; no sign, fraction, exponent or blank.
  if (!/^[0-9]{1,9}$/.test(text)) throw new ProtocolError(`Content-Length is "${text.slice(0, 40)}"`);
  const bytes = Number(text);
  if (bytes > bodyBytesMax) throw new ProtocolError(`a body of ${bytes} bytes, over ${bodyBytesMax}`);
  return bytes;
}

/** One command: a line, and for `sendmsg` and `bgapi` the headers below it. */
export interface Command {
  readonly line: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

/**
 * The bytes of one command. Throws RangeError on anything that would not arrive as exactly this one command: CR, LF
 * or NUL anywhere, half a surrogate pair, a blank that the switch would strip.
 */
export function encodeCommand({ line, headers = [] }: Command): Buffer {
  if (line === "") throw new RangeError("an empty command");
  refuseUnsendable(line);
  let text = `${line}\n`;
  for (const [name, value] of headers) {
    // A length would announce a body, and we never send one.
    if (!/^[A-Za-z][A-Za-z0-9-]*$/.test(name) || name.toLowerCase() === "content-length") {
      throw new RangeError("a header's name that cannot be sent");
    }
    refuseUnsendable(value);
    if (value.startsWith(" ")) throw new RangeError("a header's value that starts with a blank");
    text += `${name}: ${value}\n`;
  }
  const bytes = Buffer.from(`${text}\n`);
  if (bytes.length > headBytesMax) throw new RangeError(`a command of over ${headBytesMax} bytes`);
  return bytes;
}

function refuseUnsendable(text: string): void {
  if (/[\r\n\0]/.test(text) || !text.isWellFormed()) {
    throw new RangeError("a command's argument with a line break, NUL or half a surrogate pair");
  }
}

/** Reads one field of an event by its exact name. */
export type Fields = (name: string) => string | undefined;

/** The fields of an event's frame, JSON or plain; undefined if its body is not such an event. */
export function eventFields(frame: Frame): Fields | undefined {
  switch (frame.headers.get("content-type")) {
    case "text/event-json":
      return compactFields(frame.body) ?? jsonFields(frame.body.toString("utf8"));
    case "text/event-plain":
      return plainFields(frame.body.toString("utf8"));
    default:
      return undefined;
  }
}

/**
 * The fields of JSON as the switch writes it: one flat object, without blanks. Of some 200 we want a dozen, so each is
 * looked up in the text when it is asked for, at a quarter of the cost of parsing all. `,"name":"`, of a name that begins
 * with a letter, can stand nowhere but where a field begins: a quote within a string has a backslash before it, and in an
 * array (a header that came several times) a comma or the end follows each.
 */
function compactFields(body: Buffer): Fields | undefined {
  const text = body.toString("latin1");
  if (!text.startsWith('{"Event-Name":"') || !text.endsWith("}")) return undefined;
  return (name) => {
    const key = `"${name}":"`;
    const start = text.startsWith(key, 1) ? 1 : text.indexOf(`,${key}`) + 1;
    if (start === 0) return undefined;
    const from = start + key.length;
    const value = text.slice(from, endOfString(text, from));
    return /[\\\x80-\xff]/.test(value) ? unescaped(value) : value;
  };
}

/** Index of the quote that ends the string: the first with an even number of backslashes before it. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return from;
}

function unescaped(latin1: string): string | undefined {
  try {
    return JSON.parse(`"${Buffer.from(latin1, "latin1").toString("utf8")}"`) as string;
  } catch {
    return undefined;
  }
}

/** Also how `uuid_dump … json` and `show … as json` rows are read. Values that are not strings are left out. */
export function jsonFields(text: string): Fields | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  return objectFields(parsed);
}

export function objectFields(parsed: unknown): Fields | undefined {
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
  const fields = parsed as Record<string, unknown>;
  return (name) => {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    return typeof value === "string" ? value : undefined;
  };
}

function plainFields(text: string): Fields {
  const end = text.indexOf("\n\n");
  const fields = new Map<string, string>();
  for (const line of (end === -1 ? text : text.slice(0, end)).split("\n")) {
    const colon = line.indexOf(": ");
    if (colon !== -1) fields.set(line.slice(0, colon), percentDecode(line.slice(colon + 2)));
  }
  // The switch's own name for it in JSON.
  if (end !== -1 && fields.has("Content-Length")) fields.set("_body", text.slice(end + 2));
  return (name) => fields.get(name);
}

/** Never throws: a stray % stays as it is, bytes that are not UTF-8 (a caller named `Jos%E9`) become U+FFFD. */
export function percentDecode(text: string): string {
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) =>
    Buffer.from(run.replaceAll("%", ""), "hex").toString("utf8"),
  );
}
