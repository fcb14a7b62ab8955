/** One command as it came over the socket: its first line, the headers under it, and a body by Content-Length. */
export interface EslCommand {
  line: string;
  /** Names in lower case: FreeSWITCH compares them so. */
  headers: ReadonlyMap<string, string>;
  body: string;
}

/** The real switch (from 1.11.2) refuses more; the unfinished rest of a command is held to it too. */
const bytesMax = 16 * 1024 * 1024;

/** Cuts what arrives into commands, whatever way TCP split it. Throws when a command is longer than any can be. */
export class CommandReader {
  #held: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): EslCommand[] {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const commands: EslCommand[] = [];
    for (;;) {
      const read = readCommand(this.#held);
      if (read === null) break;
      this.#held = this.#held.subarray(read.end);
      commands.push(read.command);
    }
    if (this.#held.length > bytesMax) throw new Error("A command of more than 16 MiB.");
    return commands;
  }
}

function readCommand(held: Buffer): { command: EslCommand; end: number } | null {
  const lines: string[] = [];
  let at = 0;
  for (;;) {
    const newline = held.indexOf(0x0a, at);
    if (newline < 0) return null;
    const line = held.toString("utf8", at, newline).replaceAll("\r", "");
    at = newline + 1;
    if (line !== "") lines.push(line);
    else if (lines.length > 0) break;
  }
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const length = Number.parseInt(headers.get("content-length") ?? "0", 10);
  if (length > bytesMax) throw new Error("A body of more than 16 MiB.");
  const end = at + (length > 0 ? length : 0);
  if (held.length < end) return null;
  return { command: { line: lines[0] ?? "", headers, body: held.toString("utf8", at, end) }, end };
}

export interface EslEvent {
  name: string;
  headers: ReadonlyMap<string, string>;
  body?: string;
}

/** An event as `event plain` sends it: values percent-encoded, the body after a Content-Length of its own. */
export function plainText(event: EslEvent): string {
  let text = "";
  for (const [name, value] of event.headers) text += `${name}: ${percentEncode(value)}\n`;
  if (event.body === undefined) return `${text}\n`;
  return `${text}Content-Length: ${Buffer.byteLength(event.body)}\n\n${event.body}`;
}

/** An event as `event json` sends it: values as they are, the body under `_body`. */
export function jsonText(event: EslEvent): string {
  const record: Record<string, string> = Object.fromEntries(event.headers);
  if (event.body !== undefined) {
    record["Content-Length"] = String(Buffer.byteLength(event.body));
    record["_body"] = event.body;
  }
  return JSON.stringify(record);
}

export function eventFrame(event: EslEvent, format: "plain" | "json"): string {
  const body = format === "json" ? jsonText(event) : plainText(event);
  return `Content-Length: ${Buffer.byteLength(body)}\nContent-Type: text/event-${format}\n\n${body}`;
}

/** Exactly the characters that FreeSWITCH encodes, and all that is not printable ASCII. */
const unsafe = /[\u0000-\u001f "#%&+:;<=>?@[\\\]^`{|}\u007f-\u{10ffff}]/gu;

export const percentEncode = (value: string): string =>
  value.replace(unsafe, (char) =>
    Array.from(Buffer.from(char), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
