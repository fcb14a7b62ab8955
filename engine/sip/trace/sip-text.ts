/** What a trace needs to know of a SIP message; the rest stays text. */
export interface SipText {
  /** A request's method and whom it is for, or a response's status and reason. */
  summary: string;
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

/** Null: it is no SIP message with a Call-ID, a CSeq and a Via. Never throws. */
export function readSip(text: string): SipText | null {
  const head = headOf(text);
  const [startLine = ""] = head.split(/\r\n|\r|\n/, 1);
  const [, asked, uri] = /^([A-Z]{1,20}) (\S{1,2000}) SIP\/2\.0$/.exec(startLine) ?? [];
  const [, answer] = /^SIP\/2\.0 ([1-6][0-9]{2} .{0,200})$/.exec(startLine) ?? [];
  const callId = headerOf(head, "call-id", "i");
  const [, method] = /^[0-9]{1,10}[ \t]+([A-Z]{1,20})$/.exec(headerOf(head, "cseq") ?? "") ?? [];
  const [, transport] = /^SIP *\/ *2\.0 *\/ *([A-Za-z]{2,5})\b/.exec(headerOf(head, "via", "v") ?? "") ?? [];
  if (callId === null || method === undefined || transport === undefined) return null;
  if (answer === undefined && asked !== method) return null;
  const toTag = /;[ \t]*tag[ \t]*=/i.test(headerOf(head, "to", "t") ?? "");
  return {
    summary: (answer ?? `${method} ${uri}`).trim().slice(0, summaryLengthMax),
    method,
    callId: callId.slice(0, callIdLengthMax),
    begins: asked === "INVITE" && !toTag,
    transport: transport.toLowerCase(),
  };
}

/** All before the empty line. */
export const headOf = (text: string): string => text.split(/\r\n\r\n|\n\n|\r\r/, 1)[0] ?? "";

/** The first header of that name, or of its short form; null: there is none. Its continuation lines are not read. */
export function headerOf(head: string, name: string, short = name): string | null {
  const found = new RegExp(`^(?:${name}|${short})[ \\t]*:[ \\t]*(.*)$`, "im").exec(head)?.[1];
  return found === undefined ? null : found.trim();
}
