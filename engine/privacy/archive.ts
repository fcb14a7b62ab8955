import { createWriteStream } from "node:fs";
import { appendFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ZipFile } from "yazl";
import type { JsonObject } from "../json.ts";

const lists = ["calls", "events", "recordings", "sip-trace"] as const;
type List = (typeof lists)[number];

/** A ZIP in the making: JSON lists that grow an item at a time, and files beside them. All of it is on disk, not in memory. */
export class Archive {
  readonly #folder: string;
  readonly #asOf: string;
  readonly #files: string[] = [];
  readonly #items = new Map<List, number>();
  #bytes = 0;

  /** `folder` is empty, and nobody else's. */
  constructor(folder: string, asOf: string) {
    this.#folder = folder;
    this.#asOf = asOf;
  }

  /** Of all that is in it so far, as it is outside of the ZIP. */
  get bytes(): number {
    return this.#bytes;
  }

  async add(list: List, item: JsonObject): Promise<void> {
    const count = this.#items.get(list) ?? 0;
    this.#items.set(list, count + 1);
    const text = `${count === 0 ? "[\n" : ",\n"}${JSON.stringify(item)}`;
    this.#bytes += Buffer.byteLength(text);
    await appendFile(this.#listFile(list), text);
  }

  /** Where the file is to be written that `take` then puts in under that name. */
  place(name: string): string {
    return join(this.#folder, name.replaceAll("/", "-"));
  }

  take(name: string, bytes: number): void {
    this.#files.push(name);
    this.#bytes += bytes;
  }

  /** Everything there is, as one file. */
  async close(file: string): Promise<void> {
    await mkdir(dirname(file), { recursive: true });
    const zip = new ZipFile();
    // Of the time that it was asked for, so that made twice it is the same to the byte.
    const options = { mtime: new Date(this.#asOf) };
    zip.addBuffer(Buffer.from(readme(this.#asOf)), "README.txt", options);
    for (const list of lists) {
      await appendFile(this.#listFile(list), this.#items.has(list) ? "\n]\n" : "[]\n");
      zip.addFile(this.#listFile(list), `${list}.json`, options);
    }
    for (const name of this.#files) zip.addFile(this.place(name), name, options);
    const written = pipeline(zip.outputStream, createWriteStream(file, { mode: 0o600 }));
    // Of a file that cannot be read the stream says nothing, and would never end.
    const unreadable = new Promise<never>((_resolve, reject) => zip.once("error", reject));
    zip.end();
    await Promise.race([written, unreadable]);
  }

  #listFile(list: List): string {
    return join(this.#folder, `${list}.json`);
  }
}

const readme = (asOf: string) =>
  `What is held of one phone number, as of ${asOf}.

calls.json       calls that the number is a party of, with their legs, times and costs
events.json      what happened on them, oldest first by call
recordings.json  their recordings; "file" names the audio where there still is any
sip-trace.json   the SIP messages of those calls that are still kept, secrets masked
audio/           stereo WAV: left what the party of that leg said, right what they heard

Times are UTC. Other people are heard and named in it, too.
`;
