import { headerOf, headOf } from "./sip-text.ts";

/** A message is not longer; Sofia-SIP captures no more of one either. */
const messageMax = 16_384;
const flowsMax = 500;
const startOfMessage = /^(?:[A-Z]{1,20} \S+ SIP\/2\.0|SIP\/2\.0 [1-6][0-9]{2} )/;

/** Makes messages of what was read from streams: a read may be part of one, or several. */
export class StreamMessages {
  /** What came so far of a message, by its stream. */
  readonly #rest = new Map<string, string>();

  /** The messages that are whole now. Each character is a byte. */
  take(flow: string, bytes: string): string[] {
    const before = this.#rest.get(flow) ?? "";
    this.#rest.delete(flow);
    // The end of the one before was lost.
    let text = startOfMessage.test(bytes) ? bytes : before + bytes;
    const whole: string[] = [];
    for (;;) {
      // Empty lines between messages keep the way open.
      text = text.replace(/^[\r\n]+/, "");
      const length = lengthOf(text);
      if (length === null || length > text.length) break;
      whole.push(text.slice(0, length));
      text = text.slice(length);
    }
    if (text !== "" && text.length <= messageMax) this.#rest.set(flow, text);
    const [oldest] = this.#rest.keys();
    if (this.#rest.size > flowsMax && oldest !== undefined) this.#rest.delete(oldest);
    return whole;
  }
}

/** Null: its head is not whole. Without a length, as WebSockets have it, it is all that there is. */
function lengthOf(text: string): number | null {
  const head = headOf(text);
  if (head.length === text.length) return null;
  const said = headerOf(head, "content-length", "l");
  if (said === null || !/^[0-9]{1,5}$/.test(said)) return text.length;
  const gap = /^(?:\r\n\r\n|\n\n|\r\r)/.exec(text.slice(head.length, head.length + 4))?.[0].length ?? 0;
  return head.length + gap + Number(said);
}
