import { publishChannel, setCallState } from "./channel-events.ts";
import { isOwn, q850Of, sipStatusOf } from "./causes.ts";
import { stateNumbers, type Bridge, type Channel } from "./channel.ts";
import { tickMs, type Core } from "./core.ts";
import { reportVariables, writeEndRecord } from "./end-record.ts";
import { tickUs } from "./event-bus.ts";
import { runApiHooks } from "./hooks.ts";
import { bridgeHeaders, partyOf, separate } from "./pair.ts";
import { staysParked, unpark } from "./parking.ts";

/** Whether the switch or the far end ended it decides who still has to be told by SIP. */
export function hangUp(
  core: Core,
  channel: Channel,
  cause: string,
  by: "switch" | "far end" = "switch",
): void {
  if (channel.cause !== null) return;
  channel.cause = cause;
  channel.stamps.hangupUs = tickUs(core.clock);
  channel.readUntilMs = core.clock.monotonicMs();
  const wasAnswered = channel.answerState === "answered";
  channel.answerState = "hangup";
  if (by === "far end")
    channel.variables.set("sip_hangup_disposition", dispositionOf(channel, wasAnswered, by));
  publishChannel(core, "CHANNEL_HANGUP", channel);
  channel.watch?.("hungUp");
  if (by === "switch") endCall(channel, cause, wasAnswered);
  core.clock.after(tickMs, () => release(core, channel));
}

/**
 * The end of a channel that was told to hang up, with what it does to the leg it was bridged to. The order of the
 * events of a pair is the real one's: the other leg completes before the bridge's owner, and its DESTROY comes
 * before the owner's HANGUP_COMPLETE.
 */
function release(core: Core, ended: Channel): void {
  if (ended.state === "CS_DESTROY" || ended.state === "CS_REPORTING") return;
  const { bridge } = ended;
  if (bridge === null) {
    finish(core, ended);
    return destroy(core, ended);
  }
  separate(core, bridge);
  if (ended.cause === "MEDIA_TIMEOUT") fellSilent(core, bridge, ended);
  else if (ended === bridge.owner) ownerEnded(core, bridge);
  else otherEnded(core, bridge);
}

function ownerEnded(core: Core, bridge: Bridge): void {
  const { owner, other } = bridge;
  const stays = staysParked(core, other);
  if (!stays) {
    hangUp(core, other, "NORMAL_CLEARING");
    finish(core, other);
  }
  publishChannel(core, "CHANNEL_UNBRIDGE", owner, bridgeHeaders(bridge));
  if (!stays) destroy(core, other);
  finish(core, owner);
  destroy(core, owner);
}

function otherEnded(core: Core, bridge: Bridge): void {
  const { owner, other } = bridge;
  const ownerGoesToo = owner.cause !== null || !owner.isTrue("park_after_bridge");
  if (!ownerGoesToo) finish(core, other);
  publishChannel(core, "CHANNEL_UNBRIDGE", owner, bridgeHeaders(bridge));
  if (!ownerGoesToo) {
    staysParked(core, owner);
    return destroy(core, other);
  }
  owner.state = "CS_EXECUTE";
  hangUp(core, owner, "NORMAL_CLEARING");
  finish(core, owner);
  finish(core, other);
  destroy(core, owner);
  destroy(core, other);
}

/** A leg finds out by itself that its party sends nothing any more: it is ahead of the other's end. */
function fellSilent(core: Core, bridge: Bridge, ended: Channel): void {
  const party = partyOf(bridge, ended);
  const isOwner = ended === bridge.owner;
  if (!isOwner) finish(core, ended);
  publishChannel(core, "CHANNEL_UNBRIDGE", bridge.owner, bridgeHeaders(bridge));
  const stays = staysParked(core, party);
  if (!stays) {
    hangUp(core, party, "NORMAL_CLEARING");
    finish(core, party);
  }
  if (isOwner) finish(core, ended);
  destroy(core, ended);
  if (!stays) destroy(core, party);
}

/** The channel's own thread after the hang-up. */
function finish(core: Core, channel: Channel): void {
  channel.mediaTimeout?.cancel();
  channel.applications.end("hangUp");
  unpark(core, channel);
  channel.state = "CS_HANGUP";
  for (const recording of [...channel.recordings.values()]) recording.stop();
  setCallState(core, channel, "HANGUP");
  if (!channel.variables.has("sip_hangup_disposition")) {
    channel.variables.set(
      "sip_hangup_disposition",
      dispositionOf(channel, channel.stamps.answeredUs > 0, "switch"),
    );
  }
  reportVariables(channel);
  channel.media.detach();
  runApiHooks(core, channel, "api_hangup_hook");
  channel.state = "CS_REPORTING";
  writeEndRecord(core, channel);
  publishChannel(core, "CHANNEL_HANGUP_COMPLETE", channel);
}

function destroy(core: Core, channel: Channel): void {
  publishChannel(core, "CHANNEL_DESTROY", channel, [
    ["Channel-State-Number", String(stateNumbers.CS_DESTROY)],
  ]);
  channel.state = "CS_DESTROY";
  core.scheduler.deleteGroup(channel.uuid);
  core.channels.delete(channel.uuid);
}

function endCall(channel: Channel, cause: string, wasAnswered: boolean): void {
  const q850 = q850Of(cause);
  if (channel.direction === "inbound" && !wasAnswered)
    return channel.call?.end({ status: sipStatusOf(cause), ...(isOwn(cause) ? {} : { q850 }) });
  const reason =
    cause === "LOSE_RACE"
      ? 'SIP;cause=200;text="Call completed elsewhere"'
      : `Q.850;cause=${q850};text="${cause}"`;
  channel.call?.end({ reason });
}

function dispositionOf(channel: Channel, wasAnswered: boolean, by: "switch" | "far end"): string {
  if (wasAnswered) return by === "switch" ? "send_bye" : "recv_bye";
  if (channel.direction === "outbound") return by === "switch" ? "send_cancel" : "recv_refuse";
  return by === "switch" ? "send_refuse" : "recv_cancel";
}
