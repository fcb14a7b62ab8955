import type { StepFact } from "../actions/verb.ts";
import { CallRefused, type RefusedNumber } from "../policy/refusal.ts";
import { parseObject } from "../store/calls.ts";
import type { CallChange } from "./call-change.ts";
import type { CallOptions } from "./call-request.ts";
import type { DialRequest } from "./command.ts";
import { dialTogether } from "./dialing.ts";

/**
 * Adds to a running call a leg for each number, of which the switch joins the first to answer to the one that waits. A
 * number that may not be dialled is left out. Throws what a dial that is refused as a whole is told. Whatever is refused is
 * noted, in the transaction of the call's own event.
 */
export async function dialSecondLeg(
  change: CallChange,
  request: DialRequest,
  gateway: string,
): Promise<StepFact> {
  const { call, tx, parts } = change;
  const options = parseObject(call.options) as unknown as CallOptions;
  const callerId = request.callerId ?? options.callerId;
  const asked = {
    workspaceId: call.workspaceId,
    begins: false,
    callerIds: request.callerId === undefined ? [] : [{ field: "callerId", e164: request.callerId }],
    to: request.to.map((e164): RefusedNumber => ({ field: "number", e164 })),
  };
  const note = (refusal: CallRefused) =>
    parts.policy.note(tx, refusal, {
      ...{ workspaceId: call.workspaceId, source: "dial", from: callerId, callId: call.id },
      to: refusal.number ?? request.to[0] ?? null,
    });
  const { admitted, refused } = await parts.policy.admit(tx, asked).catch(async (error: unknown) => {
    if (error instanceof CallRefused) await note(error);
    throw error;
  });
  for (const refusal of refused) await note(refusal);
  const told = refused.map(({ number, code, reason, message }) => ({
    to: number ?? "",
    code,
    reason,
    message,
  }));
  if (admitted.length === 0) return { kind: "dialing", legs: [], refused: told };
  const { waiting, ringTimeoutSeconds, record } = request;
  const maxDurationSeconds = request.maxDurationSeconds ?? options.maxDurationSeconds;
  const legs = await dialTogether(
    change,
    change.firstLeg.box,
    admitted,
    { gateway, callerId, ringTimeoutSeconds, maxDurationSeconds, record, waiting },
    request.prepare,
  );
  for (const leg of legs) await change.emit("dial.started", { leg_id: leg.id, to: leg.toE164 });
  return { kind: "dialing", legs: legs.map(({ id, toE164 }) => ({ leg: id, to: toE164 })), refused: told };
}
