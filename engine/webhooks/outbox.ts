import type { CallId, EventId, NumberId, WorkspaceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { Tx } from "../store/store.ts";

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
   * each enabled endpoint of /v1/webhooks that lists the kind (`*` there is every kind but call.*).
   */
  tell(tx: Tx, event: OutboxEvent, callTarget?: { url: string; numberId: NumberId }): Promise<void>;
}
