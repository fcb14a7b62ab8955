import { steadyUs } from "../clock.ts";
import type { LegId } from "../ids.ts";
import { updateLeg } from "../store/calls.ts";
import type { Tx } from "../store/store.ts";
import { attemptsOfLeg, insertAttempt, type AttemptRow } from "../store/trunks.ts";
import { issueRelay } from "../store/relays.ts";
import type { Originate, Way } from "../switch/switch.ts";
import type { ChangeParts } from "./change-parts.ts";
import type { DeviceWay, DialBranch, Dialling } from "./command.ts";

/** `none`: the legs that no trunk takes now; the originate is of the others, null where there are none. */
export interface Routed {
  originate: Originate | null;
  none: readonly LegId[];
  attempts: readonly AttemptRow[];
}

/** Chooses each number's trunk, and each device's way, as it is about to be dialled. `later`: one that is wanted is being changed just now. */
export async function route(
  tx: Tx,
  parts: Pick<ChangeParts, "trunks" | "clock" | "ids" | "peers">,
  box: string,
  dialling: Dialling,
): Promise<Routed | "later"> {
  const ways: { branch: DialBranch; way: Way | null }[] = [];
  const attempts: AttemptRow[] = [];
  for (const branch of dialling.branches) {
    if (branch.way.kind === "device") {
      ways.push({ branch, way: await wayToDevice(tx, parts, box, branch, branch.way) });
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
      startedAtUs: steadyUs(parts.clock),
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

/** Over the box that it is at, where that is another one; null: that one is no more. */
async function wayToDevice(
  tx: Tx,
  { clock, ids, peers }: Pick<ChangeParts, "clock" | "ids" | "peers">,
  own: string,
  { leg, ringTimeoutSeconds }: DialBranch,
  { box = own, ...device }: DeviceWay,
): Promise<Way | null> {
  if (box === own) return device;
  const address = peers.addressOf(box);
  if (address === null) return null;
  const { contact, encrypted = null } = device;
  const ticket = ids.bytes(24).toString("base64url");
  await issueRelay(
    tx,
    { ticket, legId: leg, box, contact, encrypted, ringSeconds: ringTimeoutSeconds },
    clock.nowMs(),
  );
  return { kind: "box", ...address, ticket };
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
