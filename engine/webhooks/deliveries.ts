import { SautikitError } from "../errors.ts";
import type { DeliveryId, WebhookId, WorkspaceId } from "../ids.ts";
import {
  attemptsOf,
  deliveriesOf,
  deliveryById,
  restartDelivery,
  type AttemptRow,
  type DeliveryFilter,
  type DeliveryRow,
} from "../store/deliveries.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { endpointById } from "../store/webhook-endpoints.ts";
import { hostOf, type OutboxParts } from "./outbox.ts";
import { page, type Page, type PageRequest } from "./page.ts";

/** One event on its way to one target. */
export type Delivery = DeliveryRow;
export type DeliveryAttempt = AttemptRow & { attempt: number };

/** Newest first, by status, kind and call. */
export async function listDeliveries(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  filter: Omit<DeliveryFilter, "before">,
  request: PageRequest,
): Promise<Page<Delivery>> {
  const rows = await deliveriesOf(tx, workspaceId, { ...filter, before: request.cursor }, request.limit + 1);
  return page(rows, request.limit, deliveryOf);
}

/** One with its attempts, oldest first. Throws `webhooks.delivery_not_found`, as replaying does. */
export async function getDelivery(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  id: DeliveryId,
): Promise<Delivery & { attemptLog: DeliveryAttempt[] }> {
  const row = await found(tx, workspaceId, id);
  return { ...deliveryOf(row), attemptLog: await attemptsOf(tx, id) };
}

/**
 * Begins a new schedule, at once, with the same event id and body: of a delivered one, a dead one, or one that waits
 * for its next try (once more changes nothing). It goes to the endpoint's URL of today; a deleted endpoint's deliveries
 * cannot be replayed (`webhooks.not_found`), nor can what was erased (`webhooks.delivery_erased`).
 */
export async function replayDelivery(
  tx: Tx,
  { wake }: Pick<OutboxParts, "wake">,
  workspaceId: WorkspaceId,
  id: DeliveryId,
): Promise<Delivery> {
  const row = await found(tx, workspaceId, id);
  if (row.erasedAtMs !== null) throw new SautikitError("webhooks.delivery_erased");
  const url = row.endpointId === null ? row.url : await urlOf(tx, workspaceId, row.endpointId);
  const host = hostOf(url);
  await restartDelivery(tx, id, { url, host });
  tx.afterCommit(() => wake({ workspaceId, host }));
  return deliveryOf(await found(tx, workspaceId, id));
}

async function urlOf(tx: ReadTx, workspaceId: WorkspaceId, id: WebhookId): Promise<string> {
  const endpoint = await endpointById(tx, workspaceId, id);
  if (!endpoint) throw new SautikitError("webhooks.not_found", "The endpoint of this delivery was deleted.");
  return endpoint.url;
}

async function found(tx: ReadTx, workspaceId: WorkspaceId, id: DeliveryId): Promise<DeliveryRow> {
  const row = await deliveryById(tx, workspaceId, id);
  if (!row) throw new SautikitError("webhooks.delivery_not_found");
  return row;
}

function deliveryOf(row: DeliveryRow): Delivery {
  const { nextAttemptAtMs: next, createdAtMs } = row;
  // 0 stands for "at once": nothing that a customer should read as 1970.
  return { ...row, nextAttemptAtMs: next === null ? null : Math.max(next, createdAtMs) };
}
