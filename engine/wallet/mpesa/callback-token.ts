import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { Secrets } from "../../secrets.ts";
import { keepCallbackToken, keptCallbackToken } from "../../store/mpesa-tokens.ts";
import type { Store } from "../../store/store.ts";

/**
 * The secret in the path of Safaricom's callbacks, one for all processes: made by the first that needs it, and kept in the store,
 * sealed. `given` is kept where there is none yet. Hexadecimal has none of the words that Daraja forbids.
 */
export async function sharedCallbackToken(
  { store, secrets, clock, ids }: { store: Store; secrets: Secrets; clock: Clock; ids: Ids },
  given: () => Promise<string | null>,
): Promise<string> {
  const kept = await store.read(keptCallbackToken);
  if (kept) return opened(secrets, kept.sealed);
  const sealed = secrets.seal((await given()) ?? ids.bytes(24).toString("hex"));
  const first = await store.write((tx) => keepCallbackToken(tx, { sealed, createdAtMs: clock.nowMs() }));
  return opened(secrets, first.sealed);
}

/** Throws where there is one that was sealed with another key. */
export async function checkCallbackToken({
  store,
  secrets,
}: {
  store: Store;
  secrets: Secrets;
}): Promise<void> {
  const kept = await store.read(keptCallbackToken);
  if (kept) opened(secrets, kept.sealed);
}

function opened(secrets: Secrets, sealed: string): string {
  try {
    return secrets.open(sealed);
  } catch (error) {
    throw new Error(
      "SECRETS_KEY (or DATA_DIR/secrets.key) is not the one that the M-Pesa callback token in the database was sealed with; " +
        "all processes on one database need the same.",
      { cause: error },
    );
  }
}
