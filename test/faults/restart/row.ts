import assert from "node:assert/strict";
import { command, type Held } from "../../peers/esl-proxy.ts";
import type { PlacedCallView, Placing } from "../../peers/carrier-process.ts";
import type { AskedQuestion, Reply } from "../../peers/voice-server.ts";
import { eventually } from "../../peers/waiting.ts";
import type { ApiCall } from "../../world/customer.ts";
import type { Stage } from "./stage.ts";

/** A verb in a phase, and what becomes of it when the controller dies there: a line of docs/restart.md. */
export interface Row {
  verb: string;
  /** Of the kill. */
  moment: string;
  then: string;
  act: (call: RowCall) => Promise<void>;
}

/** Presses, and so sends back, each digit that it is sent; says 440 Hz. */
export const echo = "+254700000004";

/** What the document did, in the order of the call's events. */
const told = [
  "action.started",
  "play.finished",
  "play.failed",
  "say.finished",
  "say.failed",
  "call.digits",
  "call.recorded",
  "call.redirected",
  "call.dial_completed",
  "call.stream_ended",
  "conference.refused",
  "conference.left",
  "dial.ringback_failed",
  "document.replaced",
  "document.invalid",
  "document.ended",
  "call.completed",
  "call.failed",
];

/** One row's call, and the moments at which it meets the others of its batch. */
export class RowCall {
  /** Shown to whoever is called, and nobody else's. */
  readonly from: string;
  /** Of its voice URL. */
  readonly path: string;
  id = "";
  #sip = "";
  #to = "";
  readonly #stage: Stage;

  constructor(stage: Stage, number: number) {
    this.#stage = stage;
    this.from = stage.numberOf(number);
    this.path = `/row-${number}`;
  }

  /** An address of a tone, fetched whenever it is asked for. */
  tone = (hz: number, seconds: number): string => this.#stage.tones.url(hz, seconds);
  /** The first who fetches it is never answered. */
  toneAtSecondTry = (hz: number, seconds: number): string =>
    this.#stage.tones.url(hz, seconds, `second-try-of-${this.path.slice(1)}`);
  voiceUrl = (path = ""): string => this.#stage.voice.url(this.path + path);
  get fetched(): (path: string) => number {
    return this.#stage.tones.fetched;
  }

  /** What its voice URL answers, at each question but that of its answer the next; the last one stays. Else `OK`. */
  answers(...replies: (Reply | object | Promise<object>)[]): void {
    let next = 0;
    this.#stage.answer(this.path, ({ body }) =>
      body.kind === "call.answered"
        ? { text: "OK" }
        : (replies[Math.min(next++, replies.length - 1)] ?? { text: "OK" }),
    );
  }

  /** Every time that its voice URL was asked so. */
  asked = (kind: string): AskedQuestion[] =>
    this.#stage.voice.of(kind).filter(({ body }) => body.data?.["call_id"] === this.id);

  async place(actions: object[] | null, to = echo): Promise<void> {
    this.#to = to;
    this.id = await this.#stage.world.customer.place({
      ...{ from: this.from, to, voice_callback_url: this.voiceUrl() },
      events_url: this.#stage.world.inbox.url,
      ...(actions === null ? {} : { actions }),
    });
  }

  /** Of the API: what it does is dropped, and this done. */
  async direct(actions: object[]): Promise<void> {
    const answer = await this.#stage.world.customer.ask("POST", `/v1/calls/${this.id}/actions`, {
      body: { actions },
    });
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
  }

  until = (what: string, when: (call: ApiCall) => boolean): Promise<ApiCall> =>
    this.#stage.world.customer.until(this.id, what, when, 40_000);
  event = (kind: string, nth = 1): Promise<ApiCall> =>
    this.until(`${kind} #${nth}`, ({ events }) => events.filter((one) => one.kind === kind).length >= nth);
  answered = (): Promise<ApiCall> => this.until("its answer", ({ status }) => status === "answered");

  /** The switch has the party pressed these, whether or not a controller is there. */
  async presses(digits: string): Promise<void> {
    await this.#stage.witness.press(await this.#stage.legOf(this.id), digits);
  }

  /** Such a thing is in the document as it is stored. */
  has = (text: string): Promise<unknown> =>
    eventually(`${text} in the document`, async () => {
      const row = await this.#stage.world.store.read((tx) =>
        tx.get<{ document: string | null }>("SELECT document FROM calls WHERE id = ?", [this.id]),
      );
      return row?.document?.includes(text) ? true : undefined;
    });

  /** The switch has told the end of so many prompts of its leg. */
  async played(count = 1): Promise<void> {
    const leg = await this.#stage.legOf(this.id);
    await this.#stage.witness.event(leg, "playbackEnded", count);
  }
  async recorded(): Promise<void> {
    const leg = await this.#stage.legOf(this.id);
    await this.#stage.witness.event(leg, "recordingStopped");
  }
  async bridged(): Promise<void> {
    const [mine, other] = await this.#stage.legsOf(this.id);
    await this.#stage.witness.bridged([mine!, other!]);
  }

  /** Does it, and resolves once such a command for the first leg is on its way to the switch, where it is held. */
  async held(kind: RegExp, act: () => Promise<unknown>): Promise<Held> {
    return this.heldAnywhere(kind, act, await this.#stage.legOf(this.id));
  }
  /** The same of any leg: nobody else of the batch has such a command sent. */
  async heldAnywhere(kind: RegExp, act: () => Promise<unknown>, leg = ""): Promise<Held> {
    const [held] = await Promise.all([this.#stage.proxy.hold(command(kind, leg)), act()]);
    return held;
  }

  /** The others of the batch are where they are to be killed: what is only there for a moment can begin. */
  others = () => this.#stage.others();
  /** The switch goes out of reach, once all of the batch are ready for it. */
  apart = () => this.#stage.meet("apart");
  /** The controller is killed. `answer` is called in the last moment, when nothing can be stored any more. */
  dies = (answer?: () => void) => {
    if (answer) this.#stage.lastWords.push(answer);
    return this.#stage.meet("dies");
  };
  /** The next one is started, and ready. */
  returns = () => this.#stage.meet("returns");

  ended = (): Promise<ApiCall> => this.#stage.world.customer.ended(this.id, 60_000);

  /** How its party heard it, and what they were sent. */
  async party(): Promise<{ digits: string; seconds: (hz: number) => number }> {
    const calls = await this.#stage.world.carrier.calls();
    const mine = calls.filter((call) => call.from === this.from && call.number === this.#to);
    assert.equal(mine.length, 1, `${mine.length} INVITEs`);
    return {
      digits: mine[0]!.digits,
      seconds: (hz) =>
        mine[0]!.heard.reduce(
          (sum, tone) => sum + (tone.hz !== null && Math.abs(tone.hz - hz) <= 5 ? tone.seconds : 0),
          0,
        ),
    };
  }

  /** Whom it dials: rings for a second, answers with 440 Hz, and stays. */
  get callee(): string {
    return `+2547119${this.from.slice(-5)}`;
  }
  /** How often it rang there. */
  async calls(number: string) {
    const calls = await this.#stage.world.carrier.calls();
    return calls.filter((call) => call.number === number && call.from === this.from);
  }
  /** The callee's leg ends at the switch, as if they had hung up. */
  async hangsUpCallee(): Promise<void> {
    const { legs } = await this.#stage.world.customer.call(this.id);
    await this.#stage.witness.hangUp(legs[1]!.id);
  }
  /** They have hung up, though no controller heard of it. */
  async calleeHungUp(): Promise<void> {
    const [, callee] = await this.#stage.legsOf(this.id);
    await this.#stage.witness.event(callee!, "hungUp");
  }

  /** Its own room. */
  get room(): string {
    return this.path.slice(1);
  }
  /** Another one comes to it; their call. */
  joinsRoom(more: Record<string, unknown> = {}): Promise<string> {
    const actions = [{ conference: { name: this.room, ...more } }];
    return this.#stage.world.customer.place({ from: this.from, to: this.callee, actions });
  }
  /** Of the API: all leave. */
  async endsRoom(): Promise<void> {
    const path = `/v1/conferences/${this.room}/commands`;
    const answer = await this.#stage.world.customer.ask("POST", path, { body: { command: "end" } });
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
  }
  /** At the switch, as if they had hung up: the party itself, or that of another call. */
  hangsUp = (): Promise<void> => this.hangsUpOther(this.id);
  async hangsUpOther(callId: string): Promise<void> {
    const leg = await this.#stage.legOf(callId);
    await this.#stage.witness.hangUp(leg);
    await this.#stage.witness.event(leg, "hungUp");
  }

  /** Asked by the controller that died, and by the next one, and the same both times. */
  checkAskedTwice(kind: string): void {
    const ids = this.asked(kind).map(({ body }) => body.event_id);
    assert.equal(ids.length, 2, `${kind} was asked ${ids.length} times`);
    assert.equal(new Set(ids).size, 1, "with one event_id");
  }

  /** Somebody of that number calls ours; resolves once the call was taken in. */
  async callsIn(more: Partial<Placing> = {}): Promise<void> {
    const { world } = this.#stage;
    const caller = this.from.replace("+2542", "+2547");
    await this.#stage.voiceOf(this.from, this.voiceUrl());
    const { host, port } = world.switch.sip;
    this.#sip = await world.carrier.place({
      from: caller,
      to: this.from,
      switch: `${host}:${port}`,
      ...more,
    });
    this.id = await eventually("the call", async () => {
      const row = await world.store.read((tx) =>
        tx.get<{ id: string }>("SELECT id FROM calls WHERE from_e164 = ?", [caller]),
      );
      return row?.id;
    });
  }
  /** The caller's own account. */
  caller = (when: (call: PlacedCallView) => boolean): Promise<PlacedCallView> =>
    this.#stage.world.carrier.placed(this.#sip, when);

  /** What came of it by its events, from its first action on. */
  story({ events }: ApiCall): string[] {
    return events
      .filter(({ kind }) => told.includes(kind))
      .map(({ kind, payload }) => {
        if (kind === "action.started") return String(payload["verb"]);
        const detail = ["reason", "digits", "dial_status"]
          .map((key) => payload[key])
          .find((value) => value != null);
        return typeof detail === "string" ? `${kind} ${detail}` : kind;
      });
  }

  /** What the adoption of its first leg found. */
  missed({ events, legs }: ApiCall): unknown {
    const adopted = events.filter(
      ({ kind, payload }) =>
        kind === "leg.reconciled" && payload["action"] === "adopted" && payload["leg_id"] === legs[0]!.id,
    );
    assert.equal(adopted.length, 1, "adopted once");
    return adopted[0]!.payload["missed"];
  }

  /** ms between two events of it, each the first of its kind, or the n-th. */
  ms({ events }: ApiCall, from: string, to: string, nth = 1): number {
    const at = (kind: string, n: number) => {
      const found = events.filter((one) => one.kind === kind)[n - 1];
      assert.ok(found, `${kind} #${n}`);
      return Date.parse(found.created_at);
    };
    return at(to, nth) - at(from, 1);
  }
}

/** Whole seconds are counted as they arrive, and the first and the last are in part something else. */
export const about = (seconds: number, wanted: number): void =>
  assert.ok(Math.abs(seconds - wanted) <= 1, `${seconds} s instead of ${wanted}`);

/** The next one begins within this of the moment at which the leg was found. */
const atOnceMs = 1_000;

/** Answered, with nothing to do until the others are where they are to be. */
export async function ready(call: RowCall, to?: string): Promise<void> {
  await call.place(null, to);
  await call.answered();
  await call.others();
}

export const then = (call: RowCall) => ({ play: { url: call.tone(900, 2) } });
const thenStory = ["play", "play.finished", "document.ended", "call.completed"];

export async function checkThen(call: RowCall, story: string[]) {
  const ended = await call.ended();
  assert.deepEqual(call.story(ended), ["document.replaced", ...story, ...thenStory]);
  const party = await call.party();
  about(party.seconds(900), 2);
  return { ended, party };
}

/** Whether what followed did so as soon as the leg was found. */
export function followed(call: RowCall, ended: Awaited<ReturnType<RowCall["ended"]>>): void {
  const ms = call.ms(ended, "leg.reconciled", "action.started", 2);
  assert.ok(ms <= atOnceMs, `the next action began after ${ms} ms`);
}
