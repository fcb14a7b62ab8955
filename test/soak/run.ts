import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { eventually } from "../peers/waiting.ts";
import { TestWorld } from "../world/world.ts";
import { nodeOptions, Sampler, takeInFlight, type InFlight, type Sample } from "./sample.ts";
import { callMsMax, cycleMs, Traffic } from "./traffic.ts";
import { trendOf, type Measure, type Reading, type Trend } from "./trend.ts";

export interface SoakOptions {
  /** From the first call to the last. */
  trafficMs: number;
  /** Before readings are judged: pools fill and code is compiled; the simulated carrier keeps its last 1,000 calls. */
  warmUpMs: number;
  measures: readonly Measure[];
  /** Told of each sample. */
  progress?: (line: string) => void;
}

export interface SoakResult {
  startedAt: Date;
  endedAt: Date;
  switchVersion: string;
  callsPerSecond: number;
  placed: number;
  legs: number;
  recordings: number;
  webhooks: number;
  billedMinor: number;
  readings: number;
  trends: Trend[];
  /** What is still in flight when the last call is over. */
  leftOver: InFlight;
  /** What the customer asked for and did not get: requests refused, calls that ended otherwise, events not told. */
  troubles: string[];
  /** The last line of `sautikit ledger verify`, which ends with an error where anything is broken. */
  ledger: string;
}

const sampleEveryMs = cycleMs;
/** The last webhook, upload and end-of-leg record after the last call. */
const settleMsMax = 15_000;

/** The whole product under steady calls, in processes of its own; resolves when all of it has ended again. */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const world = await startInspected();
  try {
    return await soak(world, options);
  } finally {
    await world.end();
  }
}

/** All three of its processes take it from ours. */
async function startInspected(): Promise<TestWorld> {
  const { NODE_OPTIONS: before = "" } = process.env;
  process.env["NODE_OPTIONS"] = `${before} ${nodeOptions}`;
  try {
    return await TestWorld.start();
  } finally {
    process.env["NODE_OPTIONS"] = before;
  }
}

async function soak(world: TestWorld, options: SoakOptions): Promise<SoakResult> {
  const sampler = await Sampler.open(world);
  const traffic = new Traffic(world);
  const startedAt = new Date();
  const startedMs = performance.now();
  const samples: { atS: number; sample: Sample }[] = [];
  traffic.start();
  // Half a cycle's step after a call's moment, each time the same one.
  for (let dueMs = sampleEveryMs - 400; dueMs < options.trafficMs; dueMs += sampleEveryMs) {
    await sleep(Math.max(0, startedMs + dueMs - performance.now()));
    const atS = (performance.now() - startedMs) / 1000;
    const sample = await sampler.take();
    samples.push({ atS, sample });
    options.progress?.(lineOf(atS, traffic.placed.length, sample));
  }
  await traffic.stop();
  sampler.close();
  const leftOver = await whatStays(world);

  const judged = samples.filter(({ atS }) => atS * 1000 >= options.warmUpMs);
  const measures = options.measures.filter(({ only = world.switch.kind }) => only === world.switch.kind);
  const trends = measures.map((measure) =>
    trendOf(
      measure,
      judged.map(({ atS, sample }): Reading => ({ atS, value: valueOf(sample, measure) })),
    ),
  );
  return {
    startedAt,
    endedAt: new Date(),
    callsPerSecond: traffic.callsPerSecond,
    placed: traffic.placed.length,
    ...(await countsOf(world)),
    webhooks: world.inbox.told.size,
    readings: judged.length,
    trends,
    leftOver,
    troubles: [...traffic.troubles, ...world.inbox.refused, ...(await whatWentOtherwise(world, traffic))],
    ledger: await verifyLedger(world),
  };
}

function valueOf(sample: Sample, { name }: Measure): number {
  const value = sample[name];
  if (value === undefined) throw new Error(`There is no measure "${name}"`);
  return value;
}

function lineOf(atS: number, placed: number, sample: Sample): string {
  const values = Object.entries(sample).map(([name, value]) => `${name} ${Number(value.toFixed(1))}`);
  return `${atS.toFixed(0)} s, ${placed} calls; ${values.join("; ")}`;
}

/** Waits for nothing to be in flight any more; what is, if that never comes. */
async function whatStays(world: TestWorld): Promise<InFlight> {
  let last: InFlight | undefined;
  const nothing = async () => {
    last = await takeInFlight(world);
    return Object.values(last).every((count) => count === 0) || undefined;
  };
  const withinMs = callMsMax + settleMsMax;
  await eventually("an end of all that is in flight", nothing, { withinMs, everyMs: 200 }).catch(
    () => undefined,
  );
  return last!;
}

type Counts = Pick<SoakResult, "legs" | "recordings" | "billedMinor" | "switchVersion">;

async function countsOf(world: TestWorld): Promise<Counts> {
  const row = await world.store.read((tx) =>
    tx.get<Counts>(
      `SELECT COUNT(*) AS legs, SUM(cost_minor) AS billed_minor,
         (SELECT COUNT(*) FROM recordings WHERE status = 'ready') AS recordings,
         (SELECT MAX(version) FROM boxes) AS switch_version FROM legs`,
    ),
  );
  return row!;
}

/** Each call's end as the customer sees it: its status, its recordings, and what she was told. */
async function whatWentOtherwise(world: TestWorld, traffic: Traffic): Promise<string[]> {
  const { customer, inbox } = world;
  const otherwise: string[] = [];
  const told = new Map<unknown, string[]>();
  for (const { kind, data } of inbox.told.values()) {
    const kinds = told.get(data["call_id"]) ?? [];
    told.set(data["call_id"], [...kinds, kind]);
  }
  for (const { callId, kind } of traffic.placed) {
    const { status, legs, created_at: at, failure_code: code } = await customer.call(callId);
    const recorded = legs.flatMap(({ recording_ids: ids }) => ids).length;
    const kinds = told.get(callId) ?? [];
    const end = kind.ends === "completed" ? "call.completed" : "call.failed";
    const counts = [end, "call.recording.ready"].map(
      (wanted) => kinds.filter((one) => one === wanted).length,
    );
    const seen = [status, recorded, ...counts].join(", ");
    const wanted = [kind.ends, kind.recordings, 1, kind.recordings].join(", ");
    if (seen !== wanted)
      otherwise.push(`${callId} (${kind.name}, ${at}, ${code}): ${seen} instead of ${wanted}`);
  }
  return otherwise;
}

/** As an operator does it. */
async function verifyLedger(world: TestWorld): Promise<string> {
  const sautikit = new URL("../../cli/sautikit.ts", import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [sautikit, "ledger", "verify"], {
    env: { ...process.env, ...world.env },
  });
  return stdout.trim().split("\n").at(-1)!;
}
