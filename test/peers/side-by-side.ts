/** Milliseconds that a test took by itself, where mocha's own figure is that of waiting for it. */
export const ownMs = new Map<string, number>();

/**
 * A suite whose tests are independent of each other and mostly wait for a telephone: they all start together, at most
 * `limit` at a time, and each `it` waits for its own.
 */
export function sideBySide(limit = 8): (title: string, body: () => Promise<void>) => void {
  const bodies: (() => Promise<void>)[] = [];
  before("all start together", () => {
    for (let lane = 0; lane < limit; lane++) void work();
  });
  async function work(): Promise<void> {
    for (let next = bodies.shift(); next; next = bodies.shift()) await next();
  }
  return (title, body) => {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    promise.catch(() => undefined);
    const test = it(title, () => promise);
    bodies.push(() => {
      const startedMs = performance.now();
      return body()
        .then(() => resolve(undefined), reject)
        .finally(() => ownMs.set(test.fullTitle(), Math.round(performance.now() - startedMs)));
    });
  };
}
