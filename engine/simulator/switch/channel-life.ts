import type { SipCall } from "../sip/call.ts";
import { causeOfFarEnd } from "./causes.ts";
import { publishChannel, setCallState } from "./channel-events.ts";
import { channelHeaders } from "./channel-headers.ts";
import type { Channel } from "./channel.ts";
import { tickMs, type Core } from "./core.ts";
import { tickUs } from "./event-bus.ts";
import { hangUp } from "./hang-up.ts";
import { runApiHooks, runExecuteHooks } from "./hooks.ts";
import { partyOf } from "./pair.ts";

export function create(core: Core, channel: Channel): void {
  core.channels.set(channel.uuid, channel);
  publishChannel(core, "CHANNEL_CREATE", channel);
}

/** Follows what the far end does with the call. */
export function follow(core: Core, channel: Channel, call: SipCall): void {
  channel.call = call;
  channel.variables.set("sip_call_id", call.callId);
  call.on("ringing", () => ring(core, channel));
  call.on("early", () => earlyMedia(core, channel));
  call.on("answered", () => answered(core, channel));
  call.on("direction", (direction) => channel.variables.set("remote_audio_media_flow", direction));
  call.on("ended", (end) => {
    if (channel.cause !== null) return;
    const status = end.status ?? (channel.answerState === "answered" ? 200 : null);
    if (status !== null) {
      channel.variables.set("sip_term_status", String(status));
      channel.variables.set("proto_specific_hangup_cause", `sip:${status}`);
    }
    hangUp(core, channel, farEndCause(channel, status, end.q850), "far end");
  });
}

/** A caller who gives up is ORIGINATOR_CANCEL; everybody else's end says itself why. */
const farEndCause = (channel: Channel, status: number | null, q850: number | null): string =>
  channel.direction === "inbound" && channel.answerState !== "answered"
    ? "ORIGINATOR_CANCEL"
    : causeOfFarEnd(status, q850);

export function ring(core: Core, channel: Channel): void {
  if (channel.cause !== null || channel.answerState !== "ringing" || channel.stamps.progressUs > 0) return;
  channel.stamps.progressUs = tickUs(core.clock);
  if (channel.state === "CS_INIT") channel.state = "CS_CONSUME_MEDIA";
  publishChannel(core, "CHANNEL_PROGRESS", channel);
  runExecuteHooks(channel, "ring");
  setCallState(core, channel, "RINGING");
  runApiHooks(core, channel, "api_on_ring");
  channel.watch?.("ringing");
}

export function earlyMedia(core: Core, channel: Channel): void {
  if (channel.cause !== null || channel.answerState !== "ringing") return;
  channel.stamps.progressMediaUs = tickUs(core.clock);
  channel.answerState = "early";
  if (channel.state === "CS_INIT") channel.state = "CS_CONSUME_MEDIA";
  channel.variables.set("endpoint_disposition", "EARLY MEDIA");
  publishChannel(core, "CHANNEL_PROGRESS_MEDIA", channel);
  // The real switch runs both before it has the codecs: a recording that they start fails. At the answer it does not.
  runExecuteHooks(channel, "media");
  runApiHooks(core, channel, "api_on_media");
  attachMedia(core, channel);
  setCallState(core, channel, "EARLY");
  channel.watch?.("media");
}

export function answered(core: Core, channel: Channel): void {
  if (channel.cause !== null || channel.answerState === "answered") return;
  const hadMedia = channel.hasMedia;
  channel.stamps.answeredUs = tickUs(core.clock);
  channel.answerState = "answered";
  if (channel.state === "CS_INIT") channel.state = "CS_CONSUME_MEDIA";
  attachMedia(core, channel);
  publishChannel(core, "CHANNEL_ANSWER", channel);
  channel.variables.set("endpoint_disposition", "ANSWER");
  if (!hadMedia) {
    runExecuteHooks(channel, "media");
    runApiHooks(core, channel, "api_on_media");
  }
  runExecuteHooks(channel, "answer");
  setCallState(core, channel, "ACTIVE");
  runApiHooks(core, channel, "api_on_answer");
  if (!hadMedia) channel.watch?.("media");
  channel.watch?.("answered");
}

function attachMedia(core: Core, channel: Channel): void {
  const session = channel.call?.media;
  if (!session) return;
  const codec = session.law ?? "PCMU";
  channel.variables.set("read_codec", codec);
  channel.variables.set("write_codec", codec);
  channel.variables.set("local_media_port", String(session.localPort));
  if (!channel.variables.has("remote_audio_media_flow"))
    channel.variables.set("remote_audio_media_flow", "sendrecv");
  channel.media.attach(session, (digit, durationMs) => heardDigit(core, channel, digit, durationMs));
  if (channel.mediaTimeout === null) watchMedia(core, channel);
}

/** `media_timeout`, ms: nothing came for longer, though it were only what is not heard, and the leg ends. */
function watchMedia(core: Core, channel: Channel): void {
  const timeoutMs = Number.parseInt(channel.variables.get("media_timeout") ?? "0", 10);
  const lastMs = channel.media.lastPacketMs;
  if (!(timeoutMs > 0) || lastMs === null || channel.cause !== null) return;
  const leftMs = lastMs + timeoutMs - core.clock.monotonicMs();
  if (leftMs < 0) return hangUp(core, channel, "MEDIA_TIMEOUT");
  channel.mediaTimeout = core.clock.after(leftMs + tickMs, () => watchMedia(core, channel));
}

function heardDigit(core: Core, channel: Channel, digit: string, durationMs: number): void {
  if (channel.cause !== null) return;
  channel.variables.set("digits_dialed", (channel.variables.get("digits_dialed") ?? "") + digit);
  core.events.publish("DTMF", [
    ...channelHeaders(channel, { variables: false }),
    ["DTMF-Digit", digit],
    // In samples of 8 kHz, as on the wire.
    ["DTMF-Duration", String(durationMs * 8)],
    ["DTMF-Source", "RTP"],
  ]);
  channel.applications.digit(digit);
  if (channel.bridge !== null) partyOf(channel.bridge, channel).media.sendDigits(digit);
}

/** Answers an inbound call; an outbound one cannot be answered from here. */
export function answerCall(core: Core, channel: Channel): boolean {
  if (channel.incoming === null) return false;
  channel.incoming.answer();
  if (channel.incoming.media !== null) answered(core, channel);
  return true;
}

/** 180 to the caller, unless there was more than that already. */
export function ringCall(core: Core, channel: Channel): void {
  if (channel.incoming === null || channel.answerState !== "ringing") return;
  channel.incoming.ring();
  ring(core, channel);
}

/** 183 with media to the caller, unless there was that already. */
export function preAnswerCall(core: Core, channel: Channel): void {
  if (channel.incoming === null || channel.answerState !== "ringing") return;
  channel.incoming.earlyMedia();
  earlyMedia(core, channel);
}
