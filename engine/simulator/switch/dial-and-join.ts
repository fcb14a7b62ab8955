import type { RunningApplication } from "./application.ts";
import { connect } from "./bridge.ts";
import type { Channel } from "./channel.ts";
import { ringCall } from "./channel-life.ts";
import type { Core } from "./core.ts";
import { readTarget } from "./dial.ts";
import { hangUp } from "./hang-up.ts";

/**
 * The application `bridge`: dials, tells its caller that it rings, and joins whoever answers. Where nobody does the caller ends
 * for that reason. Once they are joined, the end of either is the other's (the simulator knows no caller that goes on).
 */
export function dialAndJoin(
  core: Core,
  channel: Channel,
  argument: string,
  done: (response: string | null) => void,
): RunningApplication | null {
  const target = readTarget(argument);
  if (target === null) {
    hangUp(core, channel, "DESTINATION_OUT_OF_ORDER");
    done(null);
    return null;
  }
  let over = false;
  const end = () => {
    if (over) return;
    over = true;
    done(null);
  };
  const dialling = core.dial(target, {
    rings: () => ringCall(core, channel),
    won: (winner) => connect(core, channel, winner),
    failed: (cause) => {
      hangUp(core, channel, cause);
      end();
    },
  });
  return {
    stop: () => {
      dialling.cancel();
      end();
    },
    digit: () => undefined,
    pause: () => undefined,
  };
}
