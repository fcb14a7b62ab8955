import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ReadTx } from "../../engine/store/store.ts";
import type { Child } from "../peers/child.ts";
import { cpuSeconds } from "../bench/cpu.ts";
import { Inspector } from "../bench/inspector.ts";
import type { TestWorld } from "../world/world.ts";

const mebibyte = 1024 ** 2;

const timeoutClass = "globalThis.soakedTimeout";
/**
 * What the processes are started with, to be looked into. Node does not export the class of its timers, and a timer made
 * through the inspector, perhaps amidst Node's own work on its list of timers, would spoil that list.
 */
export const nodeOptions = `--inspect=127.0.0.1:0 --import=data:text/javascript,${timeoutClass}=setTimeout(Object).constructor`;

/** What one look at the running product shows, by the measure's name. */
export type Sample = Record<string, number>;

/** How many rows and files there are of what is not over. */
export interface InFlight {
  calls: number;
  legs: number;
  intents: number;
  deliveries: number;
  recordings: number;
  spoolFiles: number;
}

interface Inspectors {
  ours: Inspector;
  carrier: Inspector;
  /** FreeSWITCH has none. */
  theirs?: Inspector;
}

/** Node says where on standard error. */
function inspect(process_: Child): Promise<Inspector> {
  const [, port] = /^Debugger listening on ws:\/\/127\.0\.0\.1:(\d+)\//m.exec(process_.output()) ?? [];
  if (port === undefined) throw new Error(`No inspector: ${process_.output()}`);
  return Inspector.open(Number(port));
}

/** Looks at the product's processes from outside, and at what it stored. */
export class Sampler {
  readonly #world: TestWorld;
  readonly #inspectors: Inspectors;
  #cpu: { atMs: number; ours: number; theirs: number };

  private constructor(world: TestWorld, inspectors: Inspectors, cpu: { ours: number; theirs: number }) {
    this.#world = world;
    this.#inspectors = inspectors;
    this.#cpu = { ...cpu, atMs: performance.now() };
  }

  /** The world was started with `nodeOptions`. */
  static async open(world: TestWorld): Promise<Sampler> {
    const [inspectorOfOurs, inspectorOfCarrier] = await Promise.all([
      inspect(world.sautikit),
      inspect(world.carrier.child),
    ]);
    const inspectors: Inspectors = { ours: inspectorOfOurs, carrier: inspectorOfCarrier };
    if (world.switch.kind === "simulator") inspectors.theirs = await inspect(world.switch.child);
    const [ours, theirs] = await Promise.all([world.sautikit.pid, world.switch.child.pid].map(readProcess));
    return new Sampler(world, inspectors, { ours: ours!.cpuMs, theirs: theirs!.cpuMs });
  }

  close(): void {
    for (const inspector of Object.values(this.#inspectors)) inspector.close();
  }

  async take(): Promise<Sample> {
    const inFlight = await takeInFlight(this.#world);
    const metrics = await readMetrics(this.#world);
    const processes = [this.#world.sautikit, this.#world.switch.child, this.#world.carrier.child];
    const [ours, theirs, carriers] = await Promise.all(processes.map(({ pid }) => readProcess(pid)));
    const now = { atMs: performance.now(), ours: ours!.cpuMs, theirs: theirs!.cpuMs };
    const last = this.#cpu;
    const passedS = (now.atMs - last.atMs) / 1000;
    this.#cpu = now;
    const inspectors = this.#inspectors;
    const { heap, external } = await inspectors.ours.held();
    const timers = await inspectors.ours.count(timeoutClass);
    const carrierHeld = await inspectors.carrier.held();
    const theirsHeld = await inspectors.theirs?.held();
    return {
      "sautikit: live heap": heap / mebibyte,
      "sautikit: buffers": external / mebibyte,
      "sautikit: resident memory": ours!.residentMib,
      "sautikit: descriptors": ours!.descriptors,
      "sautikit: threads": ours!.threads,
      "sautikit: timers": timers,
      "sautikit: handles": metrics("nodejs_active_handles_total"),
      "sautikit: CPU, ms a second": (now.ours - last.ours) / passedS,
      "store: live calls": inFlight.calls,
      "store: live legs": inFlight.legs,
      "store: intents": inFlight.intents,
      "store: deliveries to make": inFlight.deliveries,
      "store: recordings to store": inFlight.recordings,
      "spool: files": inFlight.spoolFiles,
      ...(theirsHeld ? { "switch: live heap": theirsHeld.heap / mebibyte } : {}),
      "switch: resident memory": theirs!.residentMib,
      "switch: descriptors": theirs!.descriptors,
      "switch: threads": theirs!.threads,
      "switch: CPU, ms a second": (now.theirs - last.theirs) / passedS,
      "carrier: live heap": carrierHeld.heap / mebibyte,
      "carrier: resident memory": carriers!.residentMib,
      "carrier: descriptors": carriers!.descriptors,
      "carrier: threads": carriers!.threads,
    };
  }
}

export async function takeInFlight(world: TestWorld): Promise<InFlight> {
  const rows = await world.store.read(rowsInFlight);
  const folders = ["recordings", "cdr"].map((name) => join(world.switch.spoolDir, name));
  const files = await Promise.all(folders.map((folder) => readdir(folder, { recursive: true })));
  return { ...rows, spoolFiles: files.flat().length };
}

async function rowsInFlight(tx: ReadTx): Promise<Omit<InFlight, "spoolFiles">> {
  const counts = {
    calls: "calls WHERE ended_at_us IS NULL",
    legs: "legs WHERE ended_at_us IS NULL",
    intents: "intents",
    deliveries: "deliveries WHERE next_attempt_at_ms IS NOT NULL",
    recordings: "recordings WHERE status IN ('starting', 'recording', 'paused', 'stopping', 'uploading')",
  };
  const columns = Object.entries(counts).map(([name, from]) => `(SELECT COUNT(*) FROM ${from}) AS ${name}`);
  const row = await tx.get<Omit<InFlight, "spoolFiles">>(`SELECT ${columns.join(", ")}`);
  return row!;
}

/** What the kernel knows of a process. */
async function readProcess(pid: number) {
  const [status, descriptors] = await Promise.all([
    readFile(`/proc/${pid}/status`, "utf8"),
    readdir(`/proc/${pid}/fd`),
  ]);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return {
    residentMib: field("VmRSS") / 1024,
    threads: field("Threads"),
    descriptors: descriptors.length,
    cpuMs: cpuSeconds(pid) * 1000,
  };
}

/** A figure of /metrics that has no labels. */
async function readMetrics(world: TestWorld): Promise<(name: string) => number> {
  const response = await fetch(`${world.customer.baseUrl}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const lines = (await response.text()).split("\n");
  return (name) => {
    const line = lines.find((text) => text.startsWith(`${name} `));
    if (line === undefined) throw new Error(`/metrics has no ${name}`);
    return Number(line.split(" ").at(-1));
  };
}
