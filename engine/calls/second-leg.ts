import type { StepFact } from "../actions/verb.ts";
import { SautikitError } from "../errors.ts";
import { parseObject } from "../store/calls.ts";
import { workspaceById } from "../store/workspaces.ts";
import { callingNumber } from "../numbers/numbers.ts";
import { callingWorkspace } from "../workspaces/workspaces.ts";
import type { CallChange } from "./call-change.ts";
import type { CallOptions } from "./call-request.ts";
import type { DialRequest } from "./command.ts";
import { allowedDestination, dialTogether, requireFunds, type Destination } from "./dialing.ts";

/**
 * Adds to a running call a leg for each number, of which the switch joins the first to answer to the one that waits. A
 * number that may not be dialled is left out. Throws what a dial that is refused as a whole is told.
 */
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
  const allowed: Destination[] = [];
  const refused: { to: string; code: string; message: string }[] = [];
  for (const to of request.to) {
    try {
      allowed.push(await allowedDestination(tx, callingWorkspace(workspace), to, change.nowMs, "number"));
    } catch (error) {
      if (!(error instanceof SautikitError)) throw error;
      refused.push({ to, code: error.code, message: error.message });
    }
  }
  if (allowed.length === 0) return { kind: "dialing", legs: [], refused };
  await requireFunds(tx, call.workspaceId, allowed, parts.clock.nowUs());
  const { waiting, ringTimeoutSeconds, record } = request;
  const maxDurationSeconds = request.maxDurationSeconds ?? options.maxDurationSeconds;
  const legs = await dialTogether(
    change,
    change.firstLeg.box,
    allowed,
    { gateway, callerId, ringTimeoutSeconds, maxDurationSeconds, record, waiting },
    request.prepare,
  );
  for (const leg of legs) await change.emit("dial.started", { leg_id: leg.id, to: leg.toE164 });
  return { kind: "dialing", legs: legs.map(({ id, toE164 }) => ({ leg: id, to: toE164 })), refused };
}
