import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiCall, ApiLeg } from "../world/customer.ts";
import { nairobi, type TestWorld } from "../world/world.ts";
import { checkEnded, rungTimes } from "./checks.ts";
import type { Witness } from "./witness.ts";

/** Two people whom nobody else calls: each rings for a second, answers, and stays. */
export interface Pair {
  readonly caller: string;
  readonly callee: string;
  /** Of the call that joins them, once it is placed. */
  callId: string;
}

/** Calls that join two people and record both, and what must hold of each whatever happens to others. */
export class Pairs {
  readonly #world: TestWorld;
  readonly #witness: Witness;
  #next = 10_000;

  constructor(world: TestWorld, witness: Witness) {
    this.#world = world;
    this.#witness = witness;
  }

  next(): Pair {
    const suffix = this.#next++;
    return { caller: `+2547124${suffix}`, callee: `+2547125${suffix}`, callId: "" };
  }

  async place(pair: Pair, more: Record<string, unknown> = {}): Promise<void> {
    const { customer, inbox } = this.#world;
    pair.callId = await customer.place({
      ...{ from: nairobi, to: pair.caller, events_url: inbox.url, record: true },
      actions: [{ dial: { number: pair.callee, record: true } }, { wait: { seconds: 1 } }],
      ...more,
    });
  }

  /** Both talk, whatever was missed of how it came to that; so long that both are sure to be charged. */
  async untilTalking(pair: Pair): Promise<ApiCall> {
    const call = await this.#world.customer.until(
      pair.callId,
      "both answered",
      ({ legs }) => legs.filter(({ status }) => status === "answered").length === 2,
    );
    await sleep(500);
    return call;
  }

  /** The caller's leg, once both talk. */
  async talk(pair: Pair, more: Record<string, unknown> = {}): Promise<string> {
    await this.place(pair, more);
    return legTo(await this.untilTalking(pair), pair.caller).id;
  }

  /** Hangs up, unless it is over, and checks what must hold of every call. */
  async finish(pair: Pair): Promise<ApiCall> {
    await this.#world.customer.hangUp(pair.callId);
    return this.check(pair);
  }

  /** Waits for the end, and checks what must hold of every call. */
  async check(pair: Pair): Promise<ApiCall> {
    const call = await this.#world.customer.ended(pair.callId, 40_000);
    await checkEnded(this.#world, this.#witness, call);
    for (const number of [pair.caller, pair.callee]) {
      const times = await rungTimes(this.#world, number);
      assert.ok(times <= 1, `${number} rang ${times} times`);
    }
    return call;
  }

  /** As if nothing had been: both rang once and talked, and each was recorded. */
  async checkAsEver(call: ApiCall, { caller, callee }: Pair): Promise<void> {
    assert.equal(call.status, "completed");
    for (const number of [caller, callee]) {
      assert.equal(await rungTimes(this.#world, number), 1, `${number} rang once`);
      const leg = legTo(call, number);
      assert.equal(leg.status, "completed");
      assert.ok(leg.billed_seconds >= 1);
      assert.ok(leg.recording_ids.length >= 1);
    }
    assert.ok(call.events.some(({ kind }) => kind === "leg.bridged"));
  }
}

export const legTo = (call: ApiCall, number: string): ApiLeg => call.legs.find(({ to }) => to === number)!;

/** How a leg's end is known, by the event that tells it. */
export const endKnownBy = (call: ApiCall, leg: ApiLeg): unknown =>
  call.events.find(({ kind, payload }) => kind === "leg.ended" && payload["leg_id"] === leg.id)?.payload[
    "known_by"
  ];
