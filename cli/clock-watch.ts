import type { Clock } from "../engine/clock.ts";
import type { Log } from "../engine/log.ts";
import { Poll } from "../engine/poll.ts";

const lookEveryMs = 10_000;
/** NTP slews less than that; more is a step, or a machine that slept. */
const stepMsMin = 2_000;

/** By how much the host's clock has been set since the process began, ms: forward is more than 0. */
export const clockStepMs = (clock: Clock): number => clock.nowMs() - clock.steadyMs();

/**
 * Says once of each step of the host's clock that there was one. What is waited for goes on by the steady clock; another process that
 * begins afterwards has another, so that theirs would agree again only once this one is started anew.
 */
export function watchClock({ clock, log }: { clock: Clock; log: Log }): Poll {
  let toldMs = 0;
  return new Poll(
    clock,
    lookEveryMs,
    () => {
      const stepMs = clockStepMs(clock);
      if (Math.abs(stepMs - toldMs) >= stepMsMin) {
        toldMs = stepMs;
        log.warn(
          { seconds: Math.round(stepMs / 1000) },
          "The host's clock was set since this process began: start each process of Sautikit anew once it is right.",
        );
      }
      return Promise.resolve();
    },
    () => undefined,
  );
}
