/**
 * When a delivery is tried: at once, then after each of these, seconds, counted from the end of the try before. Each is
 * drawn anew ("full jitter"), evenly between the step before it and itself: endpoints that failed together do not come
 * back together, each wait is longer than the last, and none is so short that a restarting endpoint cannot be up again.
 */
const retrySeconds = [30, 120, 600, 1800, 7200, 21_600, 86_400] as const;

/** Five seconds: what a web server needs to restart. */
const firstRetrySecondsMin = 5;

/** The first try and the retries. */
export const triesMax = 1 + retrySeconds.length;

/** A receiver may ask for more time, up to the longest step. */
const retryAfterSecondsMax = 86_400;

/** How a try ended, as far as the schedule cares. */
export interface TryEnd {
  /** HTTP status; null: no answer. */
  status: number | null;
  /** What `Retry-After` asked for; null: nothing. */
  retryAfterSeconds: number | null;
}

export type NextStep =
  { status: "delivered" } | { status: "dead_letter" } | { status: "pending"; waitMs: number };

/** Pure: what follows from try number `tries` of this schedule (1, 2, …). `fraction` in [0, 1) is the jitter. */
export function nextStep({ status, retryAfterSeconds }: TryEnd, tries: number, fraction: number): NextStep {
  if (status !== null && status >= 200 && status < 300) return { status: "delivered" };
  // 410 Gone: the receiver asks not to be told again.
  if (status === 410) return { status: "dead_letter" };
  const seconds = retrySeconds[tries - 1];
  if (seconds === undefined) return { status: "dead_letter" };
  const least = retrySeconds[tries - 2] ?? firstRetrySecondsMin;
  const drawn = least + (seconds - least) * fraction;
  const asked = Math.min(retryAfterSeconds ?? 0, retryAfterSecondsMax);
  return { status: "pending", waitMs: Math.round(Math.max(drawn, asked) * 1000) };
}

/** Reads `Retry-After` of 429 and 503: seconds, or an HTTP date. */
export function retryAfterSeconds(status: number, header: string | undefined, nowMs: number): number | null {
  if (header === undefined || (status !== 429 && status !== 503)) return null;
  if (/^\d+$/.test(header)) return Number(header);
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? null : Math.max(0, Math.ceil((atMs - nowMs) / 1000));
}
