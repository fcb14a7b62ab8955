import type { Tx } from "./store.ts";

/** Longer than a controller can stand still and be one afterwards. */
const keptMs = 3_600_000;

/**
 * Keeps how a caller's channel ended whom nobody had taken in. Whoever takes them in meanwhile is waited for: what is read of legs
 * behind this has theirs. Those of long ago go with it.
 */
export async function noteGone(tx: Tx, channel: string, facts: string, nowMs: number): Promise<void> {
  await tx.run("DELETE FROM gone_callers WHERE gone_at_ms < ?", [nowMs - keptMs]);
  await tx.run(
    "INSERT INTO gone_callers (channel_uuid, facts, gone_at_ms) VALUES (?, ?, ?) ON CONFLICT (channel_uuid) DO NOTHING",
    [channel, facts, nowMs],
  );
}

/** How the channel of a caller who is about to be taken in had ended; null: it has not. To be followed by `forgetGone`. */
export async function howGone(tx: Tx, channel: string, nowMs: number): Promise<string | null> {
  // The same key: of two at once the second waits for the first.
  const { changes } = await tx.run(
    "INSERT INTO gone_callers (channel_uuid, facts, gone_at_ms) VALUES (?, NULL, ?) ON CONFLICT (channel_uuid) DO NOTHING",
    [channel, nowMs],
  );
  if (changes === 1) return null;
  const row = await tx.get<{ facts: string | null }>(
    "SELECT facts FROM gone_callers WHERE channel_uuid = ?",
    [channel],
  );
  return row?.facts ?? null;
}

export const forgetGone = (tx: Tx, channel: string) =>
  tx.run("DELETE FROM gone_callers WHERE channel_uuid = ?", [channel]);
