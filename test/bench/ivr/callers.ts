import { systemClock } from "../../../engine/clock.ts";
import { createSipAgent } from "../../../engine/simulator/sip/agent.ts";
import type { IncomingSipCall, SipAgent } from "../../../engine/simulator/sip/call.ts";
import type { MediaSession } from "../../../engine/simulator/media/session.ts";

/** Two slots of 20 ms: as short as a key is pressed. */
const pace = { toneSlots: 2, pauseSlots: 3 };
/** No packet for so long: the prompt is over. */
const overMs = 200;
const lookEveryMs = 20;
/** Between the end of a prompt and the key, at random. */
const thinkMs = { from: 200, to: 1_000 };

/**
 * People who are rung, hear a prompt, press a key, and hear the next one, as long as they are left to. They say nothing,
 * and what they hear is told apart by its packets alone: none come while nothing plays.
 */
export class Callers {
  /** ms from the packet that ends a key's event to the first packet of the next prompt. */
  readonly waits: number[] = [];
  readonly #agent: SipAgent;
  readonly #people = new Set<Person>();
  readonly #looking: NodeJS.Timeout;

  private constructor(agent: SipAgent) {
    this.#agent = agent;
    agent.onInvite((call) => this.#answer(call));
    this.#looking = setInterval(() => {
      for (const person of this.#people) person.look();
    }, lookEveryMs);
  }

  static async open(): Promise<Callers> {
    return new Callers(await createSipAgent({ host: "127.0.0.1", port: 0, clock: systemClock }));
  }

  get address(): { host: string; port: number } {
    return { host: this.#agent.host, port: this.#agent.port };
  }

  /** Whose call is not over. */
  get live(): number {
    return this.#people.size;
  }

  /** Who has heard something. */
  get listening(): number {
    return [...this.#people].filter((person) => person.hasHeard).length;
  }

  hangUp(): void {
    for (const person of this.#people) person.hangUp();
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    await this.#agent.close();
  }

  #answer(call: IncomingSipCall): void {
    call.answer();
    if (!call.media) return;
    const person = new Person(call, call.media, (ms) => this.waits.push(ms));
    this.#people.add(person);
    call.on("ended", () => this.#people.delete(person));
  }
}

class Person {
  hasHeard = false;
  readonly #call: IncomingSipCall;
  readonly #media: MediaSession;
  readonly #told: (ms: number) => void;
  #lastPacketMs = Infinity;
  /** Null: has not pressed. */
  #releasedMs: number | null = null;
  #slotsLeft = 0;
  #pressAfterMs = overMs + thinkMs.from;

  constructor(call: IncomingSipCall, media: MediaSession, told: (ms: number) => void) {
    this.#call = call;
    this.#media = media;
    this.#told = told;
    media.onFrame(() => this.#hear());
    // Pulled in each slot, right before the packet of that slot.
    media.setSource(() => {
      if (this.#slotsLeft > 0 && --this.#slotsLeft === 0) this.#releasedMs = performance.now();
      return null;
    });
  }

  hangUp(): void {
    this.#call.end({ q850: 16 });
  }

  look(): void {
    const pressing = this.#slotsLeft > 0 || this.#releasedMs !== null;
    if (pressing || performance.now() - this.#lastPacketMs < this.#pressAfterMs) return;
    this.#slotsLeft = pace.toneSlots;
    this.#pressAfterMs = overMs + thinkMs.from + Math.random() * (thinkMs.to - thinkMs.from);
    this.#media.sendDigits("1", pace);
  }

  #hear(): void {
    const nowMs = performance.now();
    this.hasHeard = true;
    this.#lastPacketMs = nowMs;
    if (this.#releasedMs === null) return;
    this.#told(nowMs - this.#releasedMs);
    this.#releasedMs = null;
  }
}
