import type { Clock, Timer } from "../../clock.ts";
import { frameMs } from "../media/g711.ts";
import type { FrameSource, MediaSession } from "../media/session.ts";
import { noiseSource, toneSource } from "../media/tone.ts";
import type { IncomingSipCall } from "../sip/call.ts";
import { type CallLog, type CarrierCall, listenTo } from "./call-log.ts";
import type { Answer, Behaviour } from "./magic-numbers.ts";

/** A quiet voice, and a line that is louder than comfort noise. */
const softDbfs = -35;
const noiseDbfs = -50;

interface PartyParts {
  clock: Clock;
  log: CallLog;
  record: CarrierCall;
  behaviour: Behaviour;
}

/** Lets the called party behave as its number says, until the call is over. */
export function playParty(call: IncomingSipCall, { clock, log, record, behaviour }: PartyParts): void {
  let next: Timer | undefined;
  const after = (delayMs: number, step: () => void): void => {
    if (delayMs === 0) step();
    else next = clock.after(delayMs, step);
  };

  call.on("answered", () => log.answered(record, clock.nowMs()));
  call.on("ended", ({ by, status, q850 }) => {
    next?.cancel();
    log.ended(record, { endedBy: by === "us" ? "carrier" : "caller", status, q850, atMs: clock.nowMs() });
  });

  before(call, behaviour);
  after(behaviour.beforeMs, () => {
    const { outcome } = behaviour;
    if (outcome.kind === "refuse") call.reject(outcome.status);
    if (outcome.kind !== "answer") return;
    call.answer();
    if (!call.media) return;
    record.media = call.media;
    listenTo(call.media, record.heard);
    speak(call.media, outcome.answer, record);
    const { hangUpAfterMs } = outcome.answer;
    if (hangUpAfterMs !== undefined) {
      call.on("answered", () => after(hangUpAfterMs, () => call.end({ q850: 16 })));
    }
  });
}

function before(call: IncomingSipCall, { beforeMs, announcementHz, outcome }: Behaviour): void {
  if (announcementHz !== undefined) {
    call.earlyMedia();
    call.media?.setSource(toneSource({ hz: announcementHz }));
  } else if (beforeMs > 0 || outcome.kind === "ringOn") call.ring();
}

function speak(media: MediaSession, answer: Answer, record: CarrierCall): void {
  if (answer.losesEvery !== undefined) media.dropEvery(answer.losesEvery);
  media.setSource(voiceOf(media, answer));
  const { types, holdsKeysMs } = answer;
  if (types !== undefined)
    media.sendDigits(
      types,
      holdsKeysMs === undefined ? undefined : { toneSlots: holdsKeysMs / frameMs, pauseSlots: 3 },
    );
  media.onDigit((digit) => {
    record.digits += digit;
    if (answer.repeatsDigits === true) media.sendDigits(digit);
  });
}

function voiceOf(media: MediaSession, { toneHz, pauses }: Answer): FrameSource {
  if (toneHz === null) return echoSource(media);
  if (pauses === undefined) return toneSource({ hz: toneHz });
  return mixed(toneSource({ hz: toneHz, levelDbfs: softDbfs, cadenceMs: pauses }), noiseSource(noiseDbfs));
}

const mixed =
  (one: FrameSource, other: FrameSource): FrameSource =>
  () => {
    const noise = other();
    return one()?.map((sample, index) => sample + (noise?.[index] ?? 0)) ?? null;
  };

/** What was heard, in order; at most 200 ms are kept, lest a burst become a lasting delay. */
function echoSource(media: MediaSession): FrameSource {
  const waiting: Int16Array[] = [];
  media.onFrame((pcm) => {
    if (waiting.length === 10) waiting.shift();
    waiting.push(pcm);
  });
  return () => waiting.shift() ?? null;
}
