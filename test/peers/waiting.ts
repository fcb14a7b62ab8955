import { setTimeout as sleep } from "node:timers/promises";

/** Asks again and again until there is something other than undefined; the last error is the reason if never. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  { withinMs = 10_000, everyMs = 50 } = {},
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`${what} did not come within ${withinMs} ms`, { cause: last });
    }
    await sleep(everyMs);
  }
}
