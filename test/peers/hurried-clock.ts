import { systemClock, type Clock } from "../../engine/clock.ts";

/** A clock so many times as fast, with its timers; what it says of the day is true. */
export function hurried(times: number): Clock {
  const fromMs = systemClock.monotonicMs();
  return {
    ...systemClock,
    monotonicMs: () => fromMs + (systemClock.monotonicMs() - fromMs) * times,
    after: (delayMs, fn) => systemClock.after(delayMs / times, fn),
  };
}
