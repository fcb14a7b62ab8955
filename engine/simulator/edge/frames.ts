/** A message of drachtio's wire protocol: its length in bytes of UTF-8, `#`, and the text. */
export const frame = (text: string): string => `${Buffer.byteLength(text)}#${text}`;

/** The real server takes five digits at most. */
const lengthDigitsMax = 5;

/** Cuts what a socket brings into messages. */
export class FrameReader {
  #rest = Buffer.alloc(0);

  /** The messages that are whole now. Throws an Error where no length stands. */
  read(bytes: Buffer): string[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const messages: string[] = [];
    for (;;) {
      const head = this.#rest.subarray(0, lengthDigitsMax + 1).toString("latin1");
      const [whole, digits] = /^(\d+)#/.exec(head) ?? [];
      if (whole === undefined) {
        if (!/^\d*$/.test(head) || head.length > lengthDigitsMax) throw new Error("no length stands there");
        return messages;
      }
      const end = whole.length + Number(digits);
      if (this.#rest.length < end) return messages;
      messages.push(this.#rest.subarray(whole.length, end).toString());
      this.#rest = this.#rest.subarray(end);
    }
  }
}
