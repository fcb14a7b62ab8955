import { setTimeout as sleep } from "node:timers/promises";
import { cpuSeconds, machineCpuSeconds } from "../cpu.ts";

/** A call that hangs must not hold up the end. */
const drainMsMax = 20_000;

export interface Client {
  /** Calls over so far, and those of them that were not joined. */
  readonly ended: number;
  readonly failed: number;
  call(): Promise<void>;
}

export interface Churn {
  callsPerSecond: number;
  failed: number;
  /** Of a call, from being placed to being over and stored. */
  p50Ms: number;
  p99Ms: number;
  /** CPU seconds of each process named, per second of the run, in % of one core. */
  cpuPercent: Record<string, number>;
  /** The whole machine's, same unit; what the named ones leave is ours or somebody else's. */
  machinePercent: number;
}

export interface ChurnOptions {
  /** So many calls are under way at any moment. */
  inFlight: number;
  /** CPU is counted of these, each by its pid. */
  pids: Record<string, number>;
  warmUpSeconds: number;
  seconds: number;
}

/** A closed loop: as one call is over the next is placed, for so many seconds after a warm-up. */
export async function churn(client: Client, options: ChurnOptions): Promise<Churn> {
  const { inFlight, pids, warmUpSeconds, seconds } = options;
  let going = true;
  let measuring = false;
  const tookMs: number[] = [];
  const lanes = Array.from({ length: inFlight }, async () => {
    while (going) {
      const startedMs = performance.now();
      await client.call();
      if (measuring) tookMs.push(performance.now() - startedMs);
    }
  });
  const failure = Promise.all(lanes);
  failure.catch(() => undefined);
  const during = async (ms: number) => {
    await Promise.race([sleep(ms), failure]);
  };
  try {
    await during(warmUpSeconds * 1000);
    measuring = true;
    const before = snapshot(client, pids);
    await during(seconds * 1000);
    const after = snapshot(client, pids);
    measuring = false;
    const took = (after.atMs - before.atMs) / 1000;
    const percent = (cpu: number) => (cpu / took) * 100;
    tookMs.sort((a, b) => a - b);
    return {
      callsPerSecond: (after.ended - before.ended) / took,
      failed: after.failed - before.failed,
      p50Ms: tookMs[Math.floor(tookMs.length * 0.5)] ?? NaN,
      p99Ms: tookMs[Math.floor(tookMs.length * 0.99)] ?? NaN,
      cpuPercent: Object.fromEntries(
        Object.keys(pids).map((name) => [name, percent((after.cpu[name] ?? 0) - (before.cpu[name] ?? 0))]),
      ),
      machinePercent: percent(after.machine - before.machine),
    };
  } finally {
    going = false;
    await Promise.race([failure, sleep(drainMsMax, undefined, { ref: false })]);
  }
}

function snapshot(client: Client, pids: Record<string, number>) {
  const cpu = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds(pid)]));
  const { ended, failed } = client;
  return { atMs: performance.now(), ended, failed, cpu, machine: machineCpuSeconds() };
}
