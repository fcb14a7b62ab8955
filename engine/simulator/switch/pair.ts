import type { Bridge, Channel } from "./channel.ts";
import type { Core } from "./core.ts";
import { runApiHooks } from "./hooks.ts";

export const partyOf = (bridge: Bridge, channel: Channel): Channel =>
  channel === bridge.owner ? bridge.other : bridge.owner;

export const pairOf = (bridge: Bridge): [Channel, Channel][] => [
  [bridge.owner, bridge.other],
  [bridge.other, bridge.owner],
];

export const bridgeHeaders = (bridge: Bridge): [string, string][] => [
  ["Bridge-A-Unique-ID", bridge.owner.uuid],
  ["Bridge-B-Unique-ID", bridge.other.uuid],
];

/** They no longer hear each other; what each asked to have done after a bridge is started. */
export function separate(core: Core, bridge: Bridge): void {
  for (const [channel] of pairOf(bridge)) {
    channel.bridge = null;
    channel.variables.delete("bridge_to");
    channel.media.hear(null);
    runApiHooks(core, channel, "api_after_bridge");
  }
}
