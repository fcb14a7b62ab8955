import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startRealSwitch } from "../../peers/real-switch.ts";
import { startSimulatedSwitchProcess } from "../../peers/simulated-switch-process.ts";
import type { SwitchKind, SwitchUnderTest } from "../../peers/switch-under-test.ts";
import { median, type Row } from "../table.ts";
import { BareLoop } from "./bare-loop.ts";
import { churn, type Churn, type Client } from "./churn.ts";
import { EslProxy, type Passing } from "../../peers/esl-proxy.ts";
import { Product } from "./product.ts";
import { lengthOf, plainPair, scriptOf, shortest, type CallScript } from "./script.ts";
import { startSippCarrier } from "./sipp-carrier.ts";

const inFlight = 25;
/** Bare and product in turn, so many times: what else runs on the machine changes from minute to minute. */
const rounds = 2;
/** Calls looked at, one after the other, to learn what the product sends. */
const callsWatched = 5;
/** What such a call leaves to be done is done by then. */
const watchMs = 600;
/** Some thousand calls are what it takes until all our code is compiled; the bare loop has little. */
const warmUpShare = { bare: 0.1, product: 0.3 } as const;
/** Of what is only for information, and of the check that the baseline is at the switch's limit. */
const sideShare = 0.25;
/** At the limit, twice as many calls in flight are not much faster, and a core given to the switch is busy. */
const gainOfMoreInFlightMax = 1.1;
const coreBusyMin = 90;
/** Nobody else may have the machine, in % of a core; the kernel's sum for all of it is sampled, and so not exact. */
const othersMax = 30;

export interface SetUpOptions {
  kind: SwitchKind;
  /** How long each run of the product and of the bare loop is measured. */
  seconds: number;
  record: boolean;
  /** The switch on one core and all else on the others, where neither takes CPU from the other. */
  apart?: boolean;
}

/**
 * Calls of two legs from `POST /v1/calls` to CDR and outbox, against a loop that sends the switch the same commands and
 * does nothing else.
 */
export async function callSetUp({ kind, seconds, record, apart = false }: SetUpOptions): Promise<Row[]> {
  const carrier = await startSippCarrier();
  try {
    const box = await startSwitch(kind, carrier);
    try {
      const bench = new Bench(box, carrier.child.pid, seconds);
      return apart ? await bench.compareApart(record) : await bench.compare(record);
    } finally {
      await box.stop();
    }
  } finally {
    await carrier.stop();
  }
}

const startSwitch = (kind: SwitchKind, carrier: { host: string; port: number }): Promise<SwitchUnderTest> =>
  kind === "simulator"
    ? startSimulatedSwitchProcess({ carrier })
    : startRealSwitch({
        carrier,
        env: { SESSIONS_PER_SECOND: "1000", FREESWITCH_LOG_LEVEL: "warning" },
      });

interface Pair {
  bare: Churn;
  product: Churn;
}

class Bench {
  readonly #box: SwitchUnderTest;
  readonly #seconds: number;
  readonly #pids: Record<string, number>;

  constructor(box: SwitchUnderTest, carrierPid: number, seconds: number) {
    this.#box = box;
    this.#seconds = seconds;
    this.#pids = { switch: box.child.pid, carrier: carrierPid, harness: process.pid };
  }

  async compare(record: boolean): Promise<Row[]> {
    const { script, share } = await this.#watch(record);
    const side = { seconds: this.#seconds * sideShare };
    const plain = await this.#bare(plainPair(script), side);
    const deeper = await this.#bare(script, { ...side, inFlight: inFlight * 2 });
    const pairs = await this.#pairs(script, record);
    const { kind } = this.#box;
    const gain = deeper.callsPerSecond / of(pairs, ({ bare }) => bare.callsPerSecond);
    const idle =
      gain > gainOfMoreInFlightMax
        ? `the baseline is not at the limit: ${gain.toFixed(2)} × as many calls with ${inFlight * 2} in flight`
        : null;
    const where = `${kind}, recording ${record ? "on" : "off"}`;
    return [
      ...rowsOf({ where, kind, pairs, idle }),
      commandsRow({ where, pairs, plain, deeper, commands: lengthOf(script), seen: share * callsWatched }),
    ];
  }

  async compareApart(record: boolean): Promise<Row[]> {
    const { kind, child } = this.#box;
    const { script } = await this.#watch(record);
    const cores = cpus().length;
    const [switchCores, otherCores] = ["0", `1-${cores - 1}`];
    keepOn(switchCores, child.pid);
    // The carrier too; what this process starts inherits it.
    for (const pid of [process.pid, this.#pids["carrier"]]) keepOn(otherCores, pid);
    try {
      const pairs = await this.#pairs(script, record);
      const busy = Math.min(...pairs.map(({ bare }) => bare.cpuPercent["switch"] ?? 0));
      const idle = busy < coreBusyMin ? `the switch had only ${busy.toFixed(0)} % of its core to do` : null;
      return rowsOf({
        where: `${kind} on a core of its own, recording ${record ? "on" : "off"}`,
        kind,
        pairs,
        idle,
      });
    } finally {
      keepOn(`0-${cores - 1}`, process.pid);
    }
  }

  async #pairs(script: CallScript, record: boolean): Promise<Pair[]> {
    const pairs: Pair[] = [];
    for (let round = 0; round < rounds; round++) {
      pairs.push({ bare: await this.#bare(script), product: await this.#product(record) });
    }
    return pairs;
  }

  /** What the product sends for one call that is alone. */
  async #watch(record: boolean): Promise<{ script: CallScript; share: number }> {
    const proxy = await EslProxy.open(this.#box.esl);
    const passed: Passing[] = [];
    proxy.rule = (passing) => {
      passed.push(passing);
      return "pass";
    };
    const esl = { ...this.#box.esl, port: proxy.port };
    const product = await Product.start({ esl, spoolDir: this.#box.spoolDir });
    try {
      const scripts: CallScript[] = [];
      for (let call = 0; call < callsWatched; call++) {
        passed.length = 0;
        await product.call(record);
        await sleep(watchMs);
        scripts.push(scriptOf(passed));
      }
      return shortest(scripts);
    } finally {
      await product.stop();
      await proxy.close();
    }
  }

  async #bare(script: CallScript, options: { seconds?: number; inFlight?: number } = {}): Promise<Churn> {
    this.#emptySpool();
    const loop = await BareLoop.open(this.#box.esl, script);
    try {
      return await this.#churn(loop, { ...options, warmUpShare: warmUpShare.bare, pids: this.#pids });
    } finally {
      loop.close();
    }
  }

  async #product(record: boolean): Promise<Churn> {
    this.#emptySpool();
    const product = await Product.start(this.#box);
    const client: Client = {
      get ended() {
        return product.ended;
      },
      get failed() {
        return product.failed;
      },
      call: () => product.call(record),
    };
    try {
      const pids = { ...this.#pids, product: product.pid };
      return await this.#churn(client, { warmUpShare: warmUpShare.product, pids });
    } finally {
      await product.stop();
    }
  }

  #churn(
    client: Client,
    more: { pids: Record<string, number>; warmUpShare: number; seconds?: number; inFlight?: number },
  ): Promise<Churn> {
    return churn(client, {
      ...{ inFlight, seconds: this.#seconds, ...more },
      warmUpSeconds: this.#seconds * more.warmUpShare,
    });
  }

  /** Nobody takes away what the bare loop's calls leave there. */
  #emptySpool(): void {
    for (const folder of ["cdr", "recordings"]) {
      const path = join(this.#box.spoolDir, folder);
      for (const name of readdirSync(path)) rmSync(join(path, name));
    }
  }
}

/** All of a process's threads, and those that they start. */
function keepOn(cores: string, pid: number | undefined): void {
  execFileSync("taskset", ["--all-tasks", "--cpu-list", "--pid", cores, String(pid)]);
}

const of = (pairs: readonly Pair[], pick: (pair: Pair) => number) => median(pairs.map(pick));
const cpuMs = (run: Churn, name: string) => ((run.cpuPercent[name] ?? 0) * 10) / run.callsPerSecond;
const perSecond = (rate: number) => `${rate.toFixed(1)} /s`;
const othersPercent = (run: Churn) =>
  Math.max(0, run.machinePercent - Object.values(run.cpuPercent).reduce((sum, percent) => sum + percent, 0));

interface Measured {
  where: string;
  kind: SwitchKind;
  pairs: readonly Pair[];
  /** Why the baseline was not near the switch's limit; null: it was. */
  idle: string | null;
}

function rowsOf({ where, kind, pairs, idle }: Measured): Row[] {
  const bareRate = of(pairs, ({ bare }) => bare.callsPerSecond);
  const productRate = of(pairs, ({ product }) => product.callsPerSecond);
  const ratios = pairs.map(({ bare, product }) => (product.callsPerSecond / bare.callsPerSecond).toFixed(2));
  const failed = pairs.reduce((sum, { bare, product }) => sum + bare.failed + product.failed, 0);
  const p50 = (which: keyof Pair) => of(pairs, (pair) => pair[which].p50Ms).toFixed(0);
  const cpu = (which: keyof Pair, name: string) =>
    `${of(pairs, (pair) => cpuMs(pair[which], name)).toFixed(1)} ms`;
  const machine = (which: keyof Pair) =>
    `${of(pairs, (pair) => pair[which].machinePercent / cpus().length).toFixed(0)} %`;
  const others = Math.max(
    ...pairs.flatMap(({ bare, product }) => [othersPercent(bare), othersPercent(product)]),
  );
  const aimed = kind === "freeswitch";
  const disturbed = others > othersMax ? `others took ${others.toFixed(0)} % of a core` : null;
  const invalid = aimed ? (disturbed ?? idle) : null;
  return [
    {
      what: `calls set up and torn down (${where})`,
      ours: perSecond(productRate),
      against: perSecond(bareRate),
      ratio: productRate / bareRate,
      aim: aimed ? { atLeast: 0.9 } : null,
      invalid,
      note: [
        `pairs of runs: ${ratios.join(", ")}`,
        `p50 ${p50("product")} against ${p50("bare")} ms`,
        `machine busy: ${machine("product")} against ${machine("bare")}`,
        ...(failed > 0 ? [`${failed} calls not joined`] : []),
      ].join("; "),
    },
    {
      what: `our CPU a call against the switch's (${where})`,
      ours: cpu("product", "product"),
      against: cpu("product", "switch"),
      ratio: of(pairs, ({ product }) => cpuMs(product, "product") / cpuMs(product, "switch")),
      aim: aimed ? { atMost: 0.25 } : null,
      invalid,
      note: [
        `customer ${cpu("product", "harness")}, carrier ${cpu("product", "carrier")}`,
        `with the bare loop: switch ${cpu("bare", "switch")}, loop ${cpu("bare", "harness")}, carrier ${cpu("bare", "carrier")}`,
      ].join("; "),
    },
  ];
}

interface CommandsMeasured {
  where: string;
  pairs: readonly Pair[];
  /** Three commands a call, for information. */
  plain: Churn;
  /** The bare loop with twice as many in flight. */
  deeper: Churn;
  /** How many a call has, and how many of the calls watched had just these. */
  commands: number;
  seen: number;
}

function commandsRow({ where, pairs, plain, deeper, commands, seen }: CommandsMeasured): Row {
  const bareRate = of(pairs, ({ bare }) => bare.callsPerSecond);
  return {
    what: `bare loop with our ${commands} commands against one with 3 (${where})`,
    ours: perSecond(bareRate),
    against: perSecond(plain.callsPerSecond),
    ratio: bareRate / plain.callsPerSecond,
    aim: null,
    note: [
      `3: the least that joins two legs, ${cpuMs(plain, "switch").toFixed(1)} ms of the switch's CPU`,
      `ours with ${inFlight * 2} in flight: ${perSecond(deeper.callsPerSecond)}`,
      `${seen.toFixed(0)} of ${callsWatched} calls had these commands`,
    ].join("; "),
  };
}
