import type { Clock, Timer } from "../../clock.ts";
import { toneSource } from "../media/tone.ts";
import type { SipAgent, SipCall } from "../sip/call.ts";
import { listenTo, type CallLog, type PlacedCall } from "./call-log.ts";

/** A call to be placed, and how its caller behaves. Times in ms, the tone in Hz. */
export interface Placing {
  from: string;
  to: string;
  /** How the number is hidden (RFC 3323, 3325); the carrier still tells it to whom it trusts. Null: it is not. */
  privacy: "id" | "user" | "header" | null;
  /** Where the switch takes calls. */
  switch: { host: string; port: number };
  /** The caller's voice once answered; null: silent. */
  toneHz: number | null;
  /** Keys that the caller presses, and how long after the answer. */
  digits: string;
  digitsAfterMs: number;
  /** After the answer; null: stays until hung up. */
  hangUpAfterMs: number | null;
  /** A caller whom nobody has answered by then gives up; null: waits for ever. */
  giveUpAfterMs: number | null;
}

/** The people of the carrier's who call in. */
export class Callers {
  readonly #agent: SipAgent;
  readonly #clock: Clock;
  readonly #log: CallLog;
  readonly #live = new Map<string, SipCall>();

  constructor(parts: { agent: SipAgent; clock: Clock; log: CallLog }) {
    this.#agent = parts.agent;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  place(placing: Placing): PlacedCall {
    const clock = this.#clock;
    const { from, privacy } = placing;
    const call = this.#agent.invite({
      ...{ user: placing.to, ...placing.switch, fromUser: privacy === null ? from : "anonymous" },
      ...(privacy !== null && {
        headers: { privacy, "p-asserted-identity": `<sip:${from}@carrier.invalid>` },
      }),
    });
    const record: PlacedCall = {
      callId: call.callId,
      from: placing.from,
      to: placing.to,
      placedAtMs: clock.nowMs(),
      ringingAtMs: null,
      earlyMediaAtMs: null,
      answeredAtMs: null,
      endedAtMs: null,
      endedBy: null,
      status: null,
      q850: null,
      digits: "",
      heard: [],
      media: null,
    };
    this.#log.isPlaced(record);
    this.#live.set(call.callId, call);
    const timers: Timer[] = [];
    const after = (delayMs: number | null, step: () => void) => {
      if (delayMs !== null) timers.push(clock.after(delayMs, step));
    };
    after(placing.giveUpAfterMs, () => {
      if (record.answeredAtMs === null) call.end();
    });
    call.on("ringing", () => (record.ringingAtMs ??= clock.nowMs()));
    call.on("early", () => {
      record.earlyMediaAtMs ??= clock.nowMs();
      hear(call, record);
    });
    call.on("answered", () => {
      record.answeredAtMs = clock.nowMs();
      hear(call, record);
      if (placing.toneHz !== null) call.media?.setSource(toneSource({ hz: placing.toneHz }));
      if (placing.digits !== "") after(placing.digitsAfterMs, () => call.media?.sendDigits(placing.digits));
      after(placing.hangUpAfterMs, () => call.end({ q850: 16 }));
    });
    call.on("ended", ({ by, status, q850 }) => {
      for (const timer of timers) timer.cancel();
      this.#live.delete(call.callId);
      Object.assign(record, {
        endedAtMs: clock.nowMs(),
        endedBy: by === "us" ? "caller" : "callee",
        status,
        q850,
      });
    });
    return record;
  }

  /** False: there is no such call, or no more. */
  hangUp(callId: string): boolean {
    const call = this.#live.get(callId);
    call?.end({ q850: 16 });
    return call !== undefined;
  }
}

function hear(call: SipCall, record: PlacedCall): void {
  if (record.media || !call.media) return;
  record.media = call.media;
  listenTo(call.media, record.heard);
  call.media.onDigit((digit) => (record.digits += digit));
}
