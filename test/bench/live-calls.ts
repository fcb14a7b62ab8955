import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../peers/free-ports.ts";
import { startSimulatedSwitchProcess } from "../peers/simulated-switch-process.ts";
import { eventually } from "../peers/waiting.ts";
import { Product } from "./calls/product.ts";
import { startSippCarrier } from "./calls/sipp-carrier.ts";
import { cpuSeconds } from "./cpu.ts";
import { Inspector, type Held } from "./inspector.ts";
import type { Row } from "./table.ts";

const otieno = "+254700000002";
/** So many are placed, and ended, first: code and caches are there before anything is counted. */
const warmUpCalls = 100;
const steps = [100, 1000] as const;
const placedAtOnce = 4;
const settleMs = 3_000;
/** Longer than anybody's telephone rings. */
const settledMsMax = 120_000;
const bytesPerCallMax = 20 * 1024;

interface Step {
  calls: number;
  held: Held;
  cpuPercent: number;
}

/** What a live call costs the controller while nothing happens to it, with 100 of them and with 1,000. */
export async function liveCalls(secondsEach: number): Promise<Row[]> {
  const carrier = await startSippCarrier();
  const box = await startSimulatedSwitchProcess({ carrier });
  const inspectorPort = await freePort();
  const product = await Product.start(box, { NODE_OPTIONS: `--inspect=127.0.0.1:${inspectorPort}` });
  const inspector = await Inspector.open(inspectorPort);
  try {
    await Promise.all(
      Array.from({ length: placedAtOnce }, async () => {
        for (let n = 0; n < warmUpCalls / placedAtOnce; n++) await product.call(false);
      }),
    );
    const none = await measure(product, inspector, 0, secondsEach);
    const live: Step[] = [];
    for (const calls of steps) {
      await placeUpTo(product, calls);
      live.push(await measure(product, inspector, calls, secondsEach));
    }
    return rowsOf(none, live);
  } finally {
    inspector.close();
    await product.stop();
    await box.stop();
    await carrier.stop();
  }
}

/** Places calls until so many are live; on a busy machine one may not be answered in time. */
async function placeUpTo(product: Product, calls: number): Promise<void> {
  while (product.live < calls) {
    let left = calls - product.live;
    const settled = product.live + product.unanswered + left;
    await Promise.all(
      Array.from({ length: placedAtOnce }, async () => {
        while (left-- > 0) await product.place(otieno, { max_duration_seconds: 3600 });
      }),
    );
    await eventually(
      `${calls} live calls`,
      () => (product.live + product.unanswered >= settled ? true : undefined),
      { withinMs: settledMsMax },
    );
  }
}

async function measure(
  product: Product,
  inspector: Inspector,
  calls: number,
  seconds: number,
): Promise<Step> {
  await sleep(settleMs);
  const before = cpuSeconds(product.pid);
  await sleep(seconds * 1000);
  const cpuPercent = ((cpuSeconds(product.pid) - before) / seconds) * 100;
  return { calls, held: await inspector.held(), cpuPercent };
}

function rowsOf(none: Step, [few, many]: Step[]): Row[] {
  if (!few || !many) throw new Error("not measured");
  const bytes = (step: Step) => step.held.heap + step.held.external;
  const perCall = (from: Step, to: Step) => (bytes(to) - bytes(from)) / (to.calls - from.calls);
  const kib = (count: number) => `${(count / 1024).toFixed(1)} KiB`;
  const mib = (count: number) => `${(count / 1024 ** 2).toFixed(0)} MiB`;
  const cpu = (step: Step) => `${step.cpuPercent.toFixed(1)} %`;
  return [
    {
      what: "memory of a live call, of 1,000, against 20 KiB",
      ours: kib(perCall(few, many)),
      against: kib(bytesPerCallMax),
      ratio: perCall(few, many) / bytesPerCallMax,
      aim: { atMost: 1 },
      note: `heap and buffers; resident: ${[none, few, many].map(({ held }) => mib(held.resident)).join(", ")} with 0, 100, 1,000`,
    },
    {
      what: "CPU with 1,000 live calls, of one core, against none",
      ours: cpu(many),
      against: cpu(none),
      ratio: many.cpuPercent / Math.max(none.cpuPercent, 0.1),
      aim: null,
      note: `with 100: ${cpu(few)}`,
    },
  ];
}
