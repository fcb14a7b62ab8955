import { chance, type Chance } from "../../calls/troubled-box.ts";

/** What will be done, all of it drawn from the seed before anything is. Times in ms since the run's start. */
export interface Plan {
  seed: number;
  trafficMs: number;
  calls: PlannedCall[];
  faults: PlannedFault[];
}

export interface PlannedCall {
  atMs: number;
  to: string | string[];
  /** Of the request, but for what only the world knows: `play` stands for its prompt. */
  body: Record<string, unknown>;
  play: boolean;
  /** What the customer does with it, after the request was answered. */
  recordings: { afterMs: number; state: "on" | "off" | "paused" }[];
  hangUpAfterMs: number;
}

export const faultKinds = ["controller", "spool", "carrier", "switch"] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface PlannedFault {
  atMs: number;
  kind: FaultKind;
  /** From its end to the start of the next one. */
  downMs: number;
}

const callsPerSecond = 1.2;
const faultEveryMs = 6_000;
/** Kinds, as often as they come; one of each is first. */
const mostlyControllers: readonly FaultKind[] = [
  ...["controller", "controller", "controller", "controller", "controller"],
  ...["spool", "spool", "carrier", "switch"],
] as FaultKind[];

export function planOf(seed: number, trafficMs: number): Plan {
  // Apart, so that a longer run begins as a shorter one does.
  return {
    ...{ seed, trafficMs },
    calls: calls(chance(seed), trafficMs),
    faults: faults(chance(seed + 1), trafficMs),
  };
}

function calls(draw: Chance, trafficMs: number): PlannedCall[] {
  const planned: PlannedCall[] = [];
  for (let atMs = 0; ; atMs += (draw() * 2_000) / callsPerSecond) {
    if (atMs >= trafficMs) return planned;
    planned.push(oneCall(draw, Math.round(atMs), planned.length));
  }
}

function faults(draw: Chance, trafficMs: number): PlannedFault[] {
  const planned: PlannedFault[] = [];
  const first = [...faultKinds].sort(() => draw() - 0.5);
  let atMs = 3_000;
  for (;;) {
    // What dies so late has no traffic left to spoil.
    if (atMs >= trafficMs - 1_000) return planned;
    const kind = first.shift() ?? pick(draw, mostlyControllers);
    planned.push({ atMs: Math.round(atMs), kind, downMs: Math.round(draw() * 3_000) });
    atMs += first.length > 0 ? 2_000 + draw() * 3_000 : faultEveryMs * (0.5 + draw());
  }
}

const answers = ["+254700000001", "+254700000002", "+254700000005", "+254700000006"];
const hangUp3s = "+254700000103";
const hangUp10s = "+254700000110";
const ringsForEver = "+254700000180";
const announces = ["+254700000183", "+254700000185"];
const refuses = ["404", "480", "486", "503", "603"].map((status) => `+254700000${status}`);

function oneCall(draw: Chance, atMs: number, index: number): PlannedCall {
  const call: PlannedCall = {
    ...{ atMs, to: pick(draw, answers), body: {}, play: false, recordings: [] },
    hangUpAfterMs: Math.round(500 + draw() * 11_500),
  };
  const own = ownNumber(index, 1);
  const recorded = draw();
  if (recorded < 0.4) call.body["record"] = true;
  else if (recorded < 0.5) call.body["record"] = "from-ringing";
  const kind = draw();
  // Half of the phones are nobody else's, so that a second ring is seen at once.
  if (kind < 0.25) return { ...call, to: own };
  if (kind < 0.3) return call;
  if (kind < 0.35) {
    const body = recorded < 0.4 ? { record: true } : {};
    return { ...call, to: several(draw, own), body };
  }
  if (kind < 0.45) return { ...call, to: pick(draw, [hangUp3s, hangUp10s]) };
  if (kind < 0.53) return { ...call, to: pick(draw, refuses) };
  if (kind < 0.57) return { ...call, to: ringsForEver, body: { ...call.body, ring_timeout_seconds: 5 } };
  if (kind < 0.61) return { ...call, to: pick(draw, announces) };
  if (kind < 0.66)
    return { ...call, body: { ...call.body, max_duration_seconds: 10 }, hangUpAfterMs: 14_000 };
  if (kind < 0.72)
    return { ...call, play: true, body: { ...call.body, actions: [{ wait: { seconds: 2 } }] } };
  if (kind < 0.8) return toggled(draw, call);
  const callee = pick(draw, [
    ownNumber(index, 2),
    ownNumber(index, 2),
    hangUp3s,
    pick(draw, refuses),
    announces[0]!,
  ]);
  const whom = draw() < 0.3 ? { numbers: several(draw, callee) } : { number: callee };
  const dial = { ...whom, timeout: 8, record: draw() < 0.5 };
  const then = draw() < 0.5 ? { wait: { seconds: 1 } } : { hangup: {} };
  return { ...call, to: own, body: { ...call.body, actions: [{ dial }, then] } };
}

/** Beside it up to three that answer in the same instant, refuse, or ring on. */
function several(draw: Chance, number: string): string[] {
  const others = Array.from({ length: 3 }, () =>
    pick(draw, [...answers, ...answers, pick(draw, refuses), ringsForEver]),
  );
  return [...new Set([number, ...others])].sort(() => draw() - 0.5);
}

/** Recorded in pieces, one of them silent in its middle. */
function toggled(draw: Chance, call: PlannedCall): PlannedCall {
  const step = () => 300 + draw() * 1_200;
  let afterMs = 0;
  const recordings = (["on", "paused", "on", "off", "on"] as const).map((state) => ({
    afterMs: Math.round((afterMs += step())),
    state,
  }));
  return { ...call, body: {}, recordings, hangUpAfterMs: Math.round(afterMs + step()) };
}

/** `+25471…` rings for a second and then answers. */
const ownNumber = (index: number, party: 1 | 2) => `+2547${party}${String(1_000_000 + index)}`;

const pick = <T>(draw: Chance, of: readonly T[]): T => of[Math.floor(draw() * of.length)]!;
