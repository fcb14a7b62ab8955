import { isIPv4 } from "node:net";
import type { Clock } from "../clock.ts";
import type { Ids, LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import type { Switch } from "../switch/switch.ts";
import { ForkPort } from "./fork-port.ts";
import { StreamEnd } from "./stream-end.ts";

/** The switch's first frame comes within 60 ms. */
const firstFrameMsMax = 1_000;
/** A port of the box that somebody else has is told to nobody: another one is tried. */
const triesMax = 3;

/** The boxes' ports, one after another from anywhere: so that one that was just given up is not taken again at once. */
export class ForkPorts {
  readonly #first: number;
  readonly #count: number;
  #next: number;

  constructor({ first, last }: { first: number; last: number }, ids: Ids) {
    this.#first = first;
    this.#count = last - first + 1;
    this.#next = Math.floor(ids.fraction() * this.#count);
  }

  next(): number {
    this.#next = (this.#next + 1) % this.#count;
    return this.#first + this.#next;
  }
}

interface Asked {
  box: Switch;
  leg: LegId;
  ports: ForkPorts;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

/** Has the switch send us what the leg says; resolves when it does. Throws StreamEnd. */
export async function openFork(asked: Asked): Promise<ForkPort> {
  const { box, leg, ports, signal } = asked;
  // Between the addresses that the event connection has: those two reach each other.
  const { ends } = box;
  if (!ends || !isIPv4(ends.ours) || !isIPv4(ends.its)) throw new StreamEnd("media_failed");
  for (let tries = 1; tries <= triesMax; tries++) {
    // Whether or not the one before has come about: a park has one fork in its life.
    if (tries > 1) await endFork(asked);
    const its = { host: ends.its, port: ports.next() };
    const port = await ForkPort.open(ends.ours, its);
    const ours = { host: ends.ours, port: port.port };
    const isThere = await attempt(() => box.forkMedia(leg, { its, ours }), asked);
    if (isThere !== false && (await came(port, asked))) return port;
    port.close();
    if (isThere === false) throw new StreamEnd("hangup");
    if (signal.aborted) throw signal.reason as StreamEnd;
  }
  throw new StreamEnd("media_failed");
}

/** Whatever hears the leg does so no longer. Throws StreamEnd where the leg is gone. */
export async function endFork(asked: Pick<Asked, "box" | "leg" | "log">): Promise<void> {
  if ((await attempt(() => asked.box.endFork(asked.leg), asked)) === false) throw new StreamEnd("hangup");
}

/** False: no such channel. Null: it failed, and whether it was done all the same is seen by what comes. */
async function attempt(
  command: () => Promise<boolean>,
  { log, leg }: Pick<Asked, "leg" | "log">,
): Promise<boolean | null> {
  try {
    return await command();
  } catch (error) {
    log.warn({ err: error, leg }, "the switch was asked for a stream's audio in vain");
    return null;
  }
}

async function came(port: ForkPort, { clock, signal }: Asked): Promise<boolean> {
  const waiting = new AbortController();
  const stop = () => waiting.abort();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    const inTime = clock.sleep(firstFrameMsMax, waiting.signal).then(
      () => false,
      () => false,
    );
    return await Promise.race([port.first.then(() => true), inTime]);
  } finally {
    signal.removeEventListener("abort", stop);
    waiting.abort();
  }
}
