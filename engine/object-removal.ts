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
