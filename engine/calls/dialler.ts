import { isError, SautikitError } from "../errors.ts";
import type { LegId } from "../ids.ts";
import { callById, channelOf, legById, legsOfCall } from "../store/calls.ts";
import type { ReadTx } from "../store/store.ts";
import type { HangupCause, Originate, Switch } from "../switch/switch.ts";
import type { SenderParts } from "./command-sender.ts";
import { isWithoutChannel } from "./failover.ts";
import { hangUpWaits } from "./hang-up-waits.ts";
import { unansweredEnd } from "./leg-progress.ts";
import type { FailureCode } from "./leg-state.ts";

/** Why a leg was not dialled: nobody waits for it any more, no box took it, or no trunk. */
const neverDialledCauses = {
  canceled: "ORIGINATOR_CANCEL",
  not_sent: "NORMAL_TEMPORARY_FAILURE",
  no_trunk: "NORMAL_CIRCUIT_CONGESTION",
} as const satisfies Partial<Record<FailureCode, HangupCause>>;
export type NeverDialled = keyof typeof neverDialledCauses;

/** A switch that does not take the command within this holds up nothing else of the call. */
const sendingMsMax = 1_000;

/** After the switch told an originate's outcome, a leg's event or record with the true stamps may still be on its way. */
const failureGraceMs = 2_000;

/** Dials legs, each at most once, and tells of those that were never dialled. */
export class Dialler {
  readonly #parts: SenderParts;
  readonly #stopping: AbortSignal;

  constructor(parts: SenderParts, stopping: AbortSignal) {
    this.#parts = parts;
    this.#stopping = stopping;
  }

  /**
   * Resolves once it is sent, or after a second; `job` ends when a leg is answered or all have failed, and meanwhile the call's other intents
   * go on. Throws `calls.not_live` where nobody waits for the legs any more, `switch.unavailable` where nothing was sent.
   */
  async originate(originate: Originate, box: Switch | undefined): Promise<{ job: Promise<void> }> {
    const [first] = originate.branches;
    if (!box) throw new SautikitError("switch.unavailable", `No box is configured for ${first.leg}.`);
    // The commands before it took their time: whoever was to be joined may be gone by now.
    if (await this.#parts.store.read((tx) => isOver(tx, first.leg)))
      throw new SautikitError("calls.not_live");
    for (const { leg } of originate.branches)
      this.#parts.log.debug({ leg, box: box.box }, "a leg is dialled");
    const sent = Promise.withResolvers<undefined>();
    const dialled = box.originate(originate, () => sent.resolve(undefined));
    const unsent = dialled.then(
      () => undefined,
      (error: unknown) => (isError(error, "switch.unavailable") ? error : undefined),
    );
    const enough = this.#parts.clock.after(sendingMsMax, () => sent.resolve(undefined));
    const notSent = await Promise.race([sent.promise, unsent]);
    enough.cancel();
    if (notSent) throw notSent;
    const job = dialled.then(
      (outcome) =>
        // Of several there may be one that the switch had no channel for, and that nobody tells the end of.
        outcome.ok
          ? this.#closeUntold(originate, outcome.leg, "LOSE_RACE", "another has answered")
          : this.#closeUntold(originate, null, outcome.cause, outcome.reply),
      async (error: unknown) => {
        if (isError(error, "switch.unknown_outcome")) {
          // The legs are adopted or closed by reconciliation.
          this.#parts.inDoubt(box.box);
          return;
        }
        this.#parts.log.warn({ err: error, leg: first.leg }, "originate was not sent");
        for (const branch of originate.branches) await this.neverDialled(branch.leg, "not_sent");
      },
    );
    return { job };
  }

  async neverDialled(leg: LegId, failureCode: NeverDialled): Promise<void> {
    const row = await this.#parts.store.read((tx) => legById(tx, leg));
    if (!row) return;
    const nowUs = this.#parts.clock.nowUs();
    await this.#parts.news({
      ...unansweredEnd(row, row.createdAtMs * 1000, nowUs, neverDialledCauses[failureCode]),
      failureCode,
    });
  }

  async #closeUntold(
    originate: Originate,
    winner: LegId | null,
    cause: HangupCause,
    reply: string,
  ): Promise<void> {
    const { store, clock, log, boxOf, news } = this.#parts;
    const others = originate.branches.filter(({ leg }) => leg !== winner);
    if (others.length === 0) return;
    if (!isWithoutChannel(cause)) await clock.sleep(failureGraceMs, this.#stopping);
    for (const { leg, channel = leg } of others) {
      const row = await store.read((tx) => legById(tx, leg));
      // It may have been dialled anew meanwhile.
      if (!row || row.endedAtUs !== null || channelOf(row) !== channel) continue;
      const facts = await boxOf(row.box)
        ?.channelFacts(leg)
        .catch(() => undefined);
      if (facts !== null) continue;
      log.warn({ leg, reply }, "an originate is over without an end of its leg");
      const startedAtUs = row.startedAtUs ?? row.createdAtMs * 1000;
      await news(unansweredEnd(row, startedAtUs, clock.nowUs(), cause));
    }
  }
}

/** Whether the leg or its call is to end, or the first leg has: then nobody else is rung for it. */
async function isOver(tx: ReadTx, leg: LegId): Promise<boolean> {
  const row = await legById(tx, leg);
  const call = row && (await callById(tx, row.callId));
  if (!call || call.hangupRequestedAtMs !== null) return true;
  const [first] = await legsOfCall(tx, call.id);
  return first?.endedAtUs != null || (await hangUpWaits(tx, call.id, leg));
}
