import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { chance } from "../../calls/troubled-box.ts";
import { eventIn } from "../../peers/esl-proxy.ts";
import { eventually } from "../../peers/waiting.ts";
import type { Failpoint } from "./failpoints.ts";
import type { Fault, StorageFault } from "./plan.ts";
import type { Surroundings } from "./surroundings.ts";

/** What was done to whom, by name. */
export interface Tally {
  faults: Record<string, number>;
  /** `kill -9` there. */
  killedAt: Record<string, number>;
  /** It did not come there in time, so that it was killed at whatever it was doing. */
  notReached: Record<string, number>;
}

/** A process that does not come to its failpoint within this is killed where it is. */
const reachMsMax = 2_500;
/** A process that was started has so long to do something before the next fault is its own. */
const breathMs = 400;

/** Does to the surroundings what the plans say. What is done to one part is done one after another. */
export class Disturbance {
  readonly tally: Tally = { faults: {}, killedAt: {}, notReached: {} };
  readonly #around: Surroundings;
  readonly #progress: (line: string) => void;
  readonly #turns = new Map<string, Promise<unknown>>();
  #waiting = 0;

  constructor(around: Surroundings, progress: (line: string) => void) {
    this.#around = around;
    this.#progress = progress;
  }

  /** Faults that wait for their turn, or are going on. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Resolves when it is over, and what it took away is back. `armed`: its failpoint is set. */
  async run(fault: Fault, seed: number, armed: () => void): Promise<void> {
    const part = partOf(fault);
    const turn = (this.#turns.get(part) ?? Promise.resolve()).then(async () => {
      this.#progress(`seed ${seed}: ${JSON.stringify(fault)}`);
      this.tally.faults[fault.kind] = (this.tally.faults[fault.kind] ?? 0) + 1;
      await this.#do(fault, seed, armed).finally(armed);
    });
    this.#turns.set(
      part,
      turn.catch(() => undefined),
    );
    this.#waiting++;
    try {
      await turn;
    } finally {
      this.#waiting--;
    }
  }

  #do(fault: Fault, seed: number, armed: () => void): Promise<void> {
    const { world, esl, book } = this.#around;
    switch (fault.kind) {
      case "controller killed":
        return this.#kill("controller", fault, armed);
      case "spool killed":
        return this.#kill("spool", fault, armed);
      case "carrier killed":
        return this.#killPeer(
          () => world.killCarrier(),
          fault.downMs,
          () => world.startCarrier(),
        );
      case "switch killed":
        return this.#killPeer(
          () => world.killSwitch(),
          fault.downMs,
          () => world.startSwitch(),
        );
      case "controller stopped":
        return stopped(world.sautikit, fault.forMs);
      case "switch stopped":
        return stopped(world.switch.child, fault.forMs);
      case "events spoilt":
        return this.#spoilEvents(fault, seed);
      case "event socket silent":
        return this.#silence(fault.forMs);
      case "event socket reset":
        esl.cut();
        return sleep(breathMs);
      case "storage spoilt":
        return this.#spoilStorage(fault.how, fault.forMs);
      case "clock stepped":
        return this.#stepClock(fault.byMs, fault.forMs);
      case "database locked":
        return this.#lock(fault.forMs);
      case "M-Pesa spoilt":
        book.spoilt.push(fault.how);
        return Promise.resolve();
    }
  }

  async #kill(
    who: "controller" | "spool",
    { at, skip }: { at: Failpoint | null; skip: number },
    armed: () => void,
  ): Promise<void> {
    const { world } = this.#around;
    const process = who === "controller" ? world.sautikit : this.#around.spool;
    if (at !== null) {
      await this.#around.order(who, { do: "arm", failpoint: at, skip }).catch(() => undefined);
      armed();
      await Promise.race([process.exited(), sleep(reachMsMax)]);
      const tally = process.running ? this.tally.notReached : this.tally.killedAt;
      tally[at] = (tally[at] ?? 0) + 1;
    }
    if (who === "controller") {
      await world.killSautikit();
      await world.startSautikit();
    } else {
      process.kill("SIGKILL");
      await process.exited();
      await this.#around.startSpool();
    }
    await sleep(breathMs);
  }

  async #killPeer(kill: () => Promise<void>, downMs: number, start: () => Promise<void>): Promise<void> {
    await kill();
    await sleep(downMs);
    await start();
    await sleep(breathMs);
  }

  async #spoilEvents(
    { forMs, lost, doubled, late }: Extract<Fault, { kind: "events spoilt" }>,
    seed: number,
  ) {
    const { esl } = this.#around;
    const draw = chance(seed);
    esl.rule = (passing) => {
      if (eventIn(passing) === null) return "pass";
      if (draw() < lost) return "drop";
      if (draw() < doubled) return "twice";
      return draw() < late ? "late" : "pass";
    };
    await sleep(forMs);
    esl.rule = () => "pass";
  }

  /** As where a cable is pulled. */
  async #silence(forMs: number): Promise<void> {
    const { esl } = this.#around;
    esl.rule = () => "drop";
    await sleep(forMs);
    esl.cut();
    esl.rule = () => "pass";
    await sleep(breathMs);
  }

  async #spoilStorage(how: StorageFault, forMs: number): Promise<void> {
    const { storage } = this.#around;
    if (how === "down") await storage.down();
    else if (how === "other bytes") storage.meddle = otherBytes;
    else storage.refuse = { refuses, hangs, "keeps nothing": keepsNothing }[how];
    await sleep(forMs);
    storage.refuse = () => false;
    storage.meddle = () => false;
    if (how === "down") await storage.up();
  }

  /** Of the process that leads calls, wherever else the time is right. */
  async #stepClock(byMs: number, forMs: number): Promise<void> {
    const step = (by: number) =>
      this.#around.order("controller", { do: "step", byMs: by }).catch(() => undefined);
    await step(byMs);
    await sleep(forMs);
    await step(0);
  }

  async #lock(forMs: number): Promise<void> {
    const { world } = this.#around;
    const fromMs = Date.now();
    const free = await eventually("the lock", () => world.lockDatabase(), { everyMs: 20 });
    await sleep(forMs);
    await free();
    world.auditor.databaseLocked({ fromMs, toMs: Date.now() });
  }
}

const partOf = ({ kind }: Fault): string => {
  if (kind.startsWith("event")) return "event socket";
  return kind === "clock stepped" ? "controller" : (kind.split(" ")[0] ?? kind);
};

async function stopped(process: { kill(signal: NodeJS.Signals): void; running: boolean }, forMs: number) {
  process.kill("SIGSTOP");
  await sleep(forMs);
  process.kill("SIGCONT");
  await sleep(breathMs);
}

function refuses(asked: IncomingMessage, reply: ServerResponse): true {
  asked.resume();
  asked.on("end", () => {
    reply.writeHead(503, { "Content-Type": "application/xml" });
    reply.end(asked.method === "HEAD" ? "" : "<Error><Code>SlowDown</Code></Error>");
  });
  return true;
}

function hangs(asked: IncomingMessage): true {
  asked.resume();
  return true;
}

function keepsNothing(asked: IncomingMessage, reply: ServerResponse): boolean {
  if (asked.method !== "PUT") return false;
  asked.resume();
  asked.on("end", () => reply.writeHead(200, { ETag: '"yes"' }).end());
  return true;
}

/** What is read is not what was written. */
function otherBytes(asked: IncomingMessage, answer: IncomingMessage, reply: ServerResponse): boolean {
  delete answer.headers["x-amz-checksum-sha256"];
  if (asked.method !== "GET") return false;
  reply.writeHead(200, answer.headers);
  answer.on("data", (bytes: Buffer) => reply.write(bytes.map((byte) => byte ^ 1)));
  answer.on("end", () => reply.end());
  return true;
}
