import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import type { Secrets } from "../secrets.ts";
import type { SigningSecretsRow } from "../store/deliveries.ts";

/** What is signed: the body is the exact bytes that are sent. */
export interface SignedMessage {
  eventId: string;
  kind: string;
  body: string;
}

/** Receivers refuse what is older, or from further ahead, than this. */
export const toleranceSeconds = 300;

/**
 * The headers of one try, at its own time. Both schemes of API.md §5, with a signature for each secret, the current one
 * first. Voice URLs are asked with the same headers as events are told with.
 */
export function signedHeaders(
  { eventId, kind, body }: SignedMessage,
  secrets: readonly string[],
  atSeconds: number,
): Record<string, string> {
  const ours = secrets.map((secret) => `v1=${sautikitMac(secret, body, atSeconds)}`);
  const standard = secrets.map((secret) => `v1,${standardMac(secret, eventId, body, atSeconds)}`);
  return {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Sautikit-Webhooks/1",
    "X-Sautikit-Event-Id": eventId,
    "X-Sautikit-Event-Kind": kind,
    "X-Sautikit-Signature": [`t=${atSeconds}`, ...ours].join(","),
    "webhook-id": eventId,
    "webhook-timestamp": String(atSeconds),
    "webhook-signature": standard.join(" "),
  };
}

/** Opens a number's or an endpoint's secrets: the current one, and during a rotation the one before it. */
export function openSigningSecrets(row: SigningSecretsRow, secrets: Secrets, nowMs: number): string[] {
  const opened = [secrets.open(row.signingSecret)];
  const untilMs = row.previousSigningSecretUntilMs;
  if (row.previousSigningSecret !== null && untilMs !== null && nowMs < untilMs) {
    opened.push(secrets.open(row.previousSigningSecret));
  }
  return opened;
}

/** Whether an `X-Sautikit-Signature` is of this body, by this secret, and within the window. */
export function verifySautikit(header: string, body: string, secret: string, nowSeconds: number): boolean {
  const parts = header.split(",").map((part) => part.split("=", 2));
  const at = parts.find(([name]) => name === "t")?.[1] ?? "";
  if (!isRecent(at, nowSeconds)) return false;
  const expected = sautikitMac(secret, body, Number(at));
  return parts.some(([name, value]) => name === "v1" && equal(value ?? "", expected));
}

/** Whether the Standard Webhooks headers are of this body, by this secret, and within the window. */
export function verifyStandard(
  headers: { "webhook-id": string; "webhook-timestamp": string; "webhook-signature": string },
  body: string,
  secret: string,
  nowSeconds: number,
): boolean {
  const at = headers["webhook-timestamp"];
  if (!isRecent(at, nowSeconds)) return false;
  const expected = `v1,${standardMac(secret, headers["webhook-id"], body, Number(at))}`;
  return headers["webhook-signature"].split(" ").some((signature) => equal(signature, expected));
}

/** Keyed with the UTF-8 bytes of the whole `whsec_…` string; the body comes first. */
const sautikitMac = (secret: string, body: string, atSeconds: number) =>
  createHmac("sha256", secret).update(`${body}.${atSeconds}`).digest("hex");

/** Keyed with the bytes that the base64 after `whsec_` stands for. */
const standardMac = (secret: string, id: string, body: string, atSeconds: number) =>
  // Of a Buffer as it is Node makes a key at five times the cost.
  createHmac("sha256", createSecretKey(Buffer.from(secret.replace(/^whsec_/, ""), "base64")))
    .update(`${id}.${atSeconds}.${body}`)
    .digest("base64");

const isRecent = (at: string, nowSeconds: number) =>
  /^\d{1,12}$/.test(at) && Math.abs(nowSeconds - Number(at)) <= toleranceSeconds;

function equal(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
