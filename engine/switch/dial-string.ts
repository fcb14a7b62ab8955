import { isIPv4 } from "node:net";
import { isId, type LegId, type RecordingId } from "../ids.ts";
import { isChannelUuid, type ChannelNames } from "./channel-names.ts";
import { application, queuedApplication } from "./commands.ts";
import { isDeviceContact } from "./devices.ts";
import { relayHeader, relayMark } from "./events.ts";
import type {
  Branch,
  HangupCause,
  KillGroup,
  Originate,
  RelayedRing,
  TakenIn,
  TestCall,
  Way,
} from "./switch.ts";

/**
 * The argument of `originate` for these branches. Only ids of ours, E.164 numbers, a gateway's name and a `DeviceContact` enter it, and
 * each is checked: FreeSWITCH splits this text on commas, blanks and brackets, so no other text is safe in it.
 * Throws RangeError.
 */
export function dialString(
  request: Originate,
  recordingFile: (recording: RecordingId) => string,
  names: ChannelNames,
  deviceSilenceS = deviceSilenceDefaultS,
): string {
  const { branches, then } = request;
  if (branches.length > 1 && !request.ignoreEarlyMedia) {
    throw new RangeError("with several branches the first in early media would win: ignore early media");
  }
  const settings = variables([
    ["ignore_early_media", String(request.ignoreEarlyMedia)],
    // A backstop only, because it stops counting in early media: each branch's own ring timer ends it before this.
    [
      "originate_timeout",
      String(Math.max(...branches.map((branch) => branch.ringTimeoutSeconds)) + backstopSeconds),
    ],
  ]);
  const dialled = branches.map((branch) => {
    assertBranch(branch);
    const own = [
      ...branchVariables(branch, recordingFile, names),
      ...wayVariables(branch.way, deviceSilenceS),
    ];
    return `[${variables(own)}]${destination(branch.way)}`;
  });
  return `{${settings}}${dialled.join(",")} &${continuation(then, names)}`;
}

function destination(way: Way): string {
  switch (way.kind) {
    case "trunk":
      return `sofia/gateway/${way.gateway}/${way.to}`;
    case "device":
      return way.contact;
    case "box":
      return `sofia/edge/device@${way.host}:${way.port}`;
  }
}

/** `devices_media_timeout` of freeswitch-conf/, where a box does not say. */
export const deviceSilenceDefaultS = 300;

/** Seconds that the switch's own originate timer runs longer than the slowest ring timer. */
export const backstopSeconds = 5;

function branchVariables(
  branch: Branch,
  recordingFile: (recording: RecordingId) => string,
  names: ChannelNames,
): (readonly [string, string])[] {
  const { leg } = branch;
  const ring: KillGroup = `ring-${leg}`;
  const list: (readonly [string, string])[] = [
    ["origination_uuid", branch.channel ?? leg],
    // A column of `show channels`, where the uuid of an inbound channel is not an id of ours.
    ["presence_data", leg],
    // Comes back in the end-of-leg record.
    ["sautikit_call", branch.call],
    ...traceVariable(branch.trace),
    ["origination_caller_id_number", branch.callerId],
    ["origination_caller_id_name", branch.callerId],
    // A carrier's re-INVITE to hold would stop the recording of the held leg.
    ["rtp_disable_hold", "true"],
    // A 302 would have the switch dial whatever it names, at our cost, and nobody would have rated it.
    ["outbound_redirect_fatal", "true"],
    // By default the callee's `*` ends whatever is played to them.
    ["playback_terminators", "none"],
    ["RECORD_STEREO", "true"],
    ["RECORD_MIN_SEC", "0"],
    // The default of 25 frames leaves 20 ms of a recording that lasts 0.3 s.
    ["RECORD_PRE_BUFFER_FRAMES", "1"],
    // The default buffers 64 kB, so a killed switch loses the last 2 s.
    ["enable_file_write_buffering", "false"],
    // The order at the answer: on_media (if there was no early media), then on_answer, in the order given here.
    ["api_on_originate", scheduleKill(ring, leg, branch.ringTimeoutSeconds, "NO_ANSWER", names)],
    ["api_on_answer_cut", scheduleKill(branch.cutGroup, leg, branch.maxSeconds, "ALLOTTED_TIMEOUT", names)],
    ["api_on_answer_ring", `sched_del ${ring}`],
    // A task outlives the leg that it is to end, and waits out its hours in a list that every other is looked up in.
    ["api_hangup_hook", forgetKill(branch.cutGroup)],
  ];
  if (branch.disarmOnAnswer !== undefined) {
    list.push(["api_on_answer_disarm", `sched_del ${branch.disarmOnAnswer}`]);
  }
  if (branch.record !== undefined) {
    const file = recordingFile(branch.record.recording);
    list.push(["execute_on_answer", application("record_session", file)]);
    if (branch.record.from === "media") {
      // Before the answer, media is announced a moment before it is there, and a recording started right then fails:
      // queued, it starts 20 ms later. The one at the answer then finds it running and does nothing.
      list.push(["execute_on_media", queuedApplication("record_session", file)]);
    }
  }
  return list;
}

/** So that the switch's own log and record of a leg can be found by it. Nobody's text: it is 32 digits. */
function traceVariable(trace: string | undefined): (readonly [string, string])[] {
  if (trace === undefined) return [];
  assert(/^[0-9a-f]{32}$/.test(trace), "a trace");
  return [["sautikit_trace", trace]];
}

/** The argument of `originate` for a call that tries a trunk out. Throws RangeError. */
export function testDialString({ channel, gateway, to, callerId, ringTimeoutSeconds }: TestCall): string {
  assert(isChannelUuid(channel), "a channel");
  assert(e164.test(callerId), "an E.164 caller id");
  assertWay({ kind: "trunk", gateway, to });
  assert(Number.isInteger(ringTimeoutSeconds) && ringTimeoutSeconds > 0, "a ring time-out");
  const group = `test-${channel}`;
  const settings = variables([
    ["ignore_early_media", "true"],
    ["originate_timeout", String(ringTimeoutSeconds + backstopSeconds)],
  ]);
  const own = variables([
    ["origination_uuid", channel],
    ["process_cdr", "false"],
    ["origination_caller_id_number", callerId],
    ["origination_caller_id_name", callerId],
    ["outbound_redirect_fatal", "true"],
    ["playback_terminators", "none"],
    ["api_on_originate", `sched_api +${ringTimeoutSeconds + 1} ${group} uuid_kill ${channel} NO_ANSWER`],
    ["api_on_answer", `sched_del ${group}`],
    ["execute_on_answer", application("sched_hangup", `+${testSecondsMax}`)],
    ["api_hangup_hook", `sched_del ${group}`],
  ]);
  return `{${settings}}[${own}]${destination({ kind: "trunk", gateway, to })} &playback(${testTone})`;
}

/** 440 Hz for 2 s; behind it the switch hangs up. */
const testTone = "tone_stream://%(2000,0,440)";
const testSecondsMax = 10;

/** One that sends no sound for so long is gone. */
const mediaTimeout = (seconds: number) => ["media_timeout", String(seconds * 1000)] as const;

function wayVariables(way: Way, deviceSilenceS: number): (readonly [string, string])[] {
  switch (way.kind) {
    case "trunk":
      return [];
    case "device":
      return deviceVariables(way, deviceSilenceS);
    case "box":
      // That one tells of an end; only one that has died says nothing, and sends nothing.
      return [[`sip_h_${relayHeader}`, way.ticket], mediaTimeout(deviceSilenceS)];
  }
}

/** What freeswitch-conf/ has the other way for calls from devices. */
function deviceVariables(
  { contact, encrypted }: Extract<Way, { kind: "device" }>,
  silenceS: number,
): (readonly [string, string])[] {
  const secure = encrypted === "only" ? "mandatory" : "optional";
  return [
    mediaTimeout(silenceS),
    // Offered beside plain RTP where the device takes both, and only where the keys do not travel in the open.
    ...(contact.endsWith("%3Btransport%3Dtls") ? [["rtp_secure_media", secure] as const] : []),
  ];
}

/**
 * What a call that came to us has on its channel from being taken in, as one that we dial has it in its dial string:
 * whose it is, and what is armed and disarmed at its answer and its end. What is the same for all of them is in the
 * dialplan of freeswitch-conf/.
 */
export function takenInVariables(
  { leg, call, trace, maxSeconds, cutGroup }: TakenIn,
  names: ChannelNames,
): (readonly [name: string, value: string])[] {
  assert(isId("call", call), "a call");
  const ring: KillGroup = `ring-${leg}`;
  return [
    ["presence_data", leg],
    ["sautikit_call", call],
    ...traceVariable(trace),
    ["api_on_answer_cut", scheduleKill(cutGroup, leg, maxSeconds, "ALLOTTED_TIMEOUT", names)],
    ["api_on_answer_ring", forgetKill(ring)],
    ["api_hangup_hook", forgetKill(cutGroup)],
    // What ends a device's call that is answered without us.
    ["execute_on_answer", ""],
  ];
}

/**
 * What a channel that came from another box has from here on, the last of it what says that it is nobody's to take in. Without
 * `hangup_after_bridge` it would be left waiting when the device has hung up.
 */
export function relayVariables({ leg, trace }: RelayedRing): (readonly [name: string, value: string])[] {
  assert(isId("leg", leg), "a leg");
  const ring: KillGroup = `ring-${leg}`;
  return [
    ["process_cdr", "false"],
    ["hangup_after_bridge", "true"],
    // The ticket is not for the device.
    ["sip_copy_custom_headers", "false"],
    ...traceVariable(trace),
    ["api_on_answer_ring", forgetKill(ring)],
    ["api_hangup_hook", forgetKill(ring)],
    ["presence_data", relayMark(leg)],
  ];
}

/** What the application `bridge` is given to ring the device. */
export function relayBridge(
  { device, callerId, trace, ringSeconds }: RelayedRing,
  deviceSilenceS: number,
): string {
  assertWay(device);
  assert(e164.test(callerId), "an E.164 caller id");
  const settings = variables([
    // What a device plays before it answers is not passed on; that it rings is.
    ["ignore_early_media", "ring_ready"],
    ["originate_timeout", String(ringSeconds + backstopSeconds)],
  ]);
  const own = variables([
    ["process_cdr", "false"],
    ...traceVariable(trace),
    ["origination_caller_id_number", callerId],
    ["origination_caller_id_name", callerId],
    ["rtp_disable_hold", "true"],
    ["outbound_redirect_fatal", "true"],
    ["playback_terminators", "none"],
    ...deviceVariables(device, deviceSilenceS),
  ]);
  return `{${settings}}[${own}]${destination(device)}`;
}

function continuation(then: Originate["then"], names: ChannelNames): string {
  if (then.kind === "park") return "park()";
  assert(isId("leg", then.leg), "a leg to intercept");
  return `intercept(${names.channelOf(then.leg)})`;
}

/**
 * The `sched_api` command, whole, that ends a leg in `inSeconds`. The scheduler counts whole seconds of the clock, up
 * to one too early, and a leg must never get less than was promised, so one is added.
 */
export function scheduleKill(
  group: KillGroup,
  leg: LegId,
  inSeconds: number,
  cause: HangupCause,
  names?: ChannelNames,
): string {
  assertKillGroup(group);
  assert(isId("leg", leg), "a leg");
  assert(Number.isSafeInteger(inSeconds) && inSeconds >= 0 && inSeconds <= secondsMax, "whole seconds");
  assertCause(cause);
  return `sched_api +${inSeconds + 1} ${group} uuid_kill ${names?.channelOf(leg) ?? leg} ${cause}`;
}

/** What takes such a command back: also a leg's `api_hangup_hook`, to be set anew when its cut-off is. */
export function forgetKill(group: KillGroup): string {
  assertKillGroup(group);
  return `sched_del ${group}`;
}

/** A week: longer than any call, and far from where the switch's 32-bit arithmetic would wrap. */
const secondsMax = 7 * 24 * 3600;

/** Throws RangeError unless it is `cut-`, `idle-` or `ring-`, a leg id, and perhaps a number. */
export function assertKillGroup(group: string): void {
  const [, leg] = /^(?:cut|idle|ring)-(leg_[0-9a-z]+)(?:-[0-9]{1,9})?$/.exec(group) ?? [];
  assert(isId("leg", leg), "a kill group");
}

/** Throws RangeError unless it is spelled as a cause; a word that the switch does not know becomes NORMAL_CLEARING. */
export function assertCause(cause: string): void {
  assert(/^[A-Z][A-Z0-9_]{1,40}$/.test(cause), "a hangup cause");
}

function assertBranch(branch: Branch): void {
  assert(isId("leg", branch.leg), "a leg");
  assert(branch.channel === undefined || isChannelUuid(branch.channel), "a channel");
  assert(isId("call", branch.call), "a call");
  assertWay(branch.way);
  assert(e164.test(branch.callerId), "an E.164 caller id");
  assert(branch.ringTimeoutSeconds > 0, "a ring time-out");
  if (branch.disarmOnAnswer !== undefined) assertKillGroup(branch.disarmOnAnswer);
  if (branch.record !== undefined) assert(isId("rec", branch.record.recording), "a recording");
}

function assertWay(way: Way): void {
  if (way.kind === "device") return assert(isDeviceContact(way.contact), "a device's contact");
  if (way.kind === "box") {
    assert(isIPv4(way.host) && Number.isInteger(way.port) && way.port > 0 && way.port < 65_536, "a box");
    return assert(/^[A-Za-z0-9_-]{32}$/.test(way.ticket), "a ticket");
  }
  assert(/^[a-z0-9-]{1,64}$/.test(way.gateway), "a gateway");
  assert(e164.test(way.to) || /^[0-9]{7,32}$/.test(way.to), "a number to dial");
}

const e164 = /^\+[1-9][0-9]{6,14}$/;

/** Quotes keep blanks together. They do not protect a comma: nothing checked above has one, and this is the proof. */
function variables(list: readonly (readonly [name: string, value: string])[]): string {
  return list
    .map(([name, value]) => {
      assert(/^[A-Za-z0-9_-]+$/.test(name) && /^[A-Za-z0-9_ +./:-]+$/.test(value), `the variable ${name}`);
      return value.includes(" ") ? `${name}='${value}'` : `${name}=${value}`;
    })
    .join(",");
}

function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new RangeError(`Not fit for a dial string: ${what}.`);
}
