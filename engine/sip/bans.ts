import { rfc3339Ms, type Clock } from "../clock.ts";
import { isId, type WorkspaceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import { banOf, forgetLoginFailures, saveBan, standingBanOf } from "../store/sip-bans.ts";
import type { BanKind, BanSubject, SipBanRow } from "../store/sip-bans.ts";
import { numberById } from "../store/numbers.ts";
import { addressesOfCredential, credentialToBan } from "../store/sip-credentials.ts";
import type { Tx } from "../store/store.ts";

export interface BanParts {
  clock: Clock;
  /** Who is let in is another now: the firewall's list of addresses, or the media servers' of logins, is to be written anew. */
  changed: (kind: BanKind) => void;
}

/** A credential's ban, as its workspace is told of it. */
export interface CredentialBanned {
  workspaceId: WorkspaceId;
  kind: "sip.credential_banned";
  data: JsonObject;
}
export type TellOfBan = (tx: Tx, event: CredentialBanned) => Promise<void>;

const minuteMs = 60_000;
const hourMs = 3_600_000;
/** How long the first ban in a row lasts, the second, and so on; the last is that of all further ones. */
const roundsMs = [10 * minuteMs, hourMs, 6 * hourMs, 24 * hourMs] as const;
/** A ban that ended longer ago makes the next one no longer. */
export const quietMs = 24 * hourMs;
/** As many as the switch reads of a login. */
const sparedMax = 50;

/** One that tried too often: for longer each time, unless it kept quiet for a day. */
export async function banForFailures(
  tx: Tx,
  parts: BanParts & { tell: TellOfBan },
  subject: BanSubject,
  { failures, from }: { failures: number; from: readonly string[] },
): Promise<void> {
  const nowMs = parts.clock.nowMs();
  const before = await banOf(tx, subject);
  const grows = before && before.liftedAtMs === null && before.untilMs + quietMs > nowMs;
  const round = grows ? before.round + 1 : 1;
  const lastsMs = roundsMs[Math.min(round, roundsMs.length) - 1] ?? roundsMs[0];
  const row = await ban(tx, parts, subject, {
    ...{ reason: "failed_logins", note: null, failures, round },
    untilMs: nowMs + lastsMs,
  });
  if (row.workspaceId !== null) await tellOfBan(tx, parts.tell, row, from);
}

/** For as long as an operator says. Throws where there is no such credential. */
export const banByOperator = (
  tx: Tx,
  parts: BanParts,
  subject: BanSubject,
  { forMs, note }: { forMs: number; note: string | null },
): Promise<SipBanRow> =>
  ban(tx, parts, subject, {
    ...{ reason: "operator", note, failures: 0, round: 1 },
    untilMs: parts.clock.nowMs() + forMs,
  });

/** From the commit on it is let in again, and what it did is forgotten. Undefined: it is not banned. */
export async function liftBan(
  tx: Tx,
  parts: Pick<BanParts, "clock" | "changed">,
  subject: BanSubject,
): Promise<SipBanRow | undefined> {
  const nowMs = parts.clock.nowMs();
  const row = await standingBanOf(tx, subject, nowMs);
  if (!row) return undefined;
  await saveBan(tx, { ...row, liftedAtMs: nowMs });
  await forgetLoginFailures(tx, subject);
  tx.afterCommit(() => parts.changed(subject.kind));
  return { ...row, liftedAtMs: nowMs };
}

async function ban(
  tx: Tx,
  parts: BanParts,
  { kind, subject }: BanSubject,
  how: Pick<SipBanRow, "reason" | "note" | "failures" | "round" | "untilMs">,
): Promise<SipBanRow> {
  const nowMs = parts.clock.nowMs();
  const row: SipBanRow = {
    ...{ kind, subject, sinceMs: nowMs, liftedAtMs: null, ...how },
    ...(await ofCredential(tx, { kind, subject }, how.reason, nowMs)),
  };
  await saveBan(tx, row);
  // Else those that led to it would lead to the next one as soon as it is over.
  await forgetLoginFailures(tx, row);
  tx.afterCommit(() => parts.changed(kind));
  return row;
}

/**
 * A stranger who knows the name must not throw out the phone that has the password: where its devices are registered from it is
 * let in all the same. An operator knows why: the password may be a thief's, who is registered, too.
 */
async function ofCredential(
  tx: Tx,
  { kind, subject }: BanSubject,
  reason: SipBanRow["reason"],
  nowMs: number,
): Promise<Pick<SipBanRow, "workspaceId" | "spared">> {
  if (kind === "address") return { workspaceId: null, spared: "[]" };
  const credential = isId("sip", subject) ? await credentialToBan(tx, subject) : undefined;
  if (!credential) throw new Error(`There is no SIP credential ${subject}.`);
  if (reason === "operator") return { workspaceId: credential.workspaceId, spared: "[]" };
  const addresses = await addressesOfCredential(tx, credential.id, { nowMs, limit: sparedMax });
  return { workspaceId: credential.workspaceId, spared: JSON.stringify(addresses) };
}

async function tellOfBan(tx: Tx, tell: TellOfBan, row: SipBanRow, from: readonly string[]): Promise<void> {
  const credential = isId("sip", row.subject) ? await credentialToBan(tx, row.subject) : undefined;
  if (!credential || row.workspaceId === null) return;
  await tell(tx, {
    workspaceId: row.workspaceId,
    kind: "sip.credential_banned",
    data: {
      ...{ credential_id: credential.id, label: credential.label, number_id: credential.numberId },
      number: (await numberById(tx, credential.numberId))?.e164 ?? null,
      ...{ failures: row.failures, addresses: [...from], let_in_from: JSON.parse(row.spared) as string[] },
      ...{ banned_at: rfc3339Ms(row.sinceMs), banned_until: rfc3339Ms(row.untilMs) },
    },
  });
}
