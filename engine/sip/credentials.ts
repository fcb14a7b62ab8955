import { createHash } from "node:crypto";
import type { Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import { randomText, type Ids, type SipId } from "../ids.ts";
import type { NumberRow } from "../store/numbers.ts";
import {
  countSipCredentials,
  endSipLogins,
  insertSipCredential,
  insertSipLogin,
  revokeSipCredential,
  sipCredentialOf,
  updateSipCredential,
  type SipCredential,
  type SipCredentialRow,
} from "../store/sip-credentials.ts";
import { banOf } from "../store/sip-bans.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { liftBan } from "./bans.ts";

export interface SipParts {
  clock: Clock;
  ids: Ids;
  /** That of RFC 2617, which every password is hashed with. */
  realm: string;
  /** Media servers' lists of logins are to be written anew. */
  changed: () => void;
}

/** A password, shown this once. */
export interface MadeLogin {
  credential: SipCredential;
  password: string;
}

export const credentialsMax = 50;

/** What its owner says of it. */
export type CredentialWords = Pick<SipCredentialRow, "label" | "maxConcurrentCalls" | "maxCallsPerSecond">;

/**
 * A login of its own for a phone or a PBX, let in within moments of the commit. Throws `sip.too_many`; that the number is
 * the workspace's, and its to keep, is the caller's to see to (`heldNumber`).
 */
export async function createCredential(
  tx: Tx,
  parts: SipParts,
  number: Pick<NumberRow, "id" | "workspaceId">,
  words: CredentialWords,
): Promise<MadeLogin> {
  if ((await countSipCredentials(tx, number.id)) >= credentialsMax) throw new SautikitError("sip.too_many");
  const id = parts.ids.next("sip");
  const createdAtMs = parts.clock.nowMs();
  await insertSipCredential(tx, {
    ...{ id, workspaceId: number.workspaceId, numberId: number.id, ...words, createdAtMs },
    ...{ rotatedAtMs: null, revokedAtMs: null },
  });
  const password = await giveLogin(tx, parts, id);
  tx.afterCommit(parts.changed);
  return { credential: await credentialOf(tx, parts, number, id), password };
}

/** What is undefined stays. Throws `sip.not_found`. */
export async function changeCredential(
  tx: Tx,
  parts: Pick<SipParts, "clock">,
  number: Pick<NumberRow, "id">,
  { id, ...words }: { id: SipId } & { [Word in keyof CredentialWords]?: CredentialWords[Word] | undefined },
): Promise<{ before: SipCredential; credential: SipCredential }> {
  const before = await credentialOf(tx, parts, number, id);
  const { label, maxConcurrentCalls, maxCallsPerSecond } = { ...before, ...defined(words) };
  await updateSipCredential(tx, id, { label, maxConcurrentCalls, maxCallsPerSecond });
  return { before, credential: await credentialOf(tx, parts, number, id) };
}

const defined = <T extends object>(words: T) =>
  Object.fromEntries(Object.entries(words).filter(([, word]) => word !== undefined));

/**
 * A new username and password in place of the old, which are let in for so much longer; 0: no more. What rang or talks goes on, and
 * whoever tried the old name too often does not know the new one. Throws `sip.not_found`.
 */
export async function rotateCredential(
  tx: Tx,
  parts: SipParts,
  number: Pick<NumberRow, "id">,
  { id, overlapSeconds }: { id: SipId; overlapSeconds: number },
): Promise<MadeLogin & { before: SipCredential }> {
  const before = await credentialOf(tx, parts, number, id);
  const nowMs = parts.clock.nowMs();
  await endSipLogins(tx, id, nowMs + overlapSeconds * 1000, nowMs);
  const password = await giveLogin(tx, parts, id);
  await liftBanOfFailures(tx, parts, id);
  tx.afterCommit(parts.changed);
  return { before, credential: await credentialOf(tx, parts, number, id), password };
}

/** Its devices are let in no more, and their registrations are gone within moments. Throws `sip.not_found`. */
export async function revokeCredential(
  tx: Tx,
  parts: SipParts,
  number: Pick<NumberRow, "id">,
  id: SipId,
): Promise<SipCredential> {
  const before = await credentialOf(tx, parts, number, id);
  await revokeSipCredential(tx, id, parts.clock.nowMs());
  tx.afterCommit(parts.changed);
  return before;
}

/** Throws `sip.not_found`. */
export async function credentialOf(
  tx: ReadTx,
  { clock }: Pick<SipParts, "clock">,
  number: Pick<NumberRow, "id">,
  id: SipId,
): Promise<SipCredential> {
  const credential = await sipCredentialOf(tx, number.id, id, clock.nowMs());
  if (!credential) throw new SautikitError("sip.not_found");
  return credential;
}

/** The operator's own stands. */
async function liftBanOfFailures(tx: Tx, { clock }: SipParts, id: SipId): Promise<void> {
  const subject = { kind: "credential", subject: id } as const;
  const ban = await banOf(tx, subject);
  if (ban?.reason !== "failed_logins") return;
  // The lists of logins are written anew in any case.
  await liftBan(tx, { clock, changed: () => undefined }, subject);
}

async function giveLogin(tx: Tx, { ids, clock, realm }: SipParts, credentialId: SipId): Promise<string> {
  const username = randomText(ids, usernameLetters, 12);
  const password = randomText(ids, passwordLetters, 24);
  const ha1 = createHash("md5").update(`${username}:${realm}:${password}`).digest("hex");
  await insertSipLogin(tx, { username, credentialId, ha1, createdAtMs: clock.nowMs(), endsAtMs: null });
  return password;
}

/** 60 bits that no scanner guesses; letters and digits that a phone's keypad can type, and nobody mistakes. */
const usernameLetters = "abcdefghijkmnpqrstuvwxyz23456789";
/** 24 of these are over 130 bits, since MD5 is all that most phones know. */
const passwordLetters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
