import { randomBytes } from "node:crypto";
import { monotonicFactory } from "ulid";
import type { Clock } from "./clock.ts";

/** Every kind of thing that has an identifier: prefix + lower-case ULID, so ids of a kind sort by age. */
export const idPrefixes = [
  "ws",
  "key",
  "usr",
  "num",
  "sip",
  "call",
  "leg",
  "rec",
  "top",
  "txn",
  "wh",
  "dlv",
  "evt",
  "req",
  "conf",
  "str",
  "med",
  "inv",
  "port",
  "ivt",
  "aud",
  "stmt",
  "ses",
  "exp",
  "ers",
  "acs",
  "rate",
  "ref",
  "prc",
  "chg",
  "dst",
  // Not seen by customers: an instruction to the controller, a ledger account, a mail, money that came by M-Pesa, what
  // Safaricom told us, a porting request's paper, and a SIP message.
  "int",
  "acc",
  "mail",
  "pay",
  "ntc",
  "doc",
  "sipm",
] as const;
export type IdPrefix = (typeof idPrefixes)[number];
export type Id<P extends IdPrefix> = `${P}_${string}`;

export type WorkspaceId = Id<"ws">;
export type KeyId = Id<"key">;
export type UserId = Id<"usr">;
export type NumberId = Id<"num">;
export type InventoryId = Id<"inv">;
export type PortId = Id<"port">;
export type SipId = Id<"sip">;
export type SipMessageId = Id<"sipm">;
export type SipDestinationId = Id<"dst">;
export type CallId = Id<"call">;
export type LegId = Id<"leg">;
export type RecordingId = Id<"rec">;
export type MediaId = Id<"med">;
export type TransactionId = Id<"txn">;
export type WebhookId = Id<"wh">;
export type DeliveryId = Id<"dlv">;
export type EventId = Id<"evt">;
export type RequestId = Id<"req">;
export type AuditId = Id<"aud">;
export type RefusalId = Id<"ref">;
export type TopUpId = Id<"top">;
export type PaymentId = Id<"pay">;
export type NoticeId = Id<"ntc">;
export type PricingNoticeId = Id<"prc">;
export type PricingChangeId = Id<"chg">;
export type IntentId = Id<"int">;
export type AccountId = Id<"acc">;
export type ConferenceId = Id<"conf">;
/** Whose intents are carried out one after another: a call's, or those of a room of several calls. */
export type IntentOwner = CallId | ConferenceId;

/** Where all of Sautikit takes chance from: ids and secrets. Tests hand in a seeded one. */
export interface Ids {
  next<P extends IdPrefix>(prefix: P): Id<P>;
  /** Cryptographically strong bytes, for keys, secrets and nonces. */
  bytes(count: number): Buffer;
  /** A fraction in [0, 1), for jitter only. */
  fraction(): number;
}

export function systemIds(clock: Clock): Ids {
  const ulid = monotonicFactory(randomFractions());
  return {
    next: (prefix) => `${prefix}_${ulid(clock.nowMs()).toLowerCase()}`,
    bytes: (count) => randomBytes(count),
    fraction: () => randomBytes(4).readUInt32BE(0) / 2 ** 32,
  };
}

/** From random bytes drawn many at a time: an id takes 16, and each draw costs as much as a thousand bytes. */
function randomFractions(): () => number {
  let bytes = randomBytes(0);
  let next = 0;
  return () => {
    if (next === bytes.length) {
      bytes = randomBytes(1024);
      next = 0;
    }
    return bytes.readUInt8(next++) / 256;
  };
}

/** So many of these letters, each as likely as another. */
export function randomText(ids: Pick<Ids, "bytes">, letters: string, length: number): string {
  // Bytes past the last whole round of letters would favour the first ones.
  const fair = 256 - (256 % letters.length);
  let text = "";
  while (text.length < length)
    for (const byte of ids.bytes(length))
      if (byte < fair && text.length < length) text += letters.charAt(byte % letters.length);
  return text;
}

const body = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** Whether `text` is an identifier of that kind, as written by us: 26 lower-case Crockford base 32 digits. */
export function isId<P extends IdPrefix>(prefix: P, text: unknown): text is Id<P> {
  return (
    typeof text === "string" && text.startsWith(`${prefix}_`) && body.test(text.slice(prefix.length + 1))
  );
}
