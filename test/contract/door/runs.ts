/** What a failing run is replayed with. */
export const seed = Number(process.env["SAUTIKIT_SEED"] ?? Date.now() % 2 ** 31);

/** Does the work for each item, at most so many at a time; the first that fails says with which seed and item. */
export async function inLanes<T>(
  limit: number,
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const left = items.entries();
  const lane = async () => {
    for (const [index, item] of left)
      await work(item, index).catch((error: unknown) => {
        throw new Error(`SAUTIKIT_SEED=${seed}, item ${index}, ${JSON.stringify(item)}: ${String(error)}`, {
          cause: error,
        });
      });
  };
  await Promise.all(Array.from({ length: limit }, lane));
}
