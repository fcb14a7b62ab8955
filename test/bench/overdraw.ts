import { updateWorkspace } from "../../engine/store/workspaces.ts";
import { available } from "../../engine/wallet/wallet.ts";
import type { SwitchKind } from "../peers/switch-under-test.ts";
import { world, type World } from "../calls/world.ts";
import type { Row } from "./table.ts";

const talksOn = "+254700000001";
/** At KES 3.00 a minute. */
const centsPerSecond = 5;
/** DESIGN.md: the sum of the rates of the talking legs, for two seconds and the time to re-arm. */
const secondsAllowed = 2;
const talkSeconds = 5;

/**
 * By how much a workspace that hangs up when its money ends goes below zero: with one leg, and with fifty that talk at
 * once, whose deadlines move with each that is answered. In seconds of all of its legs, the worst of the rounds.
 */
export async function overdraw(switchKind: SwitchKind): Promise<Row[]> {
  const on = await world({ switchKind });
  try {
    return [await row(on, { legs: 1, rounds: 12 }), await row(on, { legs: 50, rounds: 3 })];
  } finally {
    await on.end();
  }
}

interface Plan {
  legs: number;
  rounds: number;
}

async function row(on: World, { legs, rounds }: Plan): Promise<Row> {
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round++) {
    seconds.push(await overdrawn(on, legs, `+254200${String(100 * legs + round).padStart(6, "0")}`));
    // At another fraction of a second each time: the switch's scheduler counts whole ones.
    await on.clock.sleep(170);
  }
  const worst = Math.max(...seconds);
  return {
    what: `overdraw of ${legs} ${legs === 1 ? "leg" : "legs"}`,
    ours: `${worst.toFixed(2)} s`,
    against: `${secondsAllowed} s allowed`,
    ratio: worst / secondsAllowed,
    aim: { atMost: 1 },
    note: `the worst of ${rounds}`,
  };
}

async function overdrawn(on: World, legs: number, e164: string): Promise<number> {
  const cents = legs * talkSeconds * centsPerSecond;
  const workspaceId = await on.workspace(e164, cents);
  await on.store.write((tx) => updateWorkspace(tx, workspaceId, { onZeroBalance: "hangup" }));
  const calls = await Promise.all(
    Array.from({ length: legs }, () => on.place({ to: talksOn }, { workspaceId, e164 })),
  );
  for (const id of calls) await on.ended(id, 40_000);
  const { balanceMinor } = await on.store.read((tx) => available(tx, workspaceId, on.clock.nowUs()));
  return Math.max(0, -balanceMinor) / (legs * centsPerSecond);
}
