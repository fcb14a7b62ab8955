import { itemOf, knownItem, type Document } from "../actions/document.ts";
import type { Effect, Scene, Step, StepFact } from "../actions/verb.ts";
import type { Asked } from "../actions/voice-url.ts";
import { SautikitError } from "../errors.ts";
import type { EventId, LegId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { DialSpec } from "../actions/dial-spec.ts";
import { numberById, type NumberRow } from "../store/numbers.ts";
import { CallRefused } from "../policy/refusal.ts";
import { callEventById, type CallRow } from "../store/calls.ts";
import type { HangupCause } from "../switch/switch.ts";
import type { CallChange } from "./call-change.ts";
import { newRecording } from "./dialing.ts";
import { enterRoom, leaveRoom, setRoomMusic } from "./conference.ts";
import { ringableNow } from "./ringable-devices.ts";

/** The running document, as it is stored with the call after each step. */
export interface Running {
  actions: Document;
  /** Index of the running action; -1: none yet. */
  position: number;
  /** Counts steps, so that what comes back to an old one is told from the new. */
  step: number;
  state: JsonObject | null;
  /** It begins once these legs, of what ran before it, have ended. */
  after?: LegId[];
  /** The voice URL was asked, and nothing else runs until it has answered. */
  asking?: { token: string };
  /** The action at `position` begins once the switch has answered the caller. */
  answering?: true;
  /** Digits that no action has taken yet. */
  typed?: string;
  /** How often in a row a document did nothing but name the next. */
  redirects?: number;
  /** When the last document came, and how many in a row came within a second of the one before. */
  hurry?: { atMs: number; documents: number };
  /** It is our own, and says only that something is wrong; then the call ends. */
  apology?: true;
  /**
   * It is our own, and puts the caller through: not answered before the callee is, and nobody is asked what comes after.
   */
  putsThrough?: true;
  /** The call is ending: nothing more runs, but what the running step dialled is still told of. */
  ending?: true;
}

/** What can happen to a document: to its running step, or the voice URL's answer, which takes its place. */
export type DocumentFact = StepFact | ({ kind: "asked"; token: string; event: EventId; url: string } & Asked);

const apology: Document = [{ say: { text: "We are sorry. Something is wrong with this service. Goodbye." } }];

/** Dials a second leg for the running step; throws a SautikitError where it must not. */
export type DialLeg = (
  change: CallChange,
  request: Extract<Effect, { kind: "dial" }>["request"],
) => Promise<StepFact>;

const redirectsMax = 20;
/** Documents that each take less than a second, in a row: one that dials nobody, and is asked for at once again. */
const hurriedMax = 30;
const hurriedMs = 1_000;
const typedMax = 64;
/** The tries have their own limits; an answer that is lost after them ends here. */
const askingMsMax = 60_000;
/** Seconds that whom we put somebody through to may ring. */
const numberRings = 80;
const deviceRings = 45;
/** The switch answers a caller at once, or not at all. */
const answeringMsMax = 10_000;

/**
 * The legs of a dropped action are being hung up, or leave their room; one of which that is never told holds up nothing
 * for longer.
 */
const dropMsMax = 10_000;

/** Runs a call's document: its pure verbs decide, this stores where it stands and hands on what follows. */
export class DocumentRun {
  readonly #dialLeg: DialLeg;

  constructor(dialLeg: DialLeg) {
    this.#dialLeg = dialLeg;
  }

  /**
   * A call came to us: the voice URL is asked before anybody answers it; without one its number's devices ring, and where
   * they are not to, nobody ever would answer.
   */
  async arrived(change: CallChange, atMs: number): Promise<void> {
    if (asks(change))
      return this.#ask(change, noDocument, { kind: "ask", event: "call.started", payload: {} }, atMs);
    await change.emit("call.started", {}, atMs);
    const number = await numberOf(change);
    if (number?.ringSip === 1)
      return this.#putThrough(change, 0, { sip: `sip:${number.e164}`, timeout: deviceRings });
    this.#hangUp(change, "SUBSCRIBER_ABSENT");
  }

  /** A device of the workspace's placed it: it goes to that number, and the device is answered when that is. */
  async placedByDevice(change: CallChange, to: string, atMs: number): Promise<void> {
    await change.emit("call.started", {}, atMs);
    await this.#putThrough(change, 0, { number: to, timeout: numberRings });
  }

  /**
   * The first leg was answered. A call to us: by what its document does next, which begins now. One of ours: the document
   * that came with it begins; without one the voice URL is asked; without that the call stays up, silent.
   */
  async begin(change: CallChange, payload: JsonObject, atMs: number): Promise<void> {
    const running = runningOf(change);
    const { direction, hangupRequestedAtMs } = change.call;
    if (running || hangupRequestedAtMs !== null || direction === "inbound") {
      await change.emit("call.answered", payload, atMs);
      if (running?.answering) await this.#run(change, running);
      else if (running?.position === -1 && running.asking === undefined) await this.#next(change, running);
      return;
    }
    await this.#ask(change, noDocument, { kind: "ask", event: "call.answered", payload }, atMs);
  }

  /**
   * What the call is doing is dropped, and this document takes its place: at once, or, where the first leg is not
   * answered yet, at its answer.
   */
  async replace(change: CallChange, actions: Document): Promise<void> {
    const before = runningOf(change);
    const item = before?.actions[before.position];
    const dropped =
      before && item && before.state !== null
        ? knownItem(item)?.verb.drop?.(before.state, sceneOf(change, before))
        : undefined;
    for (const effect of dropped?.effects ?? []) await this.#effect(change, before ?? noDocument, effect);
    const running: Running = { actions, position: -1, step: (before?.step ?? 0) + 1, state: null };
    // Also what an earlier replacement waits for.
    const after = [...(before?.after ?? []), ...(dropped?.after ?? [])].filter(
      (leg) => change.leg(leg)?.endedAtUs === null,
    );
    await change.emit("document.replaced", { actions: actions.length });
    // Of several that ring one may be answered before it is known which of them has the call.
    if (change.call.answeredAtUs === null && !isWaiting(change)) store(change, running);
    else if (after.length > 0) store(change, { ...running, after }, change.steadyMs + dropMsMax);
    else await this.#next(change, running);
  }

  /** Something happened; whether the running step took it up. */
  async feed(change: CallChange, fact: DocumentFact): Promise<boolean> {
    if (fact.kind === "asked") await tellTries(change, fact);
    const running = runningOf(change);
    if (!running) return false;
    if (running.asking !== undefined || running.after !== undefined || running.answering) {
      await this.#waits(change, running, fact);
      return false;
    }
    // An answer to what is no longer asked.
    if (fact.kind === "asked") return false;
    if (running.ending && !toldOfEnd.includes(fact.kind)) return false;
    const item = running.actions[running.position];
    const step =
      item && running.state !== null
        ? // What a newer version runs it takes up again when it is back; the call's end is not held up by it.
          (knownItem(item)?.verb.on(running.state, fact, sceneOf(change, running)) ?? null)
        : null;
    if (step) await this.#take(change, running, step);
    else if (fact.kind === "digit") keepTyped(change, running, fact);
    return step !== null;
  }

  /** The leg that it speaks to was taken up again: what waited for it has its time anew, and what is due is due now. */
  async adopted(change: CallChange): Promise<void> {
    await this.feed(change, { kind: "adopted" });
    const { wakeAtMs } = change.call;
    if (wakeAtMs !== null && wakeAtMs <= change.steadyMs) await this.feed(change, { kind: "wake" });
  }

  /** Between two actions: the voice URL is asked, the caller is being answered, or dropped legs have yet to end. */
  async #waits(change: CallChange, running: Running, fact: DocumentFact): Promise<void> {
    if (running.asking !== undefined) {
      if (fact.kind === "asked" && fact.token === running.asking.token)
        await this.#answered(change, running, fact.answer);
      else if (fact.kind === "wake") await this.#answered(change, running, null);
      else if (fact.kind === "adopted") store(change, running, change.steadyMs + askingMsMax);
      else if (fact.kind === "digit") keepTyped(change, running, fact);
      return;
    }
    if (fact.kind === "asked") return;
    if (running.after !== undefined) return this.#afterDropped(change, running, fact);
    if (fact.kind === "wake") await this.#notAnswered(change);
    else if (fact.kind === "adopted") store(change, running, change.steadyMs + answeringMsMax);
    else if (fact.kind === "digit") keepTyped(change, running, fact);
  }

  async #next(change: CallChange, before: Running): Promise<void> {
    if (before.ending) {
      store(change, null);
      return;
    }
    const { redirects = 0, ...rest } = before;
    const running: Running = { ...rest, position: before.position + 1, step: before.step + 1, state: null };
    const item = running.actions[running.position];
    if (!item) {
      // A question without instructions, and nothing that ran before it: the call stays as it is. A caller has nowhere to go.
      if (running.actions.length === 0 && !isWaiting(change))
        return store(change, { ...before, position: -1 });
      store(change, null);
      if (running.actions.length === 0) return this.#hangUp(change);
      await change.emit("document.ended", {});
      if (running.apology) this.#hangUp(change, "NORMAL_TEMPORARY_FAILURE");
      else this.#hangUp(change, running.putsThrough ? calleesCause(change) : undefined);
      return;
    }
    const known = knownItem(item);
    if (known === null) {
      const path = `actions[${running.position}]`;
      const reason = "is an action that this version does not know";
      return this.#invalid(change, running.step, { path, code: "unknown", reason });
    }
    const { verb } = known;
    if (verb.name === "redirect") {
      if (redirects >= redirectsMax) {
        const reason = `is the ${redirectsMax + 1}st redirect in a row`;
        const path = `actions[${running.position}].redirect`;
        return this.#invalid(change, running.step, { path, code: "too_many", reason });
      }
      running.redirects = redirects + 1;
    }
    if (verb.needsAnswer === true && isWaiting(change) && !running.putsThrough) {
      store(change, { ...running, answering: true }, change.steadyMs + answeringMsMax);
      return change.intend({ kind: "answer", leg: change.firstLeg.id });
    }
    return this.#run(change, running);
  }

  async #run(change: CallChange, before: Running): Promise<void> {
    const running = { ...before };
    delete running.answering;
    const item = running.actions[running.position];
    if (!item) return;
    const { verb, spec } = itemOf(item);
    store(change, running);
    await change.emit("action.started", { verb: verb.name, index: running.position });
    await this.#take(change, running, verb.begin(spec, sceneOf(change, running)));
  }

  async #notAnswered(change: CallChange): Promise<void> {
    store(change, null);
    await change.emit("answer.failed", {});
    this.#hangUp(change, "DESTINATION_OUT_OF_ORDER");
  }

  async #take(change: CallChange, running: Running, step: Step<JsonObject>): Promise<void> {
    const now: Running = { ...running, state: step.state };
    if (step.typed !== undefined) now.typed = step.typed;
    store(change, now, step.state === null ? undefined : step.wakeAtMs);
    const facts: StepFact[] = [];
    for (const effect of step.effects) {
      const fact = await this.#effect(change, now, effect);
      if (fact) facts.push(fact);
    }
    // A hang-up drops the document, and a question waits for its answer: nothing follows it.
    const after = runningOf(change);
    if (after === null || after.asking !== undefined) return;
    if (step.state === null) await this.#next(change, after);
    for (const fact of facts) await this.feed(change, fact);
  }

  async #effect(change: CallChange, running: Running, effect: Effect): Promise<StepFact | undefined> {
    switch (effect.kind) {
      case "command":
        // Every leg of a call that ends is being hung up: nothing is left to be done to them.
        if (!running.ending) change.intend(effect.command);
        return undefined;
      case "event":
        await change.emit(effect.event, effect.payload, undefined, effect.also);
        return undefined;
      case "enterRoom":
        return enterRoom(change, effect.request);
      case "roomMusic":
        await setRoomMusic(change, effect.room, effect.file);
        return undefined;
      case "leaveRoom":
        await leaveRoom(change, effect.room, effect.reason);
        return undefined;
      case "ask":
        if (running.ending || running.putsThrough) await change.emit(effect.event, effect.payload);
        else await this.#ask(change, running, effect);
        return undefined;
      case "hangUp":
        store(change, null);
        this.#hangUp(change, effect.cause);
        return undefined;
      case "record": {
        const recording = await newRecording(change, change.firstLeg, effect);
        const leg = change.firstLeg.id;
        change.intend({ kind: "recordUntil", leg, recording, ends: effect.ends });
        return { kind: "recordingBegun", recording };
      }
      case "dial":
        try {
          return await this.#dialLeg(change, effect.request);
        } catch (error) {
          if (!(error instanceof SautikitError)) throw error;
          const reason = error instanceof CallRefused ? error.reason : null;
          return { kind: "dialRefused", code: error.code, reason, message: error.message };
        }
    }
  }

  /** Tells the event; where there is a URL to ask, nothing else runs until it has answered. */
  async #ask(
    change: CallChange,
    running: Running,
    { event, payload, url, method = "POST" }: Extract<Effect, { kind: "ask" }>,
    atMs?: number,
  ): Promise<void> {
    const asked = url ?? change.call.voiceCallbackUrl;
    if (asked === null || change.call.numberId === null) return change.emit(event, payload, atMs);
    const { token } = sceneOf(change, running);
    store(change, { ...running, asking: { token } }, change.steadyMs + askingMsMax);
    await change.ask(event, payload, { url: asked, method, token }, atMs);
  }

  async #afterDropped(
    change: CallChange,
    { after = [], ...running }: Running,
    fact: StepFact,
  ): Promise<void> {
    const isOver = fact.kind === "legEnded" || fact.kind === "roomLeft";
    const left = after.filter((leg) => !isOver || fact.leg !== leg);
    if (left.length === 0 || fact.kind === "wake") await this.#next(change, running);
    else if (fact.kind === "digit") keepTyped(change, { ...running, after }, fact);
    else store(change, { ...running, after: left }, change.call.wakeAtMs ?? undefined);
  }

  async #answered(
    change: CallChange,
    asked: Running,
    answer: Extract<DocumentFact, { kind: "asked" }>["answer"],
  ): Promise<void> {
    const { step, typed = "", redirects = 0 } = asked;
    if (answer === null) {
      // A caller is put through, or told; whom we called is left in peace.
      if (change.call.direction === "inbound") return this.#fallBack(change, step);
      store(change, null);
      this.#hangUp(change);
      return;
    }
    switch (answer.kind) {
      case "document": {
        const { actions } = answer;
        const hurry = hurried(asked, change.steadyMs);
        if (hurry.documents > hurriedMax) {
          const reason = `is the ${hurry.documents}st in a row that came within a second of the one before`;
          return this.#invalid(change, step, { path: "actions", code: "too_many", reason });
        }
        return this.#next(change, { actions, position: -1, step, state: null, typed, redirects, hurry });
      }
      case "none": {
        const { actions, position, hurry } = asked;
        const going: Running = { actions, position, step, state: null, typed, redirects };
        return this.#next(change, hurry === undefined ? going : { ...going, hurry });
      }
      case "invalid":
        return this.#invalid(change, step, answer);
    }
  }

  async #invalid(
    change: CallChange,
    step: number,
    { path, code, reason }: { path: string; code: string; reason: string },
  ): Promise<void> {
    await change.emit("document.invalid", { path, code, reason });
    await this.#apologise(change, step);
  }

  /** The voice URL is of no use: the number's devices are, if any is registered. */
  async #fallBack(change: CallChange, step: number): Promise<void> {
    const number = await numberOf(change);
    const devices = number && (await ringableNow(change, { number: number.id }));
    if (!number || !devices || devices.length === 0) return this.#apologise(change, step);
    await this.#putThrough(change, step, { sip: `sip:${number.e164}`, timeout: deviceRings });
  }

  #putThrough(change: CallChange, step: number, dial: DialSpec): Promise<void> {
    return this.#next(change, { actions: [{ dial }], position: -1, step, state: null, putsThrough: true });
  }

  #apologise(change: CallChange, step: number): Promise<void> {
    return this.#next(change, { actions: apology, position: -1, step, state: null, apology: true });
  }

  /** `refusal`: what a caller who still waits is told. */
  #hangUp(change: CallChange, refusal: HangupCause = "CALL_REJECTED"): void {
    const cause = isWaiting(change) ? refusal : "NORMAL_CLEARING";
    change.intend({ kind: "hangUp", leg: change.firstLeg.id, cause });
  }
}

const numberOf = async ({ call, tx }: CallChange): Promise<NumberRow | undefined> =>
  call.numberId === null ? undefined : numberById(tx, call.numberId);

/**
 * What one who was to be put through is told where that came to nothing: what the callee's side said, the last of several;
 * where there was no such leg, that nobody is there.
 */
function calleesCause({ legs, firstLeg }: CallChange): HangupCause {
  const cause = legs.findLast((leg) => leg !== firstLeg && leg.hangupCause !== null)?.hangupCause;
  if (cause == null) return "SUBSCRIBER_ABSENT";
  const named = cause.toUpperCase() as HangupCause;
  // Said by us, of a leg that rang too long or beside another.
  return ["ORIGINATOR_CANCEL", "LOSE_RACE", "PICKED_OFF", "NORMAL_CLEARING", "ALLOTTED_TIMEOUT"].includes(
    named,
  )
    ? "NO_ANSWER"
    : named;
}

const hurried = ({ hurry }: Running, nowMs: number): { atMs: number; documents: number } => ({
  atMs: nowMs,
  documents: hurry !== undefined && nowMs - hurry.atMs < hurriedMs ? hurry.documents + 1 : 1,
});

/** What a call that is ending still tells of what its step did. */
const toldOfEnd: DocumentFact["kind"][] = ["legEnded", "recordingEnded", "streamEnded"];

/** Whether the call's document is at the step with that token, and the step runs. */
export function isStepOf(call: CallRow, token: string): boolean {
  const running = call.document === null ? null : (JSON.parse(call.document) as Running);
  return running?.state != null && running.asking === undefined && tokenOf(call, running) === token;
}

/** A caller whom nobody has answered. */
const isWaiting = ({ firstLeg }: CallChange): boolean =>
  firstLeg.direction === "inbound" && firstLeg.answeredAtUs === null;

const asks = ({ call }: CallChange): boolean => call.voiceCallbackUrl !== null && call.numberId !== null;

const noDocument: Running = { actions: [], position: -1, step: 0, state: null };

/** What each try of a question came to; where the URL did not take it, it is told as an event, whoever else answered. */
async function tellTries(
  change: CallChange,
  { event, url: asked, tries }: Extract<DocumentFact, { kind: "asked" }>,
): Promise<void> {
  const row = await callEventById(change.tx, event);
  if (!row) return;
  let taken = false;
  for (const { url, status, fault, latencyMs, answer: text, noDocument } of tries) {
    const answered = status !== null && status >= 200 && status <= 299;
    taken ||= answered && url === asked;
    await change.emit(answered ? "voice_url.answered" : "voice_url.failed", {
      ...{ asked: row.kind, event_id: event, url, status, fault },
      ...{ latency_ms: latencyMs, answer: text },
      ...(answered && { no_document: noDocument?.code ?? null }),
      ...(noDocument?.code === "broken_json" && { json_error: noDocument.parserSays }),
    });
  }
  if (!taken) await change.tellUnanswered(row, asked);
}

function keepTyped(
  change: CallChange,
  running: Running,
  { leg, digit }: Extract<StepFact, { kind: "digit" }>,
): void {
  if (leg !== change.firstLeg.id || (running.typed ?? "").length >= typedMax) return;
  store(change, { ...running, typed: (running.typed ?? "") + digit }, change.call.wakeAtMs ?? undefined);
}

/** The call is ending, so no further action begins. Whatever leg ends first, a dial's outcome is told once its leg has. */
export function endDocument(change: CallChange): void {
  const running = runningOf(change);
  store(change, running && running.state !== null ? { ...running, ending: true } : null);
}

function runningOf(change: CallChange): Running | null {
  return change.call.document === null ? null : (JSON.parse(change.call.document) as Running);
}

function store(change: CallChange, running: Running | null, wakeAtMs?: number): void {
  change.setCall({ document: running && JSON.stringify(running), wakeAtMs: wakeAtMs ?? null });
}

const tokenOf = (call: CallRow, { step }: Running) => `${call.id}-${step}`;

const sceneOf = (change: CallChange, running: Running): Scene => ({
  leg: change.firstLeg.id,
  answered: !isWaiting(change),
  nowMs: change.steadyMs,
  token: tokenOf(change.call, running),
  more: running.position + 1 < running.actions.length,
  asks: asks(change),
  typed: running.typed ?? "",
});
