import type { Id, UserId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface SessionRow {
  id: Id<"ses">;
  tokenSha256: string;
  userId: UserId;
  /** Where its requests go that do not say. */
  workspaceId: WorkspaceId | null;
  createdAtMs: number;
  seenAtMs: number;
  expiresAtMs: number;
  revokedAtMs: number | null;
  address: string | null;
  userAgent: string | null;
}

export async function insertLink(
  tx: Tx,
  row: { tokenSha256: string; email: string; createdAtMs: number; expiresAtMs: number },
): Promise<void> {
  await tx.run(
    "INSERT INTO sign_in_links (token_sha256, email, created_at_ms, expires_at_ms) VALUES (?, ?, ?, ?)",
    [row.tokenSha256, row.email, row.createdAtMs, row.expiresAtMs],
  );
}

/** One that can be used. */
export const openLink = (tx: ReadTx, tokenSha256: string, nowMs: number) =>
  tx.get<{ email: string }>(
    "SELECT email FROM sign_in_links WHERE token_sha256 = ? AND used_at_ms IS NULL AND expires_at_ms > ?",
    [tokenSha256, nowMs],
  );

/** Uses it up; its address. Undefined: there is no such link, or it was used, or ran out. */
export const useLink = (tx: Tx, tokenSha256: string, nowMs: number) =>
  tx.get<{ email: string }>(
    `UPDATE sign_in_links SET used_at_ms = ? WHERE token_sha256 = ? AND used_at_ms IS NULL AND expires_at_ms > ?
     RETURNING email`,
    [nowMs, tokenSha256, nowMs],
  );

/** Counts one more try of `subject` in windows of `windowMs`: how many that makes, and since when. */
export async function countTry(
  tx: Tx,
  subject: string,
  nowMs: number,
  windowMs: number,
): Promise<{ tries: number; sinceMs: number }> {
  const over = nowMs - windowMs;
  const row = await tx.get<{ tries: number; sinceMs: number }>(
    `INSERT INTO sign_in_tries (subject, since_ms, tries) VALUES (?, ?, 1)
     ON CONFLICT (subject) DO UPDATE SET
       tries = CASE WHEN sign_in_tries.since_ms <= ? THEN 1 ELSE sign_in_tries.tries + 1 END,
       since_ms = CASE WHEN sign_in_tries.since_ms <= ? THEN excluded.since_ms ELSE sign_in_tries.since_ms END
     RETURNING tries, since_ms`,
    [subject, nowMs, over, over],
  );
  return row ?? { tries: 1, sinceMs: nowMs };
}

export async function insertSession(tx: Tx, row: Omit<SessionRow, "revokedAtMs">): Promise<void> {
  await tx.run(
    `INSERT INTO sessions (id, token_sha256, user_id, workspace_id, created_at_ms, seen_at_ms, expires_at_ms, address,
       user_agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      row.id,
      row.tokenSha256,
      row.userId,
      row.workspaceId,
      row.createdAtMs,
      row.seenAtMs,
      row.expiresAtMs,
      row.address,
      row.userAgent,
    ],
  );
}

export const sessionByToken = (tx: ReadTx, tokenSha256: string) =>
  tx.get<SessionRow>("SELECT * FROM sessions WHERE token_sha256 = ?", [tokenSha256]);

/** Those of a user that still stand, newest first. */
export const sessionsOf = (tx: ReadTx, userId: UserId, seenAfterMs: number, nowMs: number) =>
  tx.all<SessionRow>(
    `SELECT * FROM sessions WHERE user_id = ? AND revoked_at_ms IS NULL AND seen_at_ms > ? AND expires_at_ms > ?
     ORDER BY id DESC LIMIT 100`,
    [userId, seenAfterMs, nowMs],
  );

/** Somebody used it, where nobody wrote that down since `beforeMs`. */
export async function markSeen(tx: Tx, id: SessionRow["id"], nowMs: number, beforeMs: number): Promise<void> {
  await tx.run("UPDATE sessions SET seen_at_ms = ? WHERE id = ? AND seen_at_ms <= ?", [nowMs, id, beforeMs]);
}

export async function chooseWorkspace(tx: Tx, id: SessionRow["id"], workspaceId: WorkspaceId): Promise<void> {
  await tx.run("UPDATE sessions SET workspace_id = ? WHERE id = ?", [workspaceId, id]);
}

/** False: the user has no such session. */
export async function revokeSession(
  tx: Tx,
  userId: UserId,
  id: SessionRow["id"],
  nowMs: number,
): Promise<boolean> {
  const { changes } = await tx.run(
    "UPDATE sessions SET revoked_at_ms = COALESCE(revoked_at_ms, ?) WHERE id = ? AND user_id = ?",
    [nowMs, id, userId],
  );
  return changes === 1;
}

/** Links, tries and sessions that have meant nothing for `keptMs`: some of each. */
export async function sweepSignIn(tx: Tx, nowMs: number, keptMs: number, limit: number): Promise<void> {
  const before = nowMs - keptMs;
  for (const [table, key, time] of [
    ["sign_in_links", "token_sha256", "expires_at_ms"],
    ["sign_in_tries", "subject", "since_ms"],
    ["sessions", "id", "expires_at_ms"],
  ] as const) {
    await tx.run(
      `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE ${time} <= ? ORDER BY ${time} LIMIT ?)`,
      [before, limit],
    );
  }
}
