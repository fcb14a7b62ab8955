import { channelHeaders } from "./channel-headers.ts";
import { callStateNumbers, type CallState, type Channel } from "./channel.ts";
import type { Core } from "./core.ts";

/** An event of a channel with all its variables, and what is special to this event. */
export function publishChannel(
  core: Core,
  name: string,
  channel: Channel,
  more: [string, string][] = [],
): void {
  core.events.publish(name, [...channelHeaders(channel, { variables: true }), ...more]);
}

export function setCallState(core: Core, channel: Channel, callState: CallState): void {
  if (channel.callState === callState) return;
  const was = channel.callState;
  channel.callState = callState;
  core.events.publish("CHANNEL_CALLSTATE", [
    ["Original-Channel-Call-State", was],
    ["Channel-Call-State-Number", String(callStateNumbers[callState])],
    ...channelHeaders(channel, { variables: false }),
  ]);
}
