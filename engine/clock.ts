import { setTimeout as sleepFor } from "node:timers/promises";

/** A timer that can be cancelled; cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/** Where all of Sautikit takes the time from. Tests hand in one that they move by hand. */
export interface Clock {
  /** Wall clock, whole ms since the epoch. */
  nowMs(): number;
  /** Wall clock, whole µs since the epoch. */
  nowUs(): number;
  /**
   * What the wall clock said when the process began, and the time since: whole ms since the epoch that no step of the
   * host's clock reaches. For times that are waited for and stored, so that the next process can wait for them too.
   */
  steadyMs(): number;
  /** Never goes backwards; ms since an arbitrary moment. For time-outs and leases. */
  monotonicMs(): number;
  /** Runs `fn` once, `delayMs` from now. The timer does not keep the process alive. */
  after(delayMs: number, fn: () => void): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** Node refuses longer timers and would fire them at once. */
const timerMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  // From Date, not performance.timeOrigin, which does not follow a step of the host's clock.
  nowUs: () => Date.now() * 1000,
  steadyMs: () => Math.floor(performance.timeOrigin + performance.now()),
  monotonicMs: () => performance.now(),
  after(delayMs, fn) {
    const handle = setTimeout(fn, Math.min(Math.max(delayMs, 0), timerMsMax));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  async sleep(delayMs, signal) {
    await sleepFor(Math.min(Math.max(delayMs, 0), timerMsMax), undefined, signal ? { signal } : {});
  },
};

/** `steadyMs` in µs, to be held against the switch's stamps: no step of our clock reaches it either. */
export const steadyUs = (clock: Pick<Clock, "steadyMs">): number => clock.steadyMs() * 1000;

export const dayMs = 86_400_000;

/** RFC 3339 UTC with milliseconds, as events and legs show times. */
export const rfc3339Ms = (epochMs: number): string => new Date(epochMs).toISOString();

/** RFC 3339 UTC with microseconds, as SIP messages show theirs. */
export const rfc3339Us = (epochUs: number): string =>
  rfc3339Ms(Math.floor(epochUs / 1000)).replace("Z", `${String(epochUs % 1000).padStart(3, "0")}Z`);

/** RFC 3339 UTC in whole seconds (truncated), as the product page shows times. */
export const rfc3339Seconds = (epochMs: number): string =>
  new Date(Math.floor(epochMs / 1000) * 1000).toISOString().replace(".000Z", "Z");
