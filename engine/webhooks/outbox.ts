import { rfc3339Ms, type Clock } from "../clock.ts";
import type { CallId, EventId, Ids, NumberId, WebhookId, WorkspaceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import { insertDelivery, type Destination } from "../store/deliveries.ts";
import type { Tx } from "../store/store.ts";
import { enabledEndpoints } from "../store/webhook-endpoints.ts";

/** An event as it is told to customers: the envelope of API.md §5 is made from it. */
export interface OutboxEvent {
  eventId: EventId;
  workspaceId: WorkspaceId;
  kind: string;
  /** Null for kinds that are not of a call. */
  callId: CallId | null;
  occurredAtMs: number;
  data: JsonObject;
}

/** Where deliveries begin: rows written in the transaction of the state change that they tell. */
export interface Outbox {
  /**
   * Queues one delivery to `callTarget` (a call's events_url or voice URL, signed with the number's secret), and one to
   * each enabled endpoint of /v1/webhooks that lists the kind (`*` there is every kind but call.*). Telling an event
   * again adds only the targets that do not have it yet.
   */
  tell(tx: Tx, event: OutboxEvent, callTarget?: CallTarget): Promise<void>;
  /** Queues one delivery to that URL, and none to anybody else. */
  tellOne(tx: Tx, event: OutboxEvent, target: CallTarget): Promise<void>;
}

/** Where a call's events go. */
export interface CallTarget {
  url: string;
  numberId: NumberId;
  /** Beside the envelope's own keys: a voice URL's are published. */
  keys?: JsonObject;
}

/** The envelope of API.md §5, as an object. */
export const envelopeOf = (event: OutboxEvent, keys: JsonObject = {}): JsonObject => ({
  kind: event.kind,
  event_id: event.eventId,
  workspace_id: event.workspaceId,
  occurred_at: rfc3339Ms(event.occurredAtMs),
  data: event.data,
  ...keys,
});

export interface OutboxParts {
  clock: Clock;
  ids: Ids;
  /** Called after the commit, for each destination that got something: the deliverer's `wake`. */
  wake: (destination: Destination) => void;
}

export function createOutbox(parts: OutboxParts): Outbox {
  const tellOne: Outbox["tellOne"] = async (tx, event, { keys, ...target }) => {
    await queue(tx, parts, event, { ...target, endpointId: null }, keys);
  };
  return {
    tellOne,
    async tell(tx, event, callTarget) {
      if (callTarget) await tellOne(tx, event, callTarget);
      for (const endpoint of await enabledEndpoints(tx, event.workspaceId)) {
        if (!wants(JSON.parse(endpoint.events) as string[], event.kind)) continue;
        await queue(tx, parts, event, { url: endpoint.url, numberId: null, endpointId: endpoint.id });
      }
    },
  };
}

export interface DeliveryTarget {
  url: string;
  numberId: NumberId | null;
  endpointId: WebhookId | null;
}

/** One delivery of an event to one target; null: the target has this event already. */
export async function queue(
  tx: Tx,
  { clock, ids, wake }: OutboxParts,
  event: OutboxEvent,
  target: DeliveryTarget,
  keys?: JsonObject,
) {
  const { workspaceId, eventId, kind, callId } = event;
  const id = ids.next("dlv");
  const host = hostOf(target.url);
  const body = JSON.stringify(envelopeOf(event, keys));
  const row = { id, workspaceId, eventId, kind, callId, ...target, host, body, createdAtMs: clock.nowMs() };
  if (!(await insertDelivery(tx, row))) return null;
  tx.afterCommit(() => wake({ workspaceId, host }));
  return id;
}

/** A URL that cannot be read is queued all the same: the attempts say what is wrong with it. */
export const hostOf = (url: string): string => URL.parse(url)?.host ?? "";

function wants(events: readonly string[], kind: string): boolean {
  return events.includes(kind) || (events.includes("*") && !kind.startsWith("call."));
}
