import { answerCall } from "./channel-life.ts";
import { publishChannel } from "./channel-events.ts";
import type { Bridge, Channel } from "./channel.ts";
import { tickMs, type Core } from "./core.ts";
import { tickUs } from "./event-bus.ts";
import { hangUp } from "./hang-up.ts";
import { bridgeHeaders, pairOf, partyOf, separate } from "./pair.ts";
import { startPark, staysParked, unpark } from "./parking.ts";

/**
 * Joins two legs as uuid_bridge and intercept do: what they were doing ends at the next tick, and they hear each other
 * two ticks later. A leg that only rings cannot be joined: both die.
 */
export function connect(core: Core, owner: Channel, other: Channel): void {
  owner.otherLeg = other;
  owner.otherLegRole = "originatee";
  other.otherLeg = owner;
  other.otherLegRole = "originator";
  core.clock.after(tickMs, () => {
    if (gone(core, owner, other)) return;
    for (const channel of [other, owner]) leavePresent(core, channel);
    core.clock.after(2 * tickMs, () => join(core, owner, other));
  });
}

function leavePresent(core: Core, channel: Channel): void {
  channel.plan = null;
  channel.applications.end("bridge");
  unpark(core, channel);
  endOldBridge(core, channel);
}

function join(core: Core, owner: Channel, other: Channel): void {
  if (gone(core, owner, other)) return;
  // A caller whom nobody has answered is answered by being joined.
  for (const channel of [owner, other]) if (channel.answerState !== "answered") answerCall(core, channel);
  const ringing = [owner, other].find((channel) => !channel.hasMedia);
  if (ringing !== undefined) {
    const answered = ringing === owner ? other : owner;
    hangUp(core, ringing, "DESTINATION_OUT_OF_ORDER");
    return hangUp(core, answered, "ORIGINATOR_CANCEL");
  }
  const bridge: Bridge = { owner, other };
  owner.bridge = bridge;
  other.bridge = bridge;
  owner.state = "CS_SOFT_EXECUTE";
  other.state = "CS_SOFT_EXECUTE";
  for (const [channel, party] of pairOf(bridge)) {
    publishChannel(core, "CHANNEL_EXECUTE", channel, [
      ["Application", "uuid_bridge"],
      ["Application-Data", party.uuid],
    ]);
    channel.variables.set("bridge_uuid", party.uuid);
    channel.variables.set("bridge_channel", party.name);
    channel.variables.set("signal_bond", party.uuid);
    channel.media.hear(party.media);
  }
  owner.stamps.bridgedUs = other.stamps.bridgedUs = tickUs(core.clock);
  publishChannel(core, "CHANNEL_BRIDGE", owner, bridgeHeaders(bridge));
  for (const [channel, party] of pairOf(bridge)) {
    channel.variables.set("bridge_to", party.uuid);
    channel.variables.set("last_bridge_to", party.uuid);
  }
  other.state = "CS_EXCHANGE_MEDIA";
  for (const channel of [owner, other]) channel.applications.wake();
}

/** When one is gone before they were joined, the one that is left has nothing to do any more, unless it parks. */
function gone(core: Core, owner: Channel, other: Channel): boolean {
  if (owner.cause === null && other.cause === null) return false;
  for (const channel of [owner, other]) {
    if (channel.parked !== null || channel.bridge !== null || staysParked(core, channel)) continue;
    hangUp(core, channel, "NORMAL_CLEARING");
  }
  return true;
}

/** The leg goes to another bridge, or is picked off: the party it leaves behind parks or ends. */
function endOldBridge(core: Core, channel: Channel): void {
  const { bridge } = channel;
  if (bridge === null) return;
  const left = partyOf(bridge, channel);
  separate(core, bridge);
  publishChannel(core, "CHANNEL_UNBRIDGE", bridge.owner, bridgeHeaders(bridge));
  if (!staysParked(core, left)) hangUp(core, left, "NORMAL_CLEARING");
}

/** The party of a leg that is taken by somebody else's `intercept`. */
export function separatePicked(core: Core, taken: Channel): void {
  const { bridge } = taken;
  if (bridge === null) return;
  const left = partyOf(bridge, taken);
  separate(core, bridge);
  hangUp(core, left, "PICKED_OFF");
  publishChannel(core, "CHANNEL_UNBRIDGE", bridge.owner, bridgeHeaders(bridge));
}

/** `uuid_transfer … park inline`: the leg parks, and with `both` the party too; otherwise that one parks or ends. */
export function transferToPark(core: Core, channel: Channel, options: { both: boolean }): void {
  const { bridge } = channel;
  channel.plan = null;
  const left = bridge === null ? null : partyOf(bridge, channel);
  if (bridge !== null) separate(core, bridge);
  if (left !== null && options.both) startPark(core, left);
  if (bridge?.owner === channel) publishChannel(core, "CHANNEL_UNBRIDGE", channel, bridgeHeaders(bridge));
  startPark(core, channel);
  if (bridge !== null && bridge.owner === left) {
    publishChannel(core, "CHANNEL_UNBRIDGE", left, bridgeHeaders(bridge));
  }
  if (left !== null && !options.both && !staysParked(core, left)) hangUp(core, left, "NORMAL_CLEARING");
}
