import { dominantTone } from "../media/goertzel.ts";
import { sampleRateHz } from "../media/g711.ts";
import type { MediaSession } from "../media/session.ts";

/** Ended calls beyond this many are forgotten, oldest first; the counts keep them. */
const endedKept = 1000;

/** A stretch of seconds in which one tone was the loudest thing heard; null: silence. */
export interface HeardTone {
  hz: number | null;
  levelDbfs: number | null;
  seconds: number;
}

export interface CarrierCall {
  readonly callId: string;
  readonly number: string;
  readonly from: string;
  readonly invitedAtMs: number;
  answeredAtMs: number | null;
  endedAtMs: number | null;
  endedBy: "carrier" | "caller" | null;
  status: number | null;
  q850: number | null;
  digits: string;
  readonly heard: HeardTone[];
  media: MediaSession | null;
}

/** A call that somebody of ours placed; what became of it as they saw it. */
export interface PlacedCall {
  readonly callId: string;
  readonly from: string;
  readonly to: string;
  readonly placedAtMs: number;
  ringingAtMs: number | null;
  earlyMediaAtMs: number | null;
  answeredAtMs: number | null;
  endedAtMs: number | null;
  endedBy: "caller" | "callee" | null;
  status: number | null;
  q850: number | null;
  /** Those that were sent to the caller. */
  digits: string;
  readonly heard: HeardTone[];
  media: MediaSession | null;
}

export interface NumberCounts {
  /** INVITEs with a Call-ID of their own: how often that phone was made to ring. */
  invites: number;
  answered: number;
  endedByCarrier: number;
  endedByCaller: number;
}

/** The carrier's own account of what reached it. */
export class CallLog {
  readonly #calls = new Map<string, CarrierCall>();
  readonly #numbers = new Map<string, NumberCounts>();
  readonly #placed = new Map<string, PlacedCall>();

  get calls(): readonly CarrierCall[] {
    return [...this.#calls.values()];
  }

  get counts(): ReadonlyMap<string, Readonly<NumberCounts>> {
    return this.#numbers;
  }

  get placed(): readonly PlacedCall[] {
    return [...this.#placed.values()];
  }

  isPlaced(call: PlacedCall): void {
    this.#placed.set(call.callId, call);
    forgetOld(this.#placed);
  }

  invited(call: CarrierCall): void {
    if (!this.#calls.has(call.callId)) this.#countsOf(call.number).invites += 1;
    this.#calls.set(call.callId, call);
    forgetOld(this.#calls);
  }

  answered(call: CarrierCall, atMs: number): void {
    call.answeredAtMs = atMs;
    this.#countsOf(call.number).answered += 1;
  }

  ended(call: CarrierCall, end: Pick<CarrierCall, "endedBy" | "status" | "q850"> & { atMs: number }): void {
    call.endedAtMs = end.atMs;
    call.endedBy = end.endedBy;
    call.status = end.status;
    call.q850 = end.q850;
    const counts = this.#countsOf(call.number);
    if (end.endedBy === "carrier") counts.endedByCarrier += 1;
    else counts.endedByCaller += 1;
  }

  #countsOf(number: string): NumberCounts {
    const counts = this.#numbers.get(number);
    if (counts) return counts;
    const fresh = { invites: 0, answered: 0, endedByCarrier: 0, endedByCaller: 0 };
    this.#numbers.set(number, fresh);
    return fresh;
  }
}

function forgetOld(calls: Map<string, { endedAtMs: number | null }>): void {
  for (const [callId, call] of calls) {
    if (calls.size <= endedKept) return;
    if (call.endedAtMs !== null) calls.delete(callId);
  }
}

/** Notes, second by second of sound that arrived, the tone that is in it. */
export function listenTo(media: MediaSession, heard: HeardTone[]): void {
  const second = new Int16Array(sampleRateHz);
  let filled = 0;
  media.onFrame((pcm) => {
    second.set(pcm, filled);
    filled += pcm.length;
    if (filled < second.length) return;
    filled = 0;
    note(heard, dominantTone(second));
  });
}

function note(heard: HeardTone[], tone: { hz: number; levelDbfs: number } | null): void {
  const last = heard.at(-1);
  const same = tone === null ? last?.hz === null : Math.abs((last?.hz ?? -Infinity) - tone.hz) <= 2;
  if (last && same) last.seconds += 1;
  else heard.push({ hz: tone?.hz ?? null, levelDbfs: tone && Math.round(tone.levelDbfs), seconds: 1 });
}
