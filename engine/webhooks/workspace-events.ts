import type { Clock } from "../clock.ts";
import type { Ids, WorkspaceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { Tx } from "../store/store.ts";
import type { Outbox } from "./outbox.ts";

/** Kinds of event that are a workspace's and no call's. What is in each is in api/schemas/workspace-event.ts. */
export const workspaceEventKinds = [
  "number.provisioned",
  "number.suspended",
  "number.resumed",
  "number.released",
  "wallet.top_up",
  "wallet.low_balance",
  "wallet.exhausted",
  "storage.threshold_crossed",
  "port.updated",
  "calls.refused",
  "calls.new_country",
  "sip.credential_banned",
] as const;
export type WorkspaceEventKind = (typeof workspaceEventKinds)[number];

export interface WorkspaceEvent {
  workspaceId: WorkspaceId;
  kind: WorkspaceEventKind;
  data: JsonObject;
}

export interface EventParts {
  outbox: Outbox;
  ids: Ids;
  clock: Clock;
}

/** Tells the workspace's webhook endpoints, in the transaction of what happened. */
export async function tellWorkspace(
  tx: Tx,
  { outbox, ids, clock }: EventParts,
  { workspaceId, kind, data }: WorkspaceEvent,
): Promise<void> {
  const eventId = ids.next("evt");
  await outbox.tell(tx, { eventId, workspaceId, kind, callId: null, occurredAtMs: clock.nowMs(), data });
}
