import type { Timer } from "../clock.ts";
import { isError } from "../errors.ts";
import {
  isId,
  type CallId,
  type ConferenceId,
  type IntentId,
  type IntentOwner,
  type LegId,
  type WorkspaceId,
} from "../ids.ts";
import {
  callToChange,
  deleteIntent,
  intentsOfCall,
  isWithin,
  legPlaces,
  markDialled,
  markIntentSent,
  markIntentUnsent,
  unmarkDialled,
  type BoxScope,
  type IntentRow,
  type StoredIntent,
} from "../store/calls.ts";
import type { Asked } from "../actions/voice-url.ts";
import { MediaError } from "../media/media-error.ts";
import type { MediaSource, Prepared } from "../media/media-source.ts";
import type { Streams } from "../streams/streams.ts";
import { withdrawRelays } from "../store/relays.ts";
import type { Tx } from "../store/store.ts";
import { deleteAttempt } from "../store/trunks.ts";
import type { MediaFile, Originate, PlaybackOutcome, Sound, Switch } from "../switch/switch.ts";
import { noteAttempts, route, type Routed } from "./trunk-routing.ts";
import { isApart, isAtMostOnce, isOfRoom, type ApartCommand, type Command } from "./command.ts";
import { CommandSender, type Legs, type SenderParts } from "./command-sender.ts";
import { DoneIntents } from "./done-intents.ts";
import { Dialler, type NeverDialled } from "./dialler.ts";
import { isStepOf, type DocumentFact } from "./document-run.ts";
import type { ChangeParts } from "./change-parts.ts";
import type { Questioner } from "./questioner.ts";

export interface MediaLibrary {
  /**
   * Fetches and converts a customer's audio, or speaks a text: a file that the switch can play. `workspace`: whose call
   * it is for, since only its own prompts are played to it. Throws with a short reason in `code`.
   */
  prepare(source: MediaSource, workspace: WorkspaceId): Promise<Prepared>;
}

interface Parts extends SenderParts, Pick<ChangeParts, "trunks" | "peers" | "ids"> {
  /** Whose intents are carried out; null: all. */
  scope: BoxScope;
  /** Whether the box is ours to command yet, as the database says it. Null: it always is. */
  stillLeads: (() => Promise<boolean>) | null;
  media: MediaLibrary;
  questioner: Questioner;
  /** Where a SIP server is, if calls may go there. Throws `sip.host_not_allowed`. */
  sipAddressOf: (host: string, signal: AbortSignal) => Promise<string>;
  /** Stores what came of an intent, and takes its row away with it. Throws where it cannot be stored. */
  fact: (intent: IntentRow, fact: DocumentFact) => Promise<void>;
  /** Something that is heard of on the way to it. Never rejects. */
  progress: (callId: CallId, fact: DocumentFact) => Promise<void>;
  streams: Pick<Streams, "run" | "end">;
  /** What came of an announcement in a room: `reason` null, it is heard. Never rejects. */
  announced: (room: ConferenceId, token: string, reason: string | null) => Promise<void>;
}

/** An intent that no box could take for so long fails: nobody wants a call that rings when they have given up. */
const unsentMsMax = 10_000;
/** A box that comes back is used within this. */
const retryMsMin = 100;
const retryMsMax = 5_000;

/** Of the first row of a call that could not be carried out yet. */
interface Retry {
  intent: IntentId;
  /** When it was first tried, monotonic. */
  sinceMs: number;
  delayMs: number;
  timer: Timer;
}

/** Carries out what was decided: each call's intents in order, one after another, different calls side by side. */
export class IntentRunner {
  readonly #parts: Parts;
  readonly #running = new Map<IntentOwner, Promise<void>>();
  readonly #again = new Set<IntentOwner>();
  readonly #done: DoneIntents;
  readonly #retries = new Map<IntentOwner, Retry>();
  readonly #jobs = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #sender: CommandSender;
  readonly #dialler: Dialler;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#done = new DoneIntents(parts);
    this.#sender = new CommandSender(parts, this.#stopping.signal);
    this.#dialler = new Dialler(parts, this.#stopping.signal);
  }

  run(callId: IntentOwner): void {
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

  /** Begins no row any more, and waits for those that are begun. */
  async beginNoMore(): Promise<void> {
    this.#stopping.abort();
    for (const { timer } of this.#retries.values()) timer.cancel();
    await Promise.all(this.#running.values());
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    await this.beginNoMore();
    await Promise.all([...this.#jobs, this.#done.stop()]);
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

  async #runAll(callId: IntentOwner): Promise<void> {
    const begun = this.#done.begunOf(callId);
    const { store, scope } = this.#parts;
    const { intents, places } = await store.read(async (tx) => {
      const placed = await legPlaces(tx, callId);
      // Another controller's are told to everybody. A call's legs are all on its box.
      const mine =
        "box" in scope && placed[0] ? placed[0].box === scope.box : await isWithin(tx, callId, scope);
      return { intents: mine ? await intentsOfCall(tx, callId) : [], places: placed };
    });
    const legs: Legs = new Map(places.map((place) => [place.id, place]));
    for (const intent of intents) {
      if (this.#stopping.signal.aborted) return;
      if (begun.has(intent.id)) continue;
      if (await this.#runOne(intent, legs)) continue;
      this.#retryLater(callId, intent.id);
      return;
    }
    this.#retries.get(callId)?.timer.cancel();
    this.#retries.delete(callId);
  }

  /** The box is away: its return, the sweep or this timer, one a call, tries again, in the same order. */
  #retryLater(callId: IntentOwner, intent: IntentId): void {
    if (this.#stopping.signal.aborted) return;
    const { clock } = this.#parts;
    const before = this.#retries.get(callId);
    before?.timer.cancel();
    const delayMs = Math.min((before?.delayMs ?? retryMsMin / 2) * 2, retryMsMax);
    const sinceMs = before?.intent === intent ? before.sinceMs : clock.monotonicMs();
    const timer = clock.after(delayMs, () => this.run(callId));
    this.#retries.set(callId, { intent, sinceMs, delayMs, timer });
  }

  /** By the wall clock, or by how long it has been tried, where that clock was set back since. */
  #isLate({ id, callId, createdAtMs }: IntentRow): boolean {
    const { clock } = this.#parts;
    const retry = this.#retries.get(callId);
    const triedMs = retry?.intent === id ? clock.monotonicMs() - retry.sinceMs : 0;
    return Math.max(clock.nowMs() - createdAtMs, triedMs) >= unsentMsMax;
  }

  /** False: not now. */
  async #runOne(intent: StoredIntent, legs: Legs): Promise<boolean> {
    const commands = JSON.parse(intent.commands) as Command[];
    if (intent.atMostOnce === 1) return this.#runOnce(intent, commands, legs);
    for (const command of commands) {
      if (isApart(command)) {
        const box = command.kind === "stream" ? this.#sender.boxOf(command.leg, legs) : undefined;
        // It needs the box; to a leg that has ended there is nothing to do.
        if (command.kind === "stream" && !box?.connected && isUp(command.leg, legs)) return false;
        this.#doApart(intent, command, box);
        return true;
      }
      // Rows of those that go at most once have their own way.
      if (isAtMostOnce(command)) continue;
      const outcome = await this.#sender.attempt(command, legs);
      if (outcome === "later") return false;
      // Where the new deadline was not armed the old one stays: there is never a gap.
      if (outcome === "refused" && command.kind === "cutAt") break;
      const isGone = outcome === "gone";
      if (command.kind === "takeIn" && (isGone || (outcome === "refused" && command.orEnd))) {
        const told = await this.#parts.news({ kind: "notTakenIn", isGone, ...this.#now(command.leg, legs) });
        if (told === "later") return false;
        break;
      }
    }
    this.#done.done(intent);
    return true;
  }

  /** Marked `sent` in a commit of its own before it is; one that was already marked belongs to a controller that died. */
  async #runOnce(intent: IntentRow, commands: readonly Command[], legs: Legs): Promise<boolean> {
    const { store } = this.#parts;
    if (intent.sentAtMs === null) {
      const box = this.#boxOf(commands.find(isAtMostOnce), legs);
      const late = this.#isLate(intent);
      if (!late && !box?.connected) return false;
      const claim = await store.write((tx) => this.#claim(tx, intent, commands, late ? null : box));
      if (claim === "later") return false;
      // Whoever stood still between the mark and this is late: the next one finds the mark, and asks the switch.
      if (claim !== "not mine" && !late && (await this.#parts.stillLeads?.()) === false) return false;
      if (claim !== "not mine" && late) await this.#notDone(commands, commands, "not_sent", legs);
      else if (claim !== "not mine" && !(await this.#send(intent, commands, legs, claim))) return false;
    } else if (!(await this.#becameOf(commands, legs))) return false;
    this.#done.done(intent);
    return true;
  }

  /** `box` null: too late for it to be sent. */
  async #claim(
    tx: Tx,
    intent: IntentRow,
    commands: readonly Command[],
    box: Switch | null | undefined,
  ): Promise<Routed | null | "not mine" | "later"> {
    const nowMs = this.#parts.clock.nowMs();
    const dial = commands.find((command) => command.kind === "originate");
    const routed = box && dial ? await route(tx, this.#parts, box.box, dial.originate) : null;
    if (routed === "later") return "later";
    const mine = box
      ? await markIntentSent(tx, intent.id, nowMs)
      : (await deleteIntent(tx, intent.id)).changes === 1;
    if (!mine) return "not mine";
    if (routed && dial) await noteAttempts(tx, dial.originate, routed);
    // Also those that come too late: should we die before their end is told, reconciliation closes them.
    await markDialled(tx, dialledBy(commands), nowMs);
    return routed;
  }

  #boxOf(command: Command | undefined, legs: Legs): Switch | undefined {
    if (command === undefined) return undefined;
    return isOfRoom(command)
      ? this.#sender.boxNamed(command.box)
      : this.#sender.boxOf(legsOf(command)[0], legs);
  }

  /**
   * Of what was marked sent, and then died with its controller or its connection, a prompt is asked for: the switch tells
   * whether it was ever begun. An originate's legs are looked for, and a recording by whoever waits for it; of digits, and of
   * what was said in a room, nobody knows. False: not now.
   */
  async #becameOf(commands: readonly Command[], legs: Legs): Promise<boolean> {
    for (const command of commands) {
      if (command.kind === "sendDigits") await this.#digitsFailed(command, legs, "unknown_outcome");
      if (command.kind === "announce")
        await this.#parts.announced(command.room, command.token, "unknown_outcome");
      if (command.kind !== "play") continue;
      const { leg, token } = command;
      if (legs.get(leg)?.endedAtUs !== null) continue;
      const box = this.#sender.boxOf(leg, legs);
      if (!box?.connected) return false;
      const facts = await box.channelFacts(leg).catch(() => "unknown" as const);
      if (facts === "unknown") return false;
      if (facts === null) continue;
      if (facts.playback?.token !== token) await this.#playbackEnded(leg, token, "failed", legs);
      else if (facts.playback.outcome !== null)
        await this.#playbackEnded(leg, token, facts.playback.outcome, legs);
    }
    return true;
  }

  /** False: a prompt may have been begun, and is to be asked for once the switch is back; or nothing was sent yet. */
  async #send(
    intent: IntentRow,
    commands: readonly Command[],
    legs: Legs,
    routed: Routed | null,
  ): Promise<boolean> {
    // Not before the others are sent: until then all of it may be taken back.
    const tellNone = async () => {
      for (const leg of routed?.none ?? []) await this.#dialler.neverDialled(leg, "no_trunk");
    };
    for (const [index, command] of routed?.originate === null ? [] : commands.entries()) {
      try {
        if (command.kind !== "originate") await this.#sendOne(command, legs);
        else if (routed?.originate) await this.#dial(routed.originate, legs);
      } catch (error) {
        this.#parts.log.warn({ err: error, command: command.kind }, "a command failed");
        if (isError(error, "switch.refused") && !isAtMostOnce(command)) continue;
        const isUnknown = isError(error, "switch.unknown_outcome");
        if (isUnknown && command.kind === "play") return false;
        const isUnsent = isError(error, "switch.unavailable") || isError(error, "database.unavailable");
        if (isUnsent && !commands.slice(0, index).some(isAtMostOnce) && (await this.#unclaim(intent, routed)))
          return false;
        let undone = commands.slice(index);
        if (isUnknown && command.kind === "sendDigits") {
          await this.#digitsFailed(command, legs, "unknown_outcome");
          undone = undone.slice(1);
        }
        const reason = isError(error, "calls.not_live") ? "canceled" : "not_sent";
        await tellNone();
        await this.#notDone(undone, commands, reason, legs);
        return true;
      }
    }
    await tellNone();
    return true;
  }

  /** As if it had not been marked: nothing of it was sent, and its time is not up. False: it stays marked. */
  #unclaim(intent: IntentRow, routed: Routed | null): Promise<boolean> {
    const sent = routed?.originate?.branches.map(({ leg }) => leg) ?? [];
    const legs = [...sent, ...(routed?.none ?? [])];
    return this.#parts.store
      .write(async (tx) => {
        if (!(await unmarkDialled(tx, legs))) return false;
        await markIntentUnsent(tx, intent.id);
        for (const { legId, ordinal } of routed?.attempts ?? []) await deleteAttempt(tx, legId, ordinal);
        for (const leg of legs) await withdrawRelays(tx, leg);
        return true;
      })
      .catch((error: unknown) => {
        this.#parts.log.warn(
          { err: error, callId: intent.callId },
          "what was not sent could not be taken back",
        );
        return false;
      });
  }

  /** What came of it is told in any case; it is not done again. */
  async #announce(command: Extract<Command, { kind: "announce" }>): Promise<void> {
    const { box, room, leg, file, token } = command;
    const told = (reason: string | null) => this.#parts.announced(room, token, reason);
    try {
      const heard = await this.#sender.boxNamed(box)?.announce(room, file as MediaFile, leg ?? undefined);
      await told(heard === true ? null : "nobody_there");
    } catch (error) {
      await told(
        isError(error, "switch.unknown_outcome")
          ? "unknown_outcome"
          : isError(error, "switch.unavailable")
            ? "not_sent"
            : reasonOf(error),
      );
    }
  }

  async #dial(originate: Originate, legs: Legs): Promise<void> {
    const box = this.#sender.boxOf(originate.branches[0].leg, legs);
    const { job } = await this.#dialler.originate(originate, box);
    this.#track(job, "an originate's outcome could not be stored");
  }

  async #sendOne(command: Exclude<Command, { kind: "originate" }>, legs: Legs): Promise<void> {
    switch (command.kind) {
      case "play": {
        const { leg, token, loops } = command;
        await this.#sender.boxOf(leg, legs)?.play(leg, command.file as Sound, { token, loops });
        return;
      }
      case "sendDigits":
        await this.#sender.boxOf(command.leg, legs)?.sendDigits(command.leg, command.digits);
        return;
      case "recordUntil":
        await this.#recordUntil(command, legs);
        return;
      case "announce":
        await this.#announce(command);
        return;
      case "prepareMedia":
      case "findHost":
      case "ask":
      case "stream":
        // In a row of its own.
        return;
      default:
        await this.#sender.send(command, legs);
    }
  }

  /** One that may have begun is taken for running: whoever waits for its end asks the switch. */
  async #recordUntil(
    { leg, recording, ends }: Extract<Command, { kind: "recordUntil" }>,
    legs: Legs,
  ): Promise<void> {
    try {
      await this.#sender.boxOf(leg, legs)?.startRecording(leg, recording, ends);
    } catch (error) {
      if (!isError(error, "switch.unknown_outcome")) throw error;
    }
  }

  /** What was surely not sent, and never will be: legs that were not dialled, a prompt that was not heard. */
  async #notDone(
    undone: readonly Command[],
    row: readonly Command[],
    reason: NeverDialled,
    legs: Legs,
  ): Promise<void> {
    for (const leg of dialledBy(undone)) await this.#dialler.neverDialled(leg, reason);
    for (const command of undone) {
      if (command.kind === "recordUntil") {
        const { leg, recording } = command;
        await this.#parts.news({ kind: "recordingGone", recording, ...this.#now(leg, legs) });
      }
      if (command.kind === "sendDigits") await this.#digitsFailed(command, legs, "not_sent");
      if (command.kind === "play") await this.#playbackEnded(command.leg, command.token, "failed", legs);
      if (command.kind === "announce") await this.#parts.announced(command.room, command.token, "not_sent");
    }
    // They were there for the sake of the dial that did not come.
    for (const { leg } of row.filter((command) => command.kind === "playRingback")) {
      await this.#sender.attempt({ kind: "stopPlayback", leg }, legs);
    }
  }

  async #playbackEnded(leg: LegId, token: string, outcome: PlaybackOutcome, legs: Legs): Promise<void> {
    await this.#parts.news({ kind: "playbackEnded", token, outcome, ...this.#now(leg, legs) });
  }

  /** On the call's events: a command whose outcome is not known may have sent some of them. */
  #digitsFailed(
    { leg, digits }: Extract<Command, { kind: "sendDigits" }>,
    legs: Legs,
    reason: "not_sent" | "unknown_outcome",
  ): Promise<unknown> {
    return this.#parts.news({ kind: "digitsFailed", digits, reason, ...this.#now(leg, legs) });
  }

  /** Of whom, and when: of what we tell in the switch's place. */
  #now(leg: LegId, legs: Legs): { box: string; leg: LegId; atUs: number } {
    return { box: legs.get(leg)?.box ?? "", leg, atUs: this.#parts.clock.nowUs() };
  }

  /** The next controller does again what this one does not end; the row goes with the commit of its outcome. */
  #doApart(intent: StoredIntent, command: ApartCommand, box: Switch | undefined): void {
    const over = this.#done.begin(intent);
    void this.#outcomeKept(intent, command, box)
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted)
          this.#parts.log.error(
            { err: error, callId: intent.callId, command: command.kind },
            "an outcome was lost",
          );
      })
      .finally(over);
  }

  async #outcomeKept(intent: StoredIntent, command: ApartCommand, box: Switch | undefined): Promise<void> {
    switch (command.kind) {
      case "ask":
        return this.#keepFact(intent, await this.#ask(command));
      case "prepareMedia":
        return this.#keepFact(intent, await this.#prepareMedia(intent, command));
      case "findHost":
        return this.#keepFact(intent, await this.#findHost(command));
      case "stream":
        return this.#stream(intent, command, box);
    }
  }

  /**
   * Never rejects. While the database is away what came of it is held here: a customer's server is not asked twice for our sake. Also
   * whoever stops tries once.
   */
  async #keepFact(intent: IntentRow, fact: DocumentFact): Promise<void> {
    const { clock, store, log } = this.#parts;
    const { signal } = this.#stopping;
    for (let delayMs = retryMsMin; ; delayMs = Math.min(delayMs * 2, retryMsMax)) {
      try {
        await this.#parts.fact(intent, fact);
        return;
      } catch (error) {
        // It stays to be done again, by the next controller.
        if (signal.aborted) return;
        log.error(
          { err: error, callId: intent.callId, fact: fact.kind },
          "a step's fact could not be stored",
        );
        if (!isError(error, "database.unavailable")) break;
        await clock.sleep(delayMs, signal).catch(() => undefined);
      }
    }
    // Done again it would come to the same: the step's own time ends its wait.
    await store
      .write((tx) => deleteIntent(tx, intent.id))
      .catch((error: unknown) => {
        log.error({ err: error, callId: intent.callId, fact: fact.kind }, "an outcome was lost");
      });
  }

  /** The row is marked as begun, so that whoever does it again knows that the leg has a fork, and tells the bot. */
  async #stream(
    intent: IntentRow,
    { leg, token, request }: Extract<ApartCommand, { kind: "stream" }>,
    box: Switch | undefined,
  ): Promise<void> {
    const { store, clock, streams } = this.#parts;
    const { id, callId } = intent;
    const { call, isFirst } = await store.write(async (tx) => ({
      // Held, so that whoever drops the step meanwhile comes after us, and finds the stream.
      call: isId("conf", callId) ? undefined : await callToChange(tx, callId),
      isFirst: await markIntentSent(tx, id, clock.nowMs()),
    }));
    // Dropped, or hung up, before it was begun, or while no controller ran.
    if (!box || !call || !isStepOf(call, token)) {
      await store.write((tx) => deleteIntent(tx, id));
      return;
    }
    await streams.run({
      ...{ call, leg, token, request, resumed: !isFirst, box },
      started: (fact) => this.#parts.progress(call.id, fact),
      ended: (fact) => this.#keepFact(intent, fact),
    });
  }

  /** A question that cannot even be put has failed like one that nobody answers. */
  async #ask(command: Extract<ApartCommand, { kind: "ask" }>): Promise<DocumentFact> {
    const { token, event, url } = command;
    const { signal } = this.#stopping;
    const asked = await this.#parts.questioner.ask(command, signal).catch((error: unknown): Asked => {
      if (signal.aborted) throw error;
      this.#parts.log.error({ err: error, event }, "a question could not be put");
      return { tries: [], answer: null };
    });
    return { kind: "asked", token, event, url, ...asked };
  }

  async #findHost({ host, token }: Extract<ApartCommand, { kind: "findHost" }>): Promise<DocumentFact> {
    const { signal } = this.#stopping;
    try {
      return { kind: "hostFound", token, address: await this.#parts.sipAddressOf(host, signal) };
    } catch (error) {
      if (signal.aborted || !isError(error, "sip.host_not_allowed")) throw error;
      return { kind: "hostRefused", token, code: error.code, message: error.message };
    }
  }

  #prepareMedia(
    { workspaceId }: StoredIntent,
    { source, token }: Extract<ApartCommand, { kind: "prepareMedia" }>,
  ): Promise<DocumentFact> {
    return this.#parts.media.prepare(source, workspaceId).then(
      (prepared): DocumentFact => ({ kind: "mediaReady", token, ...prepared }),
      (error: unknown): DocumentFact => {
        // The library closes behind us: that is no fault of the file.
        if (this.#stopping.signal.aborted) throw error;
        return {
          ...{ kind: "mediaFailed", token, reason: reasonOf(error) },
          ...(error instanceof MediaError && error.origin && { origin: error.origin }),
        };
      },
    );
  }
}

const isUp = (leg: LegId, legs: Legs): boolean => legs.get(leg)?.endedAtUs === null;

const dialledBy = (commands: readonly Command[]): LegId[] =>
  commands.flatMap((command) => (command.kind === "originate" ? legsOf(command) : []));

function legsOf(command: Command): LegId[] {
  if (command.kind === "originate") return command.originate.branches.map((branch) => branch.leg);
  return "leg" in command && command.leg !== null ? [command.leg] : [];
}

const reasonOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : "failed";
