import { callView } from "../engine/calls/call-view.ts";
import { SautikitError } from "../engine/errors.ts";
import { isId, type CallId, type WorkspaceId } from "../engine/ids.ts";
import type { JsonObject } from "../engine/json.ts";
import { legsOfCalls, recordingIdsOfCalls } from "../engine/store/call-lists.ts";
import { callOfWorkspace, eventsPage, type CallRow } from "../engine/store/calls.ts";
import { attemptsOfCalls } from "../engine/store/trunks.ts";
import type { ReadTx } from "../engine/store/store.ts";

/** The workspace's call of that id. Throws `calls.not_found`, for others' ids and for what is no id as well. */
export async function requireCall(tx: ReadTx, workspaceId: WorkspaceId, id: string): Promise<CallRow> {
  const call = isId("call", id) ? await callOfWorkspace(tx, workspaceId, id) : undefined;
  if (!call) throw new SautikitError("calls.not_found");
  return call;
}

/** The id in a path, for those who look the call up themselves. */
export function callIdOf(id: string): CallId {
  if (!isId("call", id)) throw new SautikitError("calls.not_found");
  return id;
}

/** Events in one answer: of a call that is directed for hours there may be more than memory holds. */
export const eventsShownMax = 500;

/** With its first events. */
export async function viewOfCall(tx: ReadTx, call: CallRow, nowUs: number): Promise<JsonObject> {
  const events = await eventsPage(tx, call.id, eventsShownMax, null);
  const legs = (await legsOfCalls(tx, [call.id])).get(call.id) ?? [];
  const recordings = await recordingIdsOfCalls(tx, [call.id]);
  const attempts = await attemptsOfCalls(tx, [call.id]);
  return callView({ call, legs, events, recordings, attempts }, nowUs);
}

/** Without their events, in the order of `calls`. */
export async function viewsOfCalls(
  tx: ReadTx,
  calls: readonly CallRow[],
  nowUs: number,
): Promise<(call: CallRow) => JsonObject> {
  const ids = calls.map((call) => call.id);
  const legs = await legsOfCalls(tx, ids);
  const recordings = await recordingIdsOfCalls(tx, ids);
  const attempts = await attemptsOfCalls(tx, ids);
  return (call) => callView({ call, legs: legs.get(call.id) ?? [], events: [], recordings, attempts }, nowUs);
}
