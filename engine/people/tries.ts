import { SautikitError, type ErrorCode } from "../errors.ts";
import { countTry } from "../store/sessions.ts";
import type { Tx } from "../store/store.ts";

/**
 * Counts one more of what may be done so often. A refused try is undone with its transaction, so that a full window stays full
 * until it ends, and no longer. Throws `code`.
 */
export async function limit(
  tx: Tx,
  subject: string,
  nowMs: number,
  { max, windowMs, code, message }: { max: number; windowMs: number; code: ErrorCode; message?: string },
): Promise<void> {
  const { tries, sinceMs } = await countTry(tx, subject, nowMs, windowMs);
  if (tries <= max) return;
  const retryAfterSeconds = Math.max(1, Math.ceil((sinceMs + windowMs - nowMs) / 1000));
  throw new SautikitError(code, message, { retryAfterSeconds });
}
