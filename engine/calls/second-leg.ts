import type { StepFact } from "../actions/verb.ts";
import { SautikitError } from "../errors.ts";
import { parseObject, insertLeg } from "../store/calls.ts";
import { workspaceById } from "../store/workspaces.ts";
import { callingNumber } from "../workspaces/numbers.ts";
import { callingWorkspace } from "../workspaces/workspaces.ts";
import type { CallChange } from "./call-change.ts";
import type { CallOptions } from "./call-request.ts";
import type { DialRequest } from "./command.ts";
import { secondsAtDialling } from "./cut-off.ts";
import { allowedDestination, newLeg, newRecording, originateOf, requireFunds } from "./dialing.ts";

/** Adds to a running call a leg that the switch joins to the one that waits for it. Throws what a refused dial is told. */
export async function dialSecondLeg(
  change: CallChange,
  request: DialRequest,
  gateway: string,
): Promise<StepFact> {
  const { call, tx, parts } = change;
  const workspace = await workspaceById(tx, call.workspaceId);
  if (!workspace) throw new Error(`Call ${call.id} has no workspace.`);
  if (workspace.frozenAtMs !== null) throw new SautikitError("workspace.frozen");
  const options = parseObject(call.options) as unknown as CallOptions;
  const callerId = request.callerId ?? options.callerId;
  if (request.callerId !== undefined) await callingNumber(tx, call.workspaceId, request.callerId, "callerId");
  const destination = await allowedDestination(
    tx,
    callingWorkspace(workspace),
    request.to,
    change.nowMs,
    "number",
  );
  await requireFunds(tx, call.workspaceId, destination.rateMicroKesPerMinute, parts.clock.nowUs());
  const maxDurationSeconds = request.maxDurationSeconds ?? options.maxDurationSeconds;
  const leg = newLeg({
    id: parts.ids.next("leg"),
    callId: call.id,
    workspaceId: call.workspaceId,
    position: change.legs.length,
    box: change.firstLeg.box,
    fromE164: callerId,
    toE164: destination.e164,
    rateMicroKesPerMinute: destination.rateMicroKesPerMinute,
    maxDurationSeconds,
    cutAfterSeconds: await secondsAtDialling(
      tx,
      call.workspaceId,
      { ...destination, maxDurationSeconds },
      parts.clock.nowUs(),
    ),
    createdAtMs: change.nowMs,
  });
  await insertLeg(tx, leg);
  change.legs.push(leg);
  const record = request.record ? { recording: await newRecording(change, leg), from: request.record } : null;
  change.intend(...request.prepare, {
    kind: "originate",
    originate: originateOf({
      id: leg.id,
      callId: call.id,
      gateway,
      to: destination.e164,
      callerId,
      ringTimeoutSeconds: request.ringTimeoutSeconds,
      cutAfterSeconds: leg.cutAfterSeconds,
      waiting: request.waiting,
      record,
    }),
  });
  await change.emit("dial.started", { leg_id: leg.id, to: destination.e164 });
  return { kind: "dialing", leg: leg.id };
}
