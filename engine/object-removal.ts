import { SautikitError } from "./errors.ts";

interface Bucket {
  head(key: string): Promise<unknown>;
  delete(key: string, options?: { unfinished: boolean }): Promise<void>;
}

/** Deletes an object and asks whether it is gone, since that is promised. Throws `storage.unavailable` where it is not. */
export async function removeSurely(
  storage: Bucket,
  key: string,
  options: { unfinished: boolean },
): Promise<void> {
  await storage.delete(key, options);
  if (await storage.head(key))
    throw new SautikitError("storage.unavailable", `The storage still holds ${key}.`);
}

/**
 * Removes what `next` finds, page by page, until there is no more. One that cannot be removed keeps no other of its page: it is thrown
 * once all of them were tried.
 */
export async function removeEach<Row>(
  pageRows: number,
  next: () => Promise<readonly Row[]>,
  remove: (row: Row) => Promise<void>,
): Promise<void> {
  const faults: unknown[] = [];
  for (let more = true; more;) {
    const rows = await next();
    for (const row of rows) await remove(row).catch((error: unknown) => faults.push(error));
    more = rows.length === pageRows && faults.length === 0;
  }
  if (faults.length > 0) throw faults[0];
}
