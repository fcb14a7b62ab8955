import type { StepFact } from "../actions/verb.ts";
import type { Clock, Timer } from "../clock.ts";
import { isError, SautikitError } from "../errors.ts";
import type { CallId, IntentId, LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import {
  callById,
  deleteIntent,
  intentsOfCall,
  legById,
  legPlaces,
  legsOfCall,
  markDialled,
  markIntentSent,
  type IntentRow,
  type LegPlace,
} from "../store/calls.ts";
import { markStatus } from "../store/recordings.ts";
import type { ReadTx, Store } from "../store/store.ts";
import type { MediaFile, Originate, Switch } from "../switch/switch.ts";
import { isAtMostOnce, type Command } from "./command.ts";
import type { LegNews } from "./leg-progress.ts";
import type { FailureCode } from "./leg-state.ts";

export interface MediaLibrary {
  /** Fetches and converts a customer's audio; a file that the switch can play. Throws with a short reason in `code`. */
  prepare(url: string): Promise<{ file: string; durationMs: number }>;
}

interface Parts {
  store: Store;
  clock: Clock;
  log: Log;
  media: MediaLibrary;
  boxOf: (name: string) => Switch | undefined;
  news: (news: LegNews) => Promise<void>;
  fact: (callId: CallId, fact: StepFact) => Promise<void>;
}

/** An intent that no box could take for so long fails: nobody wants a call that rings when they have given up. */
const unsentMsMax = 10_000;
/** A box that comes back is used within this. */
const retryMsMin = 100;
const retryMsMax = 5_000;
/** After the switch said that an originate failed, its event or record with the true stamps may still be on its way. */
const failureGraceMs = 2_000;
/** A kill can overtake the originate of its own leg on another connection. */
const hangUpTries = 8;

/** A call's legs, as they were when its intents were read. */
type Legs = ReadonlyMap<LegId, LegPlace>;

/** Carries out what was decided: each call's intents in order, one after another, different calls side by side. */
export class IntentRunner {
  readonly #parts: Parts;
  readonly #running = new Map<CallId, Promise<void>>();
  readonly #again = new Set<CallId>();
  /** By call, what is begun and not waited for: media being fetched, a row that is done and being deleted. */
  readonly #inFlight = new Map<CallId, Set<IntentId>>();
  readonly #retries = new Map<CallId, { delayMs: number; timer: Timer }>();
  readonly #jobs = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  run(callId: CallId): void {
    if (this.#stopping.signal.aborted) return;
    if (this.#running.has(callId)) {
      this.#again.add(callId);
      return;
    }
    const work = this.#runAll(callId)
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted)
          this.#parts.log.error({ err: error, callId }, "an intent could not be carried out");
      })
      .finally(() => {
        this.#running.delete(callId);
        if (this.#again.delete(callId)) this.run(callId);
      });
    this.#running.set(callId, work);
  }

  /** Starts nothing more, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { timer } of this.#retries.values()) timer.cancel();
    await Promise.all(this.#running.values());
    await Promise.all(this.#jobs);
  }

  /** Work that nobody waits for but the end of the process. */
  #track(job: Promise<void>, failure: string): void {
    const tracked = job
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#parts.log.error({ err: error }, failure);
      })
      .finally(() => this.#jobs.delete(tracked));
    this.#jobs.add(tracked);
  }

  async #runAll(callId: CallId): Promise<void> {
    // Before the read: a row that is deleted meanwhile is still in what was read.
    const begun = new Set(this.#inFlight.get(callId));
    const { intents, places } = await this.#parts.store.read(async (tx) => ({
      intents: await intentsOfCall(tx, callId),
      places: await legPlaces(tx, callId),
    }));
    const legs: Legs = new Map(places.map((place) => [place.id, place]));
    for (const intent of intents) {
      if (begun.has(intent.id)) continue;
      if (await this.#runOne(intent, legs)) continue;
      this.#retryLater(callId);
      return;
    }
    this.#retries.get(callId)?.timer.cancel();
    this.#retries.delete(callId);
  }

  /** The box is away: its return, the sweep or this timer, one a call, tries again, in the same order. */
  #retryLater(callId: CallId): void {
    if (this.#stopping.signal.aborted) return;
    const before = this.#retries.get(callId);
    before?.timer.cancel();
    const delayMs = Math.min((before?.delayMs ?? retryMsMin / 2) * 2, retryMsMax);
    this.#retries.set(callId, { delayMs, timer: this.#parts.clock.after(delayMs, () => this.run(callId)) });
  }

  /** False: not now. */
  async #runOne(intent: IntentRow, legs: Legs): Promise<boolean> {
    const commands = JSON.parse(intent.commands) as Command[];
    if (intent.atMostOnce === 1) return this.#runOnce(intent, commands, legs);
    for (const command of commands) {
      if (command.kind === "fetchMedia") {
        // In a row of its own, which goes once its outcome is stored.
        this.#fetchMedia(intent, command);
        return true;
      }
      const outcome = await this.#attempt(command, legs);
      if (outcome === "later") return false;
      // Where the new deadline was not armed the old one stays: there is never a gap.
      if (outcome === "refused" && command.kind === "cutAt") break;
    }
    this.#done(intent);
    return true;
  }

  /** The next row need not wait for the commit that takes this one away: until then it is passed over here. */
  #done(intent: IntentRow): void {
    const over = this.#begin(intent);
    const deleted = this.#parts.store.write((tx) => deleteIntent(tx, intent.id));
    this.#track(deleted.then(() => undefined).finally(over), "an intent that is done could not be deleted");
  }

  /** Passed over until the function that is returned is called. */
  #begin({ callId, id }: IntentRow): () => void {
    const ofCall = this.#inFlight.get(callId) ?? new Set();
    this.#inFlight.set(callId, ofCall.add(id));
    return () => {
      ofCall.delete(id);
      if (ofCall.size === 0 && this.#inFlight.get(callId) === ofCall) this.#inFlight.delete(callId);
    };
  }

  /** What the switch refuses is over, and holds up nothing that stands behind it. */
  async #attempt(command: Command, legs: Legs): Promise<"done" | "refused" | "later"> {
    try {
      await this.#repeatable(command, legs);
      return "done";
    } catch (error) {
      if (this.#stopping.signal.aborted) return "later";
      if (isError(error, "switch.unavailable") || isError(error, "switch.unknown_outcome")) return "later";
      this.#parts.log.error({ err: error, command: command.kind }, "a command was refused");
      if (command.kind === "startRecording") {
        // No file will come: the spool finds that out, and tells it.
        await this.#parts.store.write((tx) => markStatus(tx, command.recording, ["starting"], "uploading"));
      }
      return "refused";
    }
  }

  /** Marked `sent` in a commit of its own before it is; one that was already marked belongs to a controller that died. */
  async #runOnce(intent: IntentRow, commands: readonly Command[], legs: Legs): Promise<boolean> {
    const { store, clock } = this.#parts;
    if (intent.sentAtMs === null) {
      const box = this.#boxOf(commands.filter(isAtMostOnce).flatMap(legsOf)[0], legs);
      const late = clock.nowMs() - intent.createdAtMs >= unsentMsMax;
      if (!late && !box?.connected) return false;
      const claimed = await store.write(async (tx) => {
        if (late) return (await deleteIntent(tx, intent.id)).changes === 1;
        const mine = await markIntentSent(tx, intent.id, clock.nowMs());
        if (mine) await markDialled(tx, dialledBy(commands), clock.nowMs());
        return mine;
      });
      if (claimed && late) await this.#notDone(commands, commands, "not_sent", legs);
      else if (claimed) await this.#send(commands, legs);
    }
    this.#done(intent);
    return true;
  }

  async #send(commands: readonly Command[], legs: Legs): Promise<void> {
    for (const [index, command] of commands.entries()) {
      try {
        if (command.kind === "originate") await this.#originate(command.originate, legs);
        else if (command.kind === "play") {
          const { leg, token, loops } = command;
          await this.#boxOf(leg, legs)?.play(leg, command.file as MediaFile, { token, loops });
        } else await this.#repeatable(command, legs);
      } catch (error) {
        this.#parts.log.warn({ err: error, command: command.kind }, "a command failed");
        if (isError(error, "switch.refused") && !isAtMostOnce(command)) continue;
        // Of the failed one itself only a play may have been begun, and that nobody waits for: it is taken for ended.
        const reason = isError(error, "calls.not_live") ? "canceled" : "not_sent";
        await this.#notDone(commands.slice(index), commands, reason, legs);
        return;
      }
    }
  }

  /** What was surely not sent, and never will be: legs that were not dialled, a prompt that was not heard. */
  async #notDone(
    undone: readonly Command[],
    row: readonly Command[],
    reason: keyof typeof neverDialledCauses,
    legs: Legs,
  ): Promise<void> {
    for (const leg of dialledBy(undone)) await this.#neverDialled(leg, reason);
    for (const command of undone) {
      if (command.kind === "play") {
        const { leg, token } = command;
        const box = legs.get(leg)?.box ?? "";
        await this.#parts.news({
          kind: "playbackEnded",
          box,
          leg,
          token,
          outcome: "failed",
          atUs: this.#parts.clock.nowUs(),
        });
      }
    }
    // They were there for the sake of the dial that did not come.
    for (const { leg } of row.filter((command) => command.kind === "playRingback")) {
      await this.#attempt({ kind: "stopPlayback", leg }, legs);
    }
  }

  async #originate(originate: Originate, legs: Legs): Promise<void> {
    const [first] = originate.branches;
    const box = this.#boxOf(first.leg, legs);
    if (!box) throw new SautikitError("switch.unavailable", `No box is configured for ${first.leg}.`);
    // The commands before it took their time: whoever was to be joined may be gone by now.
    if (await this.#parts.store.read((tx) => isOver(tx, first.leg)))
      throw new SautikitError("calls.not_live");
    // The job ends when the leg is answered or failed; meanwhile the call's other intents go on.
    const job = box.originate(originate).then(
      (outcome) => (outcome.ok ? undefined : this.#originateFailed(originate, outcome.cause, outcome.reply)),
      async (error: unknown) => {
        // Unknown outcome: the leg is adopted or closed by reconciliation.
        if (isError(error, "switch.unknown_outcome")) return;
        this.#parts.log.warn({ err: error, leg: first.leg }, "originate was not sent");
        for (const branch of originate.branches) await this.#neverDialled(branch.leg, "not_sent");
      },
    );
    this.#track(job, "an originate's outcome could not be stored");
  }

  async #originateFailed(originate: Originate, cause: LegCause, reply: string): Promise<void> {
    await this.#parts.clock.sleep(failureGraceMs, this.#stopping.signal);
    for (const { leg } of originate.branches) {
      const row = await this.#parts.store.read((tx) => legById(tx, leg));
      if (!row || row.endedAtUs !== null) continue;
      const facts = await this.#parts
        .boxOf(row.box)
        ?.channelFacts(leg)
        .catch(() => undefined);
      if (facts !== null) continue;
      this.#parts.log.warn({ leg, reply }, "originate failed without an end of its leg");
      await this.#parts.news(
        unansweredEnd(
          row.box,
          leg,
          row.startedAtUs ?? row.createdAtMs * 1000,
          this.#parts.clock.nowUs(),
          cause,
        ),
      );
    }
  }

  async #neverDialled(leg: LegId, failureCode: keyof typeof neverDialledCauses): Promise<void> {
    const row = await this.#parts.store.read((tx) => legById(tx, leg));
    if (!row) return;
    const nowUs = this.#parts.clock.nowUs();
    await this.#parts.news({
      ...unansweredEnd(row.box, leg, row.createdAtMs * 1000, nowUs, neverDialledCauses[failureCode]),
      failureCode,
    });
  }

  async #repeatable(
    command: Exclude<Command, { kind: "originate" | "play" | "fetchMedia" }> | Command,
    legs: Legs,
  ): Promise<void> {
    if (command.kind === "originate" || command.kind === "play" || command.kind === "fetchMedia") return;
    const leg = legs.get(command.leg);
    // Nothing is left to be done to a leg that has ended.
    if (!leg || leg.endedAtUs !== null) return;
    const box = this.#parts.boxOf(leg.box);
    if (!box?.connected) throw new SautikitError("switch.unavailable");
    switch (command.kind) {
      case "hangUp":
        await this.#hangUp(box, command.leg, command.cause);
        return;
      case "stopPlayback":
        await box.stopPlayback(command.leg);
        return;
      case "playRingback":
        await box.playRingback(command.leg);
        return;
      case "setVariable":
        await box.setVariable(command.leg, command.name, command.value);
        return;
      case "startRecording":
        await box.startRecording(command.leg, command.recording);
        return;
      case "stopRecording":
        await box.stopRecording(command.leg, command.recording);
        return;
      case "maskRecording":
        await box.maskRecording(command.leg, command.recording, command.masked);
        return;
      case "armKill":
        await box.armKill(command.leg, command.group, command.inSeconds, command.cause);
        return;
      case "cutAt": {
        const inSeconds = Math.max(0, Math.ceil((command.atUs - this.#parts.clock.nowUs()) / 1_000_000));
        await box.armKill(command.leg, command.group, inSeconds, "ALLOTTED_TIMEOUT");
        return;
      }
      case "disarmKill":
        await box.disarmKill(command.group);
        return;
    }
  }

  /**
   * A kill that finds no channel may have overtaken the originate, and one that is refused leaves somebody talking: it
   * tries until the leg has ended.
   */
  async #hangUp(box: Switch, leg: LegId, cause: LegCause): Promise<void> {
    let delayMs = retryMsMin;
    for (let tries = 1; tries <= hangUpTries; tries++) {
      const killed = await box.hangUp(leg, cause).catch((error: unknown) => {
        if (isError(error, "switch.refused") && tries < hangUpTries) return false;
        throw error;
      });
      if (killed) return;
      await this.#parts.clock.sleep(delayMs, this.#stopping.signal);
      delayMs = Math.min(delayMs * 2, 1000);
      const row = await this.#parts.store.read((tx) => legById(tx, leg));
      if (!row || row.endedAtUs !== null) return;
    }
  }

  #fetchMedia(intent: IntentRow, command: Extract<Command, { kind: "fetchMedia" }>): void {
    const { media, store, log } = this.#parts;
    const over = this.#begin(intent);
    void media
      .prepare(command.url)
      .then(
        ({ file, durationMs }): StepFact => ({ kind: "mediaReady", token: command.token, file, durationMs }),
        (error: unknown): StepFact => ({
          kind: "mediaFailed",
          token: command.token,
          reason: reasonOf(error),
        }),
      )
      .then((fact) => this.#parts.fact(intent.callId, fact))
      .then(() => store.write((tx) => deleteIntent(tx, intent.id)))
      .catch((error: unknown) =>
        log.error({ err: error, callId: intent.callId }, "media could not be handed on"),
      )
      .finally(over);
  }

  #boxOf(leg: LegId | undefined, legs: Legs): Switch | undefined {
    const place = leg === undefined ? undefined : legs.get(leg);
    return place && this.#parts.boxOf(place.box);
  }
}

/** Whether the leg's call is to end, or its first leg has: then nobody else is rung for it. */
async function isOver(tx: ReadTx, leg: LegId): Promise<boolean> {
  const row = await legById(tx, leg);
  const call = row && (await callById(tx, row.callId));
  if (!call || call.hangupRequestedAtMs !== null) return true;
  const [first] = await legsOfCall(tx, call.id);
  return first?.endedAtUs != null;
}

type LegCause = Parameters<Switch["hangUp"]>[1];

/** Why a leg was not dialled: nobody waits for it any more, or no box took it. */
const neverDialledCauses = {
  canceled: "ORIGINATOR_CANCEL",
  not_sent: "NORMAL_TEMPORARY_FAILURE",
} as const satisfies Partial<Record<FailureCode, LegCause>>;

const dialledBy = (commands: readonly Command[]): LegId[] =>
  commands.flatMap((command) => (command.kind === "originate" ? legsOf(command) : []));

function legsOf(command: Command): LegId[] {
  if (command.kind === "originate") return command.originate.branches.map((branch) => branch.leg);
  return command.kind === "fetchMedia" ? [] : [command.leg];
}

function unansweredEnd(
  box: string,
  leg: LegId,
  createdAtUs: number,
  endedAtUs: number,
  cause: LegCause,
): Extract<LegNews, { kind: "hungUp" }> {
  const none = { ringingAtUs: null, answeredAtUs: null, q850: 0, sipStatus: null, quality: null };
  return {
    kind: "hungUp",
    box,
    leg,
    atUs: endedAtUs,
    createdAtUs,
    endedAtUs,
    cause,
    endedBy: "controller",
    ...none,
  };
}

const reasonOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : "failed";
