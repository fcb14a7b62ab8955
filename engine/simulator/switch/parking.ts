import { publishChannel } from "./channel-events.ts";
import type { Channel } from "./channel.ts";
import { newUuid, type Core } from "./core.ts";
import { endUnicast } from "./unicast.ts";

/** The application `park`. Whatever ran before ends; what waits to be run is run while parked. */
export function startPark(core: Core, channel: Channel): void {
  channel.applications.end("bridge");
  const applicationUuid = newUuid(core.ids);
  if (channel.parked !== null) {
    channel.parked = null;
    publishChannel(core, "CHANNEL_UNPARK", channel);
    endUnicast(channel);
  }
  channel.state = "CS_EXECUTE";
  channel.otherLeg = null;
  channel.setVariable("current_application", "park");
  publishChannel(core, "CHANNEL_EXECUTE", channel, [
    ["Application", "park"],
    ["Application-UUID", applicationUuid],
  ]);
  park(core, channel, applicationUuid);
}

/** Parks a leg that asked for it, now and after every later bridge. */
export function staysParked(core: Core, channel: Channel): boolean {
  if (channel.cause !== null || !channel.isTrue("park_after_bridge")) return false;
  park(core, channel, null);
  return true;
}

/** Parks: by the application, or (no application) after a bridge. */
function park(core: Core, channel: Channel, applicationUuid: string | null): void {
  channel.state = applicationUuid === null ? "CS_PARK" : "CS_EXECUTE";
  channel.parked = { applicationUuid };
  armParkTimeout(core, channel);
  publishChannel(core, "CHANNEL_PARK", channel);
  channel.applications.wake();
}

export function unpark(core: Core, channel: Channel): void {
  const { parked } = channel;
  if (parked === null) return;
  channel.parked = null;
  publishChannel(core, "CHANNEL_UNPARK", channel);
  endUnicast(channel);
  if (parked.applicationUuid !== null) {
    publishChannel(core, "CHANNEL_EXECUTE_COMPLETE", channel, [
      ["Application", "park"],
      ["Application-Response", channel.variables.get("current_application_response") ?? "_none_"],
      ["Application-UUID", parked.applicationUuid],
    ]);
  }
}

/**
 * `park_timeout=30:CAUSE` counts at whole seconds and only for this one stay. It is used up by it, and takes
 * park_after_bridge along.
 */
function armParkTimeout(core: Core, channel: Channel): void {
  const [seconds = "", cause] = (channel.variables.get("park_timeout") ?? "").split(":");
  if (!/^\d+$/.test(seconds)) return;
  channel.variables.delete("park_timeout");
  channel.variables.delete("park_after_bridge");
  const stay = channel.parked;
  const nowMs = core.clock.nowMs();
  const dueMs = (Math.floor(nowMs / 1000) + Number(seconds)) * 1000;
  core.clock.after(dueMs - nowMs, () => {
    if (channel.parked === stay) void core.api(`uuid_kill ${channel.uuid} ${cause ?? ""}`);
  });
}
