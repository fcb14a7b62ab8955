import { connect, separatePicked } from "./bridge.ts";
import { hangUp } from "./hang-up.ts";
import type { Channel } from "./channel.ts";
import { liveChannel, type Core } from "./core.ts";

/**
 * The application `intercept`: takes a waiting leg over. Whoever that leg was bridged to ends PICKED_OFF. When it is
 * gone, the taker has nothing to do and is cleared once the application returns.
 */
export function intercept(core: Core, taker: Channel, uuid: string): void {
  const taken = liveChannel(core, uuid);
  if (taken === null || taken === taker) return;
  separatePicked(core, taken);
  connect(core, taker, taken);
}

/** After the application: a taker that took nobody ends. */
export function clearIfAlone(core: Core, taker: Channel): void {
  if (taker.otherLeg === null) hangUp(core, taker, "NORMAL_CLEARING");
}
