import type { NumberId, TransactionId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

/**
 *   active ◀──▶ suspended ──▶ released
 *      └───────────────────────▲
 */
export type NumberStatus = "active" | "suspended" | "released";
export type NumberOrigin = "claim" | "port" | "operator";
export type ReleaseReason = "requested" | "unpaid" | "ported_out";

export interface NumberRow {
  id: NumberId;
  workspaceId: WorkspaceId;
  e164: string;
  /** ISO 3166 alpha-2, lower case as on the product page. */
  country: string;
  status: NumberStatus;
  /** When the operator took it out of service, whatever its status; null: they have not. */
  blockedAtMs: number | null;
  origin: NumberOrigin;
  voiceCallbackUrl: string | null;
  voiceFallbackUrl: string | null;
  eventsUrl: string | null;
  /** 1: calls to it are recorded from their answer. */
  record: number;
  /** 1: calls to it ring its registered devices where no voice URL says what they do. */
  ringSip: number;
  /** Sealed, as the previous one is. */
  voiceSigningSecret: string;
  previousSigningSecret: string | null;
  previousSigningSecretUntilMs: number | null;
  provisionedAtMs: number;
  /** Months that were paid, each from the day of `provisionedAtMs`; null: it costs no rent. */
  paidMonths: number | null;
  paidUntilMs: number | null;
  /** When its rent is to be looked at next; null: never. */
  dueAtMs: number | null;
  suspendedAtMs: number | null;
  releaseAtMs: number | null;
  releasedAtMs: number | null;
  releaseReason: ReleaseReason | null;
}

export type NewNumberRow = Pick<
  NumberRow,
  | "id"
  | "workspaceId"
  | "e164"
  | "country"
  | "origin"
  | "voiceCallbackUrl"
  | "voiceFallbackUrl"
  | "eventsUrl"
  | "voiceSigningSecret"
  | "provisionedAtMs"
  | "paidMonths"
  | "paidUntilMs"
  | "dueAtMs"
>;

/** In service at once. False: somebody holds the number. */
export async function insertNumber(tx: Tx, row: NewNumberRow): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO numbers (id, workspace_id, e164, held_e164, country, status, origin, voice_callback_url,
       voice_fallback_url, events_url, voice_signing_secret, provisioned_at_ms, paid_months, paid_until_ms, due_at_ms)
     VALUES (?, ?, ?, ?, ?, 'active', ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (held_e164) DO NOTHING`,
    [
      row.id,
      row.workspaceId,
      row.e164,
      row.e164,
      row.country,
      row.origin,
      row.voiceCallbackUrl,
      row.voiceFallbackUrl,
      row.eventsUrl,
      row.voiceSigningSecret,
      row.provisionedAtMs,
      row.paidMonths,
      row.paidUntilMs,
      row.dueAtMs,
    ],
  );
  return changes === 1;
}

/** Also one that was released: what points at it finds it. */
export const numberById = (tx: ReadTx, id: NumberId) =>
  tx.get<NumberRow>("SELECT * FROM numbers WHERE id = ?", [id]);

/** Of whoever holds it, in service or not; one that was released is nobody's. */
export const numberByE164 = (tx: ReadTx, e164: string) =>
  tx.get<NumberRow>("SELECT * FROM numbers WHERE held_e164 = ?", [e164]);

/** The row as it is now, released ones too; others that change it wait until this transaction ends. */
export const numberToChange = (tx: Tx, workspaceId: WorkspaceId, id: NumberId) =>
  tx.get<NumberRow>("SELECT * FROM numbers WHERE id = ? AND workspace_id = ? FOR NO KEY UPDATE", [
    id,
    workspaceId,
  ]);

/** The number only if it is that workspace's and may be called from. */
export const activeNumberOf = (tx: ReadTx, workspaceId: WorkspaceId, e164: string) =>
  tx.get<NumberRow>(
    "SELECT * FROM numbers WHERE held_e164 = ? AND workspace_id = ? AND status = 'active' AND blocked_at_ms IS NULL",
    [e164, workspaceId],
  );

export const isInService = ({ status, blockedAtMs }: Pick<NumberRow, "status" | "blockedAtMs">) =>
  status === "active" && blockedAtMs === null;

/** Newest first, those older than `before`. */
export function numbersOf(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { statuses: readonly NumberStatus[]; limit: number; before: NumberId | null },
): Promise<NumberRow[]> {
  const older = page.before === null ? "" : "AND id < ?";
  return tx.all(
    `SELECT * FROM numbers WHERE workspace_id = ? AND status IN (${page.statuses.map(() => "?").join(", ")}) ${older}
     ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...page.statuses, ...(page.before === null ? [] : [page.before]), page.limit],
  );
}

/** Sealed ones. */
export async function updateSigningSecrets(
  tx: Tx,
  id: NumberId,
  row: Pick<NumberRow, "voiceSigningSecret" | "previousSigningSecret" | "previousSigningSecretUntilMs">,
): Promise<void> {
  await tx.run(
    `UPDATE numbers SET voice_signing_secret = ?, previous_signing_secret = ?, previous_signing_secret_until_ms = ?
     WHERE id = ?`,
    [row.voiceSigningSecret, row.previousSigningSecret, row.previousSigningSecretUntilMs, id],
  );
}

/** Where its calls ask and tell (null: nowhere), and whether they are recorded. */
export async function updateRouting(
  tx: Tx,
  id: NumberId,
  row: Pick<NumberRow, "voiceCallbackUrl" | "voiceFallbackUrl" | "eventsUrl" | "record" | "ringSip">,
): Promise<void> {
  await tx.run(
    `UPDATE numbers SET voice_callback_url = ?, voice_fallback_url = ?, events_url = ?, record = ?, ring_sip = ?
     WHERE id = ?`,
    [row.voiceCallbackUrl, row.voiceFallbackUrl, row.eventsUrl, row.record, row.ringSip, id],
  );
}

export async function updateBlocked(tx: Tx, id: NumberId, blockedAtMs: number | null): Promise<void> {
  await tx.run("UPDATE numbers SET blocked_at_ms = ? WHERE id = ?", [blockedAtMs, id]);
}

/** A month was paid, which puts it into service. */
export async function updatePaid(
  tx: Tx,
  id: NumberId,
  { paidMonths, paidUntilMs }: { paidMonths: number; paidUntilMs: number },
): Promise<void> {
  await tx.run(
    `UPDATE numbers SET status = 'active', paid_months = ?, paid_until_ms = ?, due_at_ms = ?, suspended_at_ms = NULL,
       release_at_ms = NULL WHERE id = ?`,
    [paidMonths, paidUntilMs, paidUntilMs, id],
  );
}

export async function updateSuspended(
  tx: Tx,
  id: NumberId,
  row: { suspendedAtMs: number; releaseAtMs: number; dueAtMs: number },
): Promise<void> {
  await tx.run(
    "UPDATE numbers SET status = 'suspended', suspended_at_ms = ?, release_at_ms = ?, due_at_ms = ? WHERE id = ?",
    [row.suspendedAtMs, row.releaseAtMs, row.dueAtMs, id],
  );
}

export async function updateDue(tx: Tx, id: NumberId, dueAtMs: number): Promise<void> {
  await tx.run("UPDATE numbers SET due_at_ms = ? WHERE id = ?", [dueAtMs, id]);
}

/** For good: whoever claims the E.164 gets a row of their own. */
export async function updateReleased(
  tx: Tx,
  id: NumberId,
  row: { releasedAtMs: number; releaseReason: ReleaseReason },
): Promise<void> {
  await tx.run(
    `UPDATE numbers SET status = 'released', held_e164 = NULL, released_at_ms = ?, release_reason = ?, due_at_ms = NULL
     WHERE id = ?`,
    [row.releasedAtMs, row.releaseReason, id],
  );
}

export interface DueNumber {
  id: NumberId;
  workspaceId: WorkspaceId;
  dueAtMs: number;
}

/** Whose rent is to be looked at, the longest due first, behind `after`. */
export function dueNumbers(
  tx: ReadTx,
  { nowMs, after, limit }: { nowMs: number; after: DueNumber | null; limit: number },
): Promise<DueNumber[]> {
  const behind = after === null ? "" : "AND (due_at_ms > ? OR (due_at_ms = ? AND id > ?))";
  return tx.all(
    `SELECT id, workspace_id, due_at_ms FROM numbers WHERE due_at_ms <= ? ${behind} ORDER BY due_at_ms, id LIMIT ?`,
    [nowMs, ...(after === null ? [] : [after.dueAtMs, after.dueAtMs, after.id]), limit],
  );
}

/** `dueAtMs` of one that is unpaid, and for which money came in before it was to be released. */
export const hurriedAtMs = 0;

/** Money came in: what is unpaid is looked at as soon as may be. Not what is to be released by now, which no payment undoes. */
export async function hurrySuspended(tx: Tx, workspaceId: WorkspaceId, nowMs: number): Promise<void> {
  await tx.run(
    `UPDATE numbers SET due_at_ms = ${hurriedAtMs}
     WHERE workspace_id = ? AND status = 'suspended' AND due_at_ms > ${hurriedAtMs} AND release_at_ms > ?`,
    [workspaceId, nowMs],
  );
}

export interface RentalRow {
  numberId: NumberId;
  /** 1, 2, … */
  month: number;
  workspaceId: WorkspaceId;
  beginsAtMs: number;
  endsAtMs: number;
  netMinor: number;
  vatMinor: number;
  /** Null: it cost nothing. */
  transactionId: TransactionId | null;
}

export async function insertRental(tx: Tx, row: RentalRow): Promise<void> {
  await tx.run(
    `INSERT INTO number_rentals (number_id, month, workspace_id, begins_at_ms, ends_at_ms, net_minor, vat_minor,
       transaction_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      row.numberId,
      row.month,
      row.workspaceId,
      row.beginsAtMs,
      row.endsAtMs,
      row.netMinor,
      row.vatMinor,
      row.transactionId,
    ],
  );
}

/** Of the first number and the last one, its signing secret as it is sealed: whether somebody's key opens them. */
export async function firstAndLastSealed(tx: ReadTx): Promise<string[]> {
  const of = (order: "ASC" | "DESC") =>
    tx.get<{ sealed: string }>(
      `SELECT voice_signing_secret AS sealed FROM numbers ORDER BY id ${order} LIMIT 1`,
    );
  return [await of("ASC"), await of("DESC")].flatMap((row) => (row === undefined ? [] : [row.sealed]));
}
