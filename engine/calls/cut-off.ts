import { steadyUs } from "../clock.ts";
import type { WorkspaceId } from "../ids.ts";
import { moneyEndsAtUs, secondsOfMoney } from "../metering/money-end.ts";
import {
  talkingLegsCutShort,
  talkingLegsOf,
  updateLeg,
  type LegRow,
  type TalkingLeg,
} from "../store/calls.ts";
import { walletBalanceMinor } from "../store/ledger.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { keepWorkspace, workspaceById } from "../store/workspaces.ts";
import { forgetKill } from "../switch/dial-string.ts";
import type { KillGroup } from "../switch/switch.ts";
import { available } from "../wallet/wallet.ts";
import type { ChangeParts } from "./change-parts.ts";
import { intend } from "./intend.ts";

export type CutOffParts = Pick<ChangeParts, "clock" | "ids" | "changed">;

/** A deadline that moved by less is left alone: the reckoning is in whole seconds, and so is the switch's clock. */
const toleranceUs = 1_000_000;

/**
 * How long a leg that is dialled now may talk, whole seconds from its answer: its own maximum, or less where the
 * workspace's calls end with its money. Armed in the switch before it can answer, so that it holds with us gone.
 */
export async function secondsAtDialling(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  leg: { rateMicroKesPerMinute: number; maxDurationSeconds: number },
  nowUs: number,
): Promise<number> {
  const workspace = await workspaceById(tx, workspaceId);
  if (workspace?.onZeroBalance !== "hangup" || leg.rateMicroKesPerMinute === 0) return leg.maxDurationSeconds;
  const { availableMinor } = await available(tx, workspaceId, nowUs);
  const seconds = secondsOfMoney(availableMinor, [...(await talkingLegsOf(tx, workspaceId)), leg]);
  return Math.min(leg.maxDurationSeconds, Math.max(seconds ?? leg.maxDurationSeconds, 1));
}

/**
 * Reckons anew when each answered leg of a workspace is to be cut off, and arms the switch with what changed: the new
 * deadline first, then the old one is deleted, so that there is never a gap. To be called, in the transaction, after
 * every answer, end, top-up, debit and change of policy.
 */
export async function rearmCutOffs(tx: Tx, parts: CutOffParts, workspaceId: WorkspaceId): Promise<void> {
  const workspace = await keepWorkspace(tx, workspaceId);
  const moneyEnds = workspace?.onZeroBalance === "hangup";
  const legs = await (moneyEnds ? talkingLegsOf : talkingLegsCutShort)(tx, workspaceId);
  if (legs.length === 0) return;
  // Beside the switch's stamps of their answers: no step of our clock reaches it.
  const nowUs = steadyUs(parts.clock);
  const moneyEndUs = moneyEnds ? moneyEndsAtUs(await walletBalanceMinor(tx, workspaceId), legs, nowUs) : null;
  for (const leg of legs) {
    const wantedUs = deadlineUs(leg, moneyEndUs);
    const armedUs = leg.cutAtUs ?? leg.answeredAtUs + leg.cutAfterSeconds * 1_000_000;
    if (Math.abs(wantedUs - armedUs) < toleranceUs) continue;
    await rearm(tx, parts, leg, wantedUs);
  }
}

/** What an answered leg's deadline in the switch stands for. */
export function cutOffBy(
  leg: Pick<LegRow, "cutAtUs" | "cutAfterSeconds" | "maxDurationSeconds">,
  answeredAtUs: number,
): "max_duration" | "wallet" {
  const armedUs = leg.cutAtUs ?? answeredAtUs + leg.cutAfterSeconds * 1_000_000;
  const longestUs = answeredAtUs + leg.maxDurationSeconds * 1_000_000;
  return armedUs <= longestUs - toleranceUs ? "wallet" : "max_duration";
}

function deadlineUs(leg: TalkingLeg, moneyEndUs: number | null): number {
  const longestUs = leg.answeredAtUs + leg.maxDurationSeconds * 1_000_000;
  return leg.rateMicroKesPerMinute === 0 || moneyEndUs === null ? longestUs : Math.min(longestUs, moneyEndUs);
}

async function rearm(tx: Tx, parts: CutOffParts, leg: TalkingLeg, cutAtUs: number): Promise<void> {
  const generation = leg.cutGeneration + 1;
  await updateLeg(tx, leg.id, { cutAtUs, cutGeneration: generation });
  const group: KillGroup = `cut-${leg.id}-${generation}`;
  await intend(tx, parts, leg.callId, [
    { kind: "cutAt", leg: leg.id, group, atUs: cutAtUs },
    { kind: "setVariable", leg: leg.id, name: "api_hangup_hook", value: forgetKill(group) },
    { kind: "disarmKill", leg: leg.id, group: `cut-${leg.id}-${generation - 1}` },
  ]);
}
