import { setTimeout as sleep } from "node:timers/promises";

/** Whoever waits long asks less often, by this share of the wait: asking costs the processors that are waited for. */
const laterBy = 0.02;
const everyMsMax = 100;

/** Asks again and again until there is something other than undefined; the last error is the reason if never. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  { withinMs = 10_000, everyMs = 50 } = {},
): Promise<T> {
  const from = performance.now();
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    const waitedMs = performance.now() - from;
    if (waitedMs > withinMs) throw new Error(`${what} did not come within ${withinMs} ms`, { cause: last });
    await sleep(Math.max(everyMs, Math.min(everyMsMax, waitedMs * laterBy)));
  }
}
