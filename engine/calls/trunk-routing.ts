import type { LegId } from "../ids.ts";
import { updateLeg } from "../store/calls.ts";
import type { Tx } from "../store/store.ts";
import { attemptsOfLeg, insertAttempt, type AttemptRow } from "../store/trunks.ts";
import type { Branch, Originate } from "../switch/switch.ts";
import type { ChangeParts } from "./change-parts.ts";
import type { DialBranch, Dialling } from "./command.ts";

/** `none`: the legs that no trunk takes now; the originate is of the others, null where there are none. */
export interface Routed {
  originate: Originate | null;
  none: readonly LegId[];
  attempts: readonly AttemptRow[];
}

/** Chooses each number's trunk as it is about to be dialled. `later`: one that is wanted is being changed just now. */
export async function route(
  tx: Tx,
  parts: Pick<ChangeParts, "trunks" | "clock">,
  box: string,
  dialling: Dialling,
): Promise<Routed | "later"> {
  const ways: { branch: DialBranch; way: Branch["way"] | null }[] = [];
  const attempts: AttemptRow[] = [];
  for (const branch of dialling.branches) {
    if (branch.way.kind === "device") {
      ways.push({ branch, way: branch.way });
      continue;
    }
    const tried = (await attemptsOfLeg(tx, branch.leg)).map(({ trunk }) => trunk);
    const beside = attempts.map(({ trunk }) => trunk);
    const chosen = await parts.trunks.choose(tx, { box, to: branch.way.to, tried, beside });
    if (chosen === "later") return "later";
    if (chosen === "none") {
      ways.push({ branch, way: null });
      continue;
    }
    const { trunk, gateway, to } = chosen;
    ways.push({ branch, way: { kind: "trunk", gateway, to } });
    attempts.push({
      ...{ legId: branch.leg, ordinal: tried.length + 1, trunk, dialled: to },
      startedAtUs: parts.clock.nowUs(),
      ...{ endedAtUs: null, sipStatus: null, q850: null, hangupCause: null, sipCallId: null },
    });
  }
  const [first, ...others] = ways.flatMap(({ branch, way }) => (way === null ? [] : [{ ...branch, way }]));
  return {
    originate: first === undefined ? null : { ...dialling, branches: [first, ...others] },
    none: ways.flatMap(({ branch, way }) => (way === null ? [branch.leg] : [])),
    attempts,
  };
}

/** With the mark that they are being sent. A leg that is dialled alone keeps how, for another trunk. */
export async function noteAttempts(tx: Tx, dialling: Dialling, { attempts }: Routed): Promise<void> {
  const alone = dialling.branches.length === 1;
  for (const attempt of attempts) {
    const kept = alone ? JSON.stringify(dialling) : null;
    await updateLeg(tx, attempt.legId, { trunk: attempt.trunk, dialling: kept });
    await insertAttempt(tx, attempt);
  }
}
