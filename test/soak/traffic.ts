import { setTimeout as sleep } from "node:timers/promises";
import type { TestWorld } from "../world/world.ts";
import { nairobi } from "../world/world.ts";

const answers = "+254700000001";
const hangsUpAfter3s = "+254700000103";
const hangsUpAfter10s = "+254700000110";
const ringsForEver = "+254700000180";
const announcesThenAnswers = "+254700000183";
const announcesThenNotAvailable = "+254700000185";
const busy = "+254700000486";
const rejects = "+254700000603";

/** One kind of call, and how it is to end. */
interface Kind {
  name: string;
  to: string;
  body: Record<string, unknown>;
  /** The customer's own hang-up, so long after the request. */
  hangUpAfterMs?: number;
  ends: string;
  recordings: number;
}

/**
 * The customer's day in ten seconds: what is answered lasts 2 to 20 s. It is the same again and again, and sampled at
 * the same moment of it, so that what is in flight then differs by nothing but what stayed behind.
 */
function cycle(promptUrl: string): Kind[] {
  const talk = (seconds: number) => [{ wait: { seconds } }, { hangup: {} }];
  const kind = (name: string, to: string, ends: string, body: Kind["body"] = {}, recordings = 0): Kind => ({
    ...{ name, to, ends, body, recordings },
  });
  return [
    kind("talk for 2 s", answers, "completed", { actions: talk(2) }),
    kind("two joined for 3 s", answers, "completed", { actions: [{ dial: { number: hangsUpAfter3s } }] }),
    kind("busy", busy, "busy"),
    kind(
      "a prompt, recorded",
      answers,
      "completed",
      { record: true, actions: [{ play: { url: promptUrl } }, ...talk(3)] },
      1,
    ),
    kind("rings out", ringsForEver, "no_answer", { ring_timeout_seconds: 5 }),
    kind(
      "two joined for 10 s, both recorded",
      answers,
      "completed",
      { record: true, actions: [{ dial: { number: hangsUpAfter10s, record: true } }] },
      2,
    ),
    { ...kind("hung up by the customer after 6 s", answers, "completed"), hangUpAfterMs: 6_000 },
    kind("rejected", rejects, "failed"),
    kind("dials a busy party", answers, "completed", { actions: [{ dial: { number: busy } }, ...talk(1)] }),
    kind("20 s, recorded", answers, "completed", { record: true, actions: talk(20) }, 1),
    kind("cut off after 10 s", answers, "completed", {
      actions: [{ dial: { number: announcesThenAnswers, maxDuration: 10 } }],
    }),
    kind("an announcement, then not available", announcesThenNotAvailable, "no_answer"),
  ];
}

/** How long one cycle takes. */
export const cycleMs = 10_000;
/** No call of the cycle lasts longer, from its request to its end. */
export const callMsMax = 25_000;

export interface Placed {
  callId: string;
  kind: Kind;
}

/** Steady calls: the cycle over and over, each call at its own moment of it, until it is told to stop. */
export class Traffic {
  readonly placed: Placed[] = [];
  /** Requests that were not answered as they should have been. */
  readonly troubles: string[] = [];
  readonly #world: TestWorld;
  readonly #kinds: Kind[];
  #stopped = false;
  #running: Promise<void> = Promise.resolve();
  readonly #requests = new Set<Promise<void>>();

  constructor(world: TestWorld) {
    this.#world = world;
    this.#kinds = cycle(world.inbox.promptUrl);
  }

  get callsPerSecond(): number {
    return this.#kinds.length / (cycleMs / 1000);
  }

  /** Its first cycle begins now. */
  start(): void {
    this.#running = this.#run(performance.now());
  }

  /** No new call; those that run go on to their ends. Resolves when every request was answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await Promise.all(this.#requests);
  }

  async #run(startedMs: number): Promise<void> {
    const everyMs = cycleMs / this.#kinds.length;
    for (let index = 0; ; index++) {
      await sleep(Math.max(0, startedMs + index * everyMs - performance.now()));
      if (this.#stopped) return;
      const request = this.#place(this.#kinds[index % this.#kinds.length]!, index)
        .catch((error: unknown) => void this.troubles.push(String(error)))
        .finally(() => this.#requests.delete(request));
      this.#requests.add(request);
    }
  }

  async #place(kind: Kind, index: number): Promise<void> {
    const { customer, inbox } = this.#world;
    const answer = await customer.ask("POST", "/v1/calls", {
      body: { from: nairobi, to: kind.to, events_url: inbox.url, ...kind.body },
      headers: { "idempotency-key": `call ${index}` },
    });
    if (answer.status !== 201)
      throw new Error(`${kind.name}: ${answer.status} ${JSON.stringify(answer.body)}`);
    const callId = String(answer.body.id);
    this.placed.push({ callId, kind });
    if (kind.hangUpAfterMs === undefined) return;
    await sleep(kind.hangUpAfterMs);
    await customer.hangUp(callId);
  }
}
