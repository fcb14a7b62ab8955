import type { Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import type { DeliveryId, EventId, WebhookId, WorkspaceId } from "../ids.ts";
import { newSigningSecret, rotationOverlapMs, type Secrets } from "../secrets.ts";
import { abandonPending, redirectPending } from "../store/deliveries.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import {
  countEndpoints,
  endpointById,
  endpointToChange,
  endpointsOf,
  insertEndpoint,
  markEndpointDeleted,
  updateEndpoint,
  type EndpointRow,
} from "../store/webhook-endpoints.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import { hostOf, queue, type OutboxParts } from "./outbox.ts";
import { page, type Page, type PageRequest } from "./page.ts";

/** Each event is told to all of them in the transaction of what it tells, which others may wait for. */
const endpointsMax = 50;

/** Where a workspace wants to be told. */
export interface WebhookEndpoint {
  id: WebhookId;
  workspaceId: WorkspaceId;
  url: string;
  /** Kinds, or `*` for every kind but call.*. */
  events: string[];
  enabled: boolean;
  /** During a rotation: until then the secret before signs too. */
  previousSecretUntilMs: number | null;
  createdAtMs: number;
  updatedAtMs: number;
}

/** The secret is shown this once. */
export interface WithSecret {
  endpoint: WebhookEndpoint;
  signingSecret: string;
}

export interface EndpointChanges {
  url?: string | undefined;
  events?: string[] | undefined;
  enabled?: boolean | undefined;
}

/** What /v1/webhooks does. A URL is checked by `Egress.checkUrl` before the transaction: it asks DNS. */
export class WebhookEndpoints {
  readonly #parts: OutboxParts & { secrets: Secrets };

  constructor(parts: OutboxParts & { secrets: Secrets }) {
    this.#parts = parts;
  }

  /** Throws `webhooks.too_many`. */
  async create(
    tx: Tx,
    workspaceId: WorkspaceId,
    asked: { url: string; events: string[]; enabled?: boolean | undefined },
  ): Promise<WithSecret> {
    const { clock, ids, secrets } = this.#parts;
    // So that two at once do not both find room for one.
    await keepWorkspace(tx, workspaceId);
    if ((await countEndpoints(tx, workspaceId)) >= endpointsMax) throw new SautikitError("webhooks.too_many");
    const signingSecret = newSigningSecret(ids);
    const nowMs = clock.nowMs();
    const row: EndpointRow = {
      id: ids.next("wh"),
      workspaceId,
      url: asked.url,
      events: JSON.stringify(asked.events),
      enabled: (asked.enabled ?? true) ? 1 : 0,
      signingSecret: secrets.seal(signingSecret),
      previousSigningSecret: null,
      previousSigningSecretUntilMs: null,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    };
    await insertEndpoint(tx, row);
    return { endpoint: endpointOf(row, this.#parts.clock), signingSecret };
  }

  async list(tx: ReadTx, workspaceId: WorkspaceId, request: PageRequest): Promise<Page<WebhookEndpoint>> {
    const rows = await endpointsOf(tx, workspaceId, { limit: request.limit + 1, before: request.cursor });
    return page(rows, request.limit, (row) => endpointOf(row, this.#parts.clock));
  }

  /** This and all below throw `webhooks.not_found`. */
  async get(tx: ReadTx, workspaceId: WorkspaceId, id: WebhookId): Promise<WebhookEndpoint> {
    return endpointOf(found(await endpointById(tx, workspaceId, id)), this.#parts.clock);
  }

  /** As it is before a change that follows in this transaction, and that nobody else makes meanwhile. */
  async keep(tx: Tx, workspaceId: WorkspaceId, id: WebhookId): Promise<WebhookEndpoint> {
    return endpointOf(found(await endpointToChange(tx, workspaceId, id)), this.#parts.clock);
  }

  /** What is pending goes to a new URL as well; disabling gives it up, and it can be replayed. */
  async patch(
    tx: Tx,
    workspaceId: WorkspaceId,
    id: WebhookId,
    changes: EndpointChanges,
  ): Promise<WebhookEndpoint> {
    const before = found(await endpointToChange(tx, workspaceId, id));
    const row: EndpointRow = {
      ...before,
      url: changes.url ?? before.url,
      events: changes.events ? JSON.stringify(changes.events) : before.events,
      enabled: changes.enabled === undefined ? before.enabled : Number(changes.enabled),
      updatedAtMs: this.#parts.clock.nowMs(),
    };
    await updateEndpoint(tx, row);
    if (row.url !== before.url) {
      const to = { url: row.url, host: hostOf(row.url) };
      await redirectPending(tx, id, to);
      tx.afterCommit(() => this.#parts.wake({ workspaceId, host: to.host }));
    }
    if (row.enabled === 0) await abandonPending(tx, id);
    return endpointOf(row, this.#parts.clock);
  }

  async delete(tx: Tx, workspaceId: WorkspaceId, id: WebhookId): Promise<void> {
    found(await endpointToChange(tx, workspaceId, id));
    await markEndpointDeleted(tx, id, this.#parts.clock.nowMs());
    await abandonPending(tx, id);
  }

  async rotateSecret(tx: Tx, workspaceId: WorkspaceId, id: WebhookId): Promise<WithSecret> {
    const { clock, ids, secrets } = this.#parts;
    const before = found(await endpointToChange(tx, workspaceId, id));
    const signingSecret = newSigningSecret(ids);
    const nowMs = clock.nowMs();
    const row: EndpointRow = {
      ...before,
      signingSecret: secrets.seal(signingSecret),
      previousSigningSecret: before.signingSecret,
      previousSigningSecretUntilMs: nowMs + rotationOverlapMs,
      updatedAtMs: nowMs,
    };
    await updateEndpoint(tx, row);
    return { endpoint: endpointOf(row, this.#parts.clock), signingSecret };
  }

  /** Sends a `webhook.test` event to this endpoint alone, enabled or not, whatever it lists. */
  async test(
    tx: Tx,
    workspaceId: WorkspaceId,
    id: WebhookId,
  ): Promise<{ eventId: EventId; deliveryId: DeliveryId }> {
    const { clock, ids } = this.#parts;
    const { url } = found(await endpointById(tx, workspaceId, id));
    const eventId = ids.next("evt");
    const deliveryId = await queue(
      tx,
      this.#parts,
      {
        eventId,
        workspaceId,
        kind: "webhook.test",
        callId: null,
        occurredAtMs: clock.nowMs(),
        data: { webhook_id: id },
      },
      { url, numberId: null, endpointId: id },
    );
    if (!deliveryId) throw new Error("A new event id was there before.");
    return { eventId, deliveryId };
  }
}

function found(row: EndpointRow | undefined): EndpointRow {
  if (!row) throw new SautikitError("webhooks.not_found");
  return row;
}

function endpointOf(row: EndpointRow, clock: Clock): WebhookEndpoint {
  const untilMs = row.previousSigningSecretUntilMs;
  return {
    id: row.id,
    workspaceId: row.workspaceId,
    url: row.url,
    events: JSON.parse(row.events) as string[],
    enabled: row.enabled === 1,
    previousSecretUntilMs: untilMs !== null && untilMs > clock.nowMs() ? untilMs : null,
    createdAtMs: row.createdAtMs,
    updatedAtMs: row.updatedAtMs,
  };
}
