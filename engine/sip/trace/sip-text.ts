/** What a trace needs to know of a SIP message; the rest stays text. */
export interface SipText {
  /** Of CSeq, so that a response has its request's. */
  method: string;
  callId: string;
  /** It begins a dialog. */
  begins: boolean;
  /** Of the topmost Via, in small letters: udp, tcp, tls, ws, wss. */
  transport: string;
}

const callIdLengthMax = 256;
const summaryLengthMax = 200;
const startLineOf = (head: string): string => head.split(/\r\n|\r|\n/, 1)[0] ?? "";
const isAscii = (uri = ""): boolean => /^[\x21-\x7e]*$/.test(uri);

/** What no SIP stack takes in a head, nor a database in a text; a tab may fold a line. */
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

/** Null: it is no SIP message with a Call-ID, a CSeq and a Via, or its head is not text. Never throws. */
export function readSip(text: string): SipText | null {
  const head = headOf(text);
  if (control.test(head)) return null;
  const startLine = startLineOf(head);
  const [, asked, uri] = /^([A-Z]{1,20}) (\S{1,2000}) SIP\/2\.0$/.exec(startLine) ?? [];
  const [, answer] = /^SIP\/2\.0 ([1-6][0-9]{2} .{0,200})$/.exec(startLine) ?? [];
  // RFC 3261 §25.1: a Call-ID is of ASCII. What was no UTF-8 is not what it was any more.
  const callId = /^[\x21-\x7e]+$/.exec(headerOf(head, "call-id", "i") ?? "")?.[0] ?? null;
  const [, method] = /^[0-9]{1,10}[ \t]+([A-Z]{1,20})$/.exec(headerOf(head, "cseq") ?? "") ?? [];
  const [, transport] = /^SIP *\/ *2\.0 *\/ *([A-Za-z]{2,5})\b/.exec(headerOf(head, "via", "v") ?? "") ?? [];
  if (callId === null || method === undefined || transport === undefined) return null;
  if (answer === undefined && (asked !== method || !isAscii(uri))) return null;
  const toTag = /;[ \t]*tag[ \t]*=/i.test(headerOf(head, "to", "t") ?? "");
  return {
    method,
    callId: callId.slice(0, callIdLengthMax),
    begins: asked === "INVITE" && !toTag,
    transport: transport.toLowerCase(),
  };
}

/** A request's method and whom it is for, or a response's status and reason. */
export const summaryOf = (text: string): string =>
  startLineOf(text)
    .replace(/^SIP\/2\.0 | SIP\/2\.0$/g, "")
    .trim()
    .slice(0, summaryLengthMax)
    .toWellFormed();

/** All before the empty line. */
export const headOf = (text: string): string => text.split(/\r\n\r\n|\n\n|\r\r/, 1)[0] ?? "";

/** The first header of that name, or of its short form; null: there is none. Its continuation lines are not read. */
export function headerOf(head: string, name: string, short = name): string | null {
  const found = new RegExp(`^(?:${name}|${short})[ \\t]*:[ \\t]*(.*)$`, "im").exec(head)?.[1];
  return found === undefined ? null : found.trim();
}
