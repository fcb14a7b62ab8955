import { headerOf, headOf } from "./sip-text.ts";

/** What lets somebody in, proves who somebody is, or says where they are. */
const secretHeaders: ReadonlySet<string> = new Set([
  ...["authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"],
  ...["authentication-info", "proxy-authentication-info", "identity", "y", "identity-info", "n"],
  ...["geolocation", "p-access-network-info"],
]);
/** Who somebody is who wants it told to nobody: RFC 3323, 3325 §9. */
const identityHeaders: ReadonlySet<string> = new Set([
  ...["p-asserted-identity", "p-preferred-identity", "remote-party-id"],
]);
/** Ours, between our own boxes. */
const ourHeaders = /^x-sautikit-/;

const lengthMax = 8_192;

/**
 * A SIP message fit to be kept and shown: without passwords, proofs, keys of media, control characters, and any body but
 * SDP (digits come as bodies, too); and not longer than 8 KiB. Lines are looked at one by one, in the head and in the
 * body, so that no odd way of folding or ending them leads past it.
 */
export function maskSip(whole: string): string {
  const text = beginning(whole);
  const head = headOf(text);
  const body = text.slice(head.length).replace(/^[\r\n]+/, "");
  const lines = [
    ...maskedLines(head, hidesIdentity(head)),
    "",
    ...(body === "" ? [] : bodyLines(head, body)),
  ];
  const masked = beginning(lines.join("\r\n"));
  return text === whole && masked.length <= lengthMax ? masked : `${masked}\r\n[cut here]`;
}

/** Of a long text its first lines: half a line might be half a secret that nothing would know for one. */
function beginning(text: string): string {
  if (text.length <= lengthMax) return text;
  const start = text.slice(0, lengthMax);
  return start.slice(0, Math.max(start.lastIndexOf("\r"), start.lastIndexOf("\n"), 0));
}

function bodyLines(head: string, body: string): string[] {
  const type = headerOf(head, "content-type", "c") ?? "no type";
  const isPlainSdp = /^application\/sdp\b/i.test(type) && headerOf(head, "content-encoding", "e") === null;
  return isPlainSdp
    ? maskedLines(body)
    : [`[a body of ${type.replace(/[^\w/.+ -].*$/, "").slice(0, 60)} is not kept]`];
}

/** Over folded lines as well. An old Remote-Party-ID says so itself. */
function hidesIdentity(head: string): boolean {
  const lines = head.replace(/(?:\r\n|\r|\n)[ \t]+/g, " ");
  return (
    /^privacy[ \t]*:.*\b(?:id|user|header)\b/im.test(lines) ||
    /^remote-party-id[ \t]*:.*;[ \t]*privacy[ \t]*=[ \t"]*(?!off\b)/im.test(lines)
  );
}

function maskedLines(text: string, withoutIdentity = false): string[] {
  const lines: string[] = [];
  let isSecret = false;
  for (const line of printable(text).split(/\r\n|\r|\n/)) {
    // A folded header's next line is as secret as its first.
    if (/^[ \t]/.test(line) && isSecret) continue;
    const [, name = "", value = ""] = /^([^:=]{1,64}?)[ \t]*:[ \t]*(.*)$/.exec(line) ?? [];
    const lower = name.toLowerCase();
    isSecret =
      secretHeaders.has(lower) || ourHeaders.test(lower) || (withoutIdentity && identityHeaders.has(lower));
    lines.push(isSecret ? `${name}: ${schemeOf(value)}***` : maskedLine(line));
  }
  return lines;
}

/** `Digest `, where it is said. */
const schemeOf = (value: string): string => /^(Digest|Basic|Bearer) /i.exec(value)?.[0] ?? "";

const maskedLine = (line: string): string =>
  line
    .replace(/^(\s*a\s*=\s*crypto\s*:\s*\d{0,9}\s*\w{0,64}).*$/i, "$1 ***")
    .replace(/^(\s*a\s*=\s*(?:ice-pwd|key-mgmt)\s*:).*$/i, "$1***")
    .replace(/^(\s*k\s*=).*$/i, "$1***")
    // RFC 3261 §19.1.1: a password may stand in a URI.
    .replace(/(sips?:[^\s:@<>"]{0,256}):[^\s@<>]{0,512}@/gi, "$1:***@");

/** A database takes no NUL, and a screen nothing that moves its cursor. */
const printable = (text: string): string =>
  text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, "\ufffd");
