import type { CallId, DeliveryId, EventId, NumberId, WebhookId, WorkspaceId } from "../ids.ts";
import type { ReadTx, SqlValue, Tx } from "./store.ts";

export type DeliveryStatus = "pending" | "delivered" | "dead_letter";

export interface NewDelivery {
  id: DeliveryId;
  workspaceId: WorkspaceId;
  eventId: EventId;
  kind: string;
  callId: CallId | null;
  url: string;
  host: string;
  /** Whose secret signs: exactly one of the two. */
  numberId: NumberId | null;
  endpointId: WebhookId | null;
  body: string;
  createdAtMs: number;
}

/** Due at once. False: this event was already queued for this target. */
export async function insertDelivery(tx: Tx, row: NewDelivery): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO deliveries (id, workspace_id, event_id, kind, call_id, url, host, number_id, endpoint_id, body, status,
       next_attempt_at_ms, created_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', 0, ?)
     ON CONFLICT DO NOTHING`,
    [
      row.id,
      row.workspaceId,
      row.eventId,
      row.kind,
      row.callId,
      row.url,
      row.host,
      row.numberId,
      row.endpointId,
      row.body,
      row.createdAtMs,
    ],
  );
  return changes > 0;
}

/** Deliveries of a workspace to one host wait for each other and for nobody else. */
export interface Destination {
  workspaceId: WorkspaceId;
  host: string;
}

/** Every destination that something is pending for, and when its first is due. */
export const pendingDestinations = (tx: ReadTx): Promise<(Destination & { nextAttemptAtMs: number })[]> =>
  tx.all(
    `SELECT workspace_id, host, MIN(next_attempt_at_ms) AS next_attempt_at_ms FROM deliveries
     WHERE next_attempt_at_ms IS NOT NULL GROUP BY workspace_id, host`,
  );

export interface DueDelivery {
  id: DeliveryId;
  callId: CallId | null;
  /** Of its call's events, as its body has it; null: of another kind. */
  sequence: number | null;
  url: string;
  attempts: number;
}

/** First attempts as they were queued, by the clocks of who queued them, then retries, the longest due first. */
export const dueDeliveries = (
  tx: ReadTx,
  { workspaceId, host }: Destination,
  nowMs: number,
  limit: number,
): Promise<DueDelivery[]> =>
  tx.all(
    `SELECT d.id, d.call_id, e.sequence, d.url, d.attempts FROM deliveries d
     LEFT JOIN call_events e ON e.id = d.event_id
     WHERE d.workspace_id = ? AND d.host = ? AND d.next_attempt_at_ms <= ?
     ORDER BY d.next_attempt_at_ms, d.id LIMIT ?`,
    [workspaceId, host, nowMs, limit],
  );

/** When the next of a destination falls due after `nowMs`; null: none waits. */
export async function nextDueAtMs(
  tx: ReadTx,
  { workspaceId, host }: Destination,
  nowMs: number,
): Promise<number | null> {
  const row = await tx.get<{ atMs: number | null }>(
    `SELECT MIN(next_attempt_at_ms) AS at_ms FROM deliveries
     WHERE workspace_id = ? AND host = ? AND next_attempt_at_ms > ?`,
    [workspaceId, host, nowMs],
  );
  return row?.atMs ?? null;
}

/** Sealed, as they lie in the row of a number or an endpoint. */
export interface SigningSecretsRow {
  signingSecret: string;
  previousSigningSecret: string | null;
  previousSigningSecretUntilMs: number | null;
}

export interface DeliveryToSend extends SigningSecretsRow {
  id: DeliveryId;
  eventId: EventId;
  kind: string;
  callId: CallId | null;
  /** The call's trace. */
  traceId: string | null;
  traceSampled: 0 | 1 | null;
  url: string;
  body: string;
  scheduleStep: number;
}

/** What an attempt needs; undefined once the delivery is no longer due: settled, or tried since it was seen. */
export const deliveryToSend = (
  tx: ReadTx,
  id: DeliveryId,
  nowMs: number,
): Promise<DeliveryToSend | undefined> =>
  tx.get(
    `SELECT d.id, d.event_id, d.kind, d.call_id, c.trace_id, c.trace_sampled, d.url, d.body, d.schedule_step,
       COALESCE(n.voice_signing_secret, e.signing_secret) AS signing_secret,
       COALESCE(n.previous_signing_secret, e.previous_signing_secret) AS previous_signing_secret,
       COALESCE(n.previous_signing_secret_until_ms, e.previous_signing_secret_until_ms)
         AS previous_signing_secret_until_ms
     FROM deliveries d
     LEFT JOIN calls c ON c.id = d.call_id
     LEFT JOIN numbers n ON n.id = d.number_id
     LEFT JOIN webhook_endpoints e ON e.id = d.endpoint_id
     WHERE d.id = ? AND d.status = 'pending' AND d.next_attempt_at_ms <= ?`,
    [id, nowMs],
  );

export interface AttemptRow {
  attemptedAtMs: number;
  /** HTTP status; null where there was no answer, then `error` says why. */
  status: number | null;
  latencyMs: number;
  response: string | null;
  error: string | null;
}

export interface DeliveryProgress {
  status: DeliveryStatus;
  scheduleStep: number;
  nextAttemptAtMs: number | null;
  deliveredAtMs: number | null;
}

/**
 * Stores an attempt and what follows from it. A delivery that was settled meanwhile keeps its state, and one that was replayed, or
 * got another URL, meanwhile its schedule, unless it has arrived by this try. One whose body is no more what was sent was erased in
 * part or whole, and the answer, which may repeat what was in it, is not kept.
 */
export async function recordAttempt(
  tx: Tx,
  { id, body, url, scheduleStep }: Pick<DeliveryToSend, "id" | "body" | "url" | "scheduleStep">,
  attempt: AttemptRow,
  progress: DeliveryProgress,
): Promise<void> {
  const arrived = progress.status === "delivered";
  const { changes } = await tx.run(
    `UPDATE deliveries SET attempts = attempts + 1, status = ?, schedule_step = ?, next_attempt_at_ms = ?,
       delivered_at_ms = ?
     WHERE id = ? AND status = 'pending' ${arrived ? "" : "AND schedule_step = ? AND url = ?"}`,
    [
      ...[progress.status, progress.scheduleStep, progress.nextAttemptAtMs, progress.deliveredAtMs, id],
      ...(arrived ? [] : [scheduleStep, url]),
    ],
  );
  if (changes === 0) await tx.run("UPDATE deliveries SET attempts = attempts + 1 WHERE id = ?", [id]);
  await tx.run(
    `INSERT INTO delivery_attempts (delivery_id, attempt, attempted_at_ms, status, latency_ms, response, error)
     SELECT id, attempts, CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT),
       CASE body WHEN ? THEN CAST(? AS TEXT) END, CAST(? AS TEXT)
     FROM deliveries WHERE id = ?`,
    [attempt.attemptedAtMs, attempt.status, attempt.latencyMs, body, attempt.response, attempt.error, id],
  );
}

export interface DeliveryRow {
  id: DeliveryId;
  workspaceId: WorkspaceId;
  eventId: EventId;
  kind: string;
  callId: CallId | null;
  url: string;
  /** Of the two, the one whose secret signs. */
  numberId: NumberId | null;
  endpointId: WebhookId | null;
  status: DeliveryStatus;
  /** Tries ever made, replays included. */
  attempts: number;
  nextAttemptAtMs: number | null;
  createdAtMs: number;
  deliveredAtMs: number | null;
  /** What it said was erased. */
  erasedAtMs: number | null;
}

const columns =
  "id, workspace_id, event_id, kind, call_id, url, number_id, endpoint_id, status, attempts," +
  " next_attempt_at_ms, created_at_ms, delivered_at_ms, erased_at_ms";

export interface DeliveryFilter {
  status?: DeliveryStatus | undefined;
  kind?: string | undefined;
  callId?: CallId | undefined;
  /** Those older than this one. */
  before?: string | undefined;
}

/** Newest first. */
export function deliveriesOf(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { status, kind, callId, before }: DeliveryFilter,
  limit: number,
): Promise<DeliveryRow[]> {
  const conditions: [string, SqlValue | undefined][] = [
    ["workspace_id = ?", workspaceId],
    ["status = ?", status],
    ["kind = ?", kind],
    ["call_id = ?", callId],
    ["id < ?", before],
  ];
  const asked = conditions.filter((entry): entry is [string, SqlValue] => entry[1] !== undefined);
  const where = asked.map(([condition]) => condition).join(" AND ");
  return tx.all(`SELECT ${columns} FROM deliveries WHERE ${where} ORDER BY id DESC LIMIT ?`, [
    ...asked.map(([, value]) => value),
    limit,
  ]);
}

export const deliveryById = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  id: DeliveryId,
): Promise<DeliveryRow | undefined> =>
  tx.get(`SELECT ${columns} FROM deliveries WHERE workspace_id = ? AND id = ?`, [workspaceId, id]);

/** Oldest first. */
export const attemptsOf = (tx: ReadTx, id: DeliveryId): Promise<(AttemptRow & { attempt: number })[]> =>
  tx.all(
    `SELECT attempt, attempted_at_ms, status, latency_ms, response, error FROM delivery_attempts
     WHERE delivery_id = ? ORDER BY attempt`,
    [id],
  );

/** A new schedule for the same event, due at once; behind the first tries, which alone have 0: how late those are is read by that. */
export async function restartDelivery(
  tx: Tx,
  id: DeliveryId,
  to: { url: string; host: string },
): Promise<void> {
  await tx.run(
    `UPDATE deliveries SET status = 'pending', schedule_step = 0, delivered_at_ms = NULL,
       next_attempt_at_ms = CASE attempts WHEN 0 THEN 0 ELSE 1 END,
       url = ?, host = ?
     WHERE id = ?`,
    [to.url, to.host, id],
  );
}

/** Forgets settled deliveries made before `beforeMs`, oldest first, so many at most. Answers how many there were. */
export async function forgetSettled(tx: Tx, beforeMs: number, limit: number): Promise<number> {
  const old = await tx.all<{ id: DeliveryId }>(
    "SELECT id FROM deliveries WHERE next_attempt_at_ms IS NULL AND created_at_ms < ? ORDER BY created_at_ms LIMIT ?",
    [beforeMs, limit],
  );
  for (const { id } of old) {
    await tx.run("DELETE FROM delivery_attempts WHERE delivery_id = ?", [id]);
    await tx.run("DELETE FROM deliveries WHERE id = ?", [id]);
  }
  return old.length;
}

/** What is pending for an endpoint follows it to its new URL. */
export async function redirectPending(
  tx: Tx,
  endpointId: WebhookId,
  to: { url: string; host: string },
): Promise<void> {
  await tx.run(
    "UPDATE deliveries SET url = ?, host = ? WHERE endpoint_id = ? AND next_attempt_at_ms IS NOT NULL",
    [to.url, to.host, endpointId],
  );
}

/** What is pending for an endpoint is given up. */
export async function abandonPending(tx: Tx, endpointId: WebhookId): Promise<void> {
  await tx.run(
    `UPDATE deliveries SET status = 'dead_letter', next_attempt_at_ms = NULL
     WHERE endpoint_id = ? AND next_attempt_at_ms IS NOT NULL`,
    [endpointId],
  );
}
