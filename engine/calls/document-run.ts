import { itemOf, type Document } from "../actions/document.ts";
import type { Effect, Scene, Step, StepFact } from "../actions/verb.ts";
import { SautikitError } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import type { CallChange } from "./call-change.ts";

/** The running document, as it is stored with the call after each step. */
export interface Running {
  actions: Document;
  /** Index of the running action; -1: none yet. */
  position: number;
  /** Counts steps, so that what comes back to an old one is told from the new. */
  step: number;
  state: JsonObject | null;
  /** The call is ending: nothing more runs, but what the running step dialled is still told of. */
  ending?: true;
}

/** Dials a second leg for the running step; throws a SautikitError where it must not. */
export type DialLeg = (
  change: CallChange,
  request: Extract<Effect, { kind: "dial" }>["request"],
) => Promise<StepFact>;

/** Runs a call's document: its pure verbs decide, this stores where it stands and hands on what follows. */
export class DocumentRun {
  readonly #dialLeg: DialLeg;

  constructor(dialLeg: DialLeg) {
    this.#dialLeg = dialLeg;
  }

  /** The leg was answered: the document that came with the call begins. Without one the call stays up, silent. */
  async begin(change: CallChange): Promise<void> {
    const running = runningOf(change);
    if (running?.position === -1) await this.#next(change, running);
  }

  /** Something happened; the running step may take it up. */
  async feed(change: CallChange, fact: StepFact): Promise<void> {
    const running = runningOf(change);
    const item = running?.actions[running.position];
    if (!running || !item || running.state === null) return;
    if (running.ending && fact.kind !== "legEnded") return;
    const step = itemOf(item).verb.on(running.state, fact, sceneOf(change, running));
    if (step) await this.#take(change, running, step);
  }

  async #next(change: CallChange, before: Running): Promise<void> {
    if (before.ending) {
      store(change, null);
      return;
    }
    const running: Running = { ...before, position: before.position + 1, step: before.step + 1, state: null };
    const item = running.actions[running.position];
    if (!item) {
      store(change, null);
      await change.emit("document.ended", {});
      this.#hangUp(change);
      return;
    }
    const { verb, spec } = itemOf(item);
    store(change, running);
    await change.emit("action.started", { verb: verb.name, index: running.position });
    await this.#take(change, running, verb.begin(spec, sceneOf(change, running)));
  }

  async #take(change: CallChange, running: Running, step: Step<JsonObject>): Promise<void> {
    const now: Running = { ...running, state: step.state };
    store(change, now, step.state === null ? undefined : step.wakeAtMs);
    const facts: StepFact[] = [];
    for (const effect of step.effects) {
      const fact = await this.#effect(change, now, effect);
      if (fact) facts.push(fact);
    }
    // A hang-up drops the document: nothing follows it.
    if (change.call.document === null) return;
    if (step.state === null) await this.#next(change, now);
    for (const fact of facts) await this.feed(change, fact);
  }

  async #effect(change: CallChange, running: Running, effect: Effect): Promise<StepFact | undefined> {
    switch (effect.kind) {
      case "command":
        // Every leg of a call that ends is being hung up: nothing is left to be done to them.
        if (!running.ending) change.intend(effect.command);
        return undefined;
      case "event":
        await change.emit(effect.event, effect.payload);
        return undefined;
      case "hangUp":
        store(change, null);
        this.#hangUp(change);
        return undefined;
      case "dial":
        try {
          return await this.#dialLeg(change, effect.request);
        } catch (error) {
          if (!(error instanceof SautikitError)) throw error;
          return { kind: "dialRefused", code: error.code, message: error.message };
        }
    }
  }

  #hangUp(change: CallChange): void {
    change.intend({ kind: "hangUp", leg: change.firstLeg.id, cause: "NORMAL_CLEARING" });
  }
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

const sceneOf = (change: CallChange, running: Running): Scene => ({
  leg: change.firstLeg.id,
  nowMs: change.nowMs,
  token: `${change.call.id}-${running.step}`,
  more: running.position + 1 < running.actions.length,
});
