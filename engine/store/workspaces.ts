import type { KeyId, WorkspaceId } from "../ids.ts";
import { updateRow } from "./rows.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface WorkspaceRow {
  id: WorkspaceId;
  name: string;
  currency: "KES";
  createdAtMs: number;
  frozenAtMs: number | null;
  frozenReason: string | null;
  requestsPerMinute: number;
  callsPerSecond: number;
  concurrentCalls: number;
  /** JSON array of ISO 3166 alpha-2. */
  allowedCountries: string;
  recordingRetentionDays: number;
  onZeroBalance: "continue" | "hangup";
  lowBalanceThresholdMinor: number | null;
  mpesaAccountRef: string;
  /** JSON array of `+` and digits. */
  refusedPrefixes: string;
  /** JSON array of CallingWindow. */
  callingWindows: string;
  /** The owner's, then the operator's; the lower one counts. */
  dailySpendCapMinor: number | null;
  dailySpendCapMaxMinor: number | null;
  highestRatePerMinuteMinor: number | null;
  highestRatePerMinuteMaxMinor: number | null;
  /** Null: as many as there are. */
  shortCallsMax: number | null;
  numbersPerRangeMax: number | null;
  newCountryWatch: 0 | 1;
}

export interface ApiKeyRow {
  id: KeyId;
  workspaceId: WorkspaceId;
  name: string;
  /** SHA-256 of the whole key, hex. */
  keySha256: string;
  lastFour: string;
  /** JSON array. */
  scopes: string;
  createdAtMs: number;
  expiresAtMs: number | null;
  revokedAtMs: number | null;
  /** A key or a user; null: the operator. */
  createdBy: string | null;
  /** Written at most once a minute. */
  lastUsedAtMs: number | null;
}

export async function insertWorkspace(
  tx: Tx,
  row: Pick<WorkspaceRow, "id" | "name" | "mpesaAccountRef" | "createdAtMs">,
): Promise<void> {
  await tx.run("INSERT INTO workspaces (id, name, mpesa_account_ref, created_at_ms) VALUES (?, ?, ?, ?)", [
    row.id,
    row.name,
    row.mpesaAccountRef,
    row.createdAtMs,
  ]);
}

export const workspaceById = (tx: ReadTx, id: WorkspaceId) =>
  tx.get<WorkspaceRow>("SELECT * FROM workspaces WHERE id = ?", [id]);

/** By a piece of its name, its account number, its id, or a member's whole mail address; the newest first. */
export const findWorkspaces = (tx: ReadTx, text: string, limit: number) =>
  tx.all<Pick<WorkspaceRow, "id" | "name" | "mpesaAccountRef" | "createdAtMs" | "frozenAtMs">>(
    `SELECT w.id, w.name, w.mpesa_account_ref, w.created_at_ms, w.frozen_at_ms FROM workspaces w
     WHERE w.id = ? OR w.mpesa_account_ref = ? OR LOWER(w.name) LIKE '%' || LOWER(?) || '%' ESCAPE '!'
       OR w.id IN (SELECT m.workspace_id FROM members m JOIN users u ON u.id = m.user_id WHERE u.email = ?)
     ORDER BY w.id DESC LIMIT ?`,
    [text, text.toUpperCase(), text.replace(/[!%_]/g, "!$&"), text.toLowerCase(), limit],
  );

/**
 * The row as it is now; others that keep it wait until this transaction ends, so that what was counted of its calls, or
 * reckoned of its money, stays so. Kept after a call's row, and before its legs' and any account's.
 */
export const keepWorkspace = (tx: Tx, id: WorkspaceId) =>
  tx.get<WorkspaceRow>("SELECT * FROM workspaces WHERE id = ? FOR NO KEY UPDATE", [id]);

/** A field that is undefined stays as it is. */
export async function updateWorkspace(
  tx: Tx,
  id: WorkspaceId,
  patch: { [Field in keyof Omit<WorkspaceRow, "id">]?: WorkspaceRow[Field] | undefined },
): Promise<void> {
  const set = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
  await updateRow(tx, "workspaces", ["id", id], set as Partial<WorkspaceRow>);
}

export async function insertApiKey(
  tx: Tx,
  row: Omit<ApiKeyRow, "revokedAtMs" | "lastUsedAtMs">,
): Promise<void> {
  await tx.run(
    `INSERT INTO api_keys (id, workspace_id, name, key_sha256, last_four, scopes, created_at_ms, expires_at_ms, created_by)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      row.id,
      row.workspaceId,
      row.name,
      row.keySha256,
      row.lastFour,
      row.scopes,
      row.createdAtMs,
      row.expiresAtMs,
      row.createdBy,
    ],
  );
}

export const apiKeyByHash = (tx: ReadTx, keySha256: string) =>
  tx.get<ApiKeyRow>("SELECT * FROM api_keys WHERE key_sha256 = ?", [keySha256]);

/** A workspace's, oldest first, revoked and expired ones too. */
export const apiKeysOf = (tx: ReadTx, workspaceId: WorkspaceId) =>
  tx.all<ApiKeyRow>("SELECT * FROM api_keys WHERE workspace_id = ? ORDER BY id", [workspaceId]);

export const apiKeyById = (tx: ReadTx, workspaceId: WorkspaceId, id: KeyId) =>
  tx.get<ApiKeyRow>("SELECT * FROM api_keys WHERE workspace_id = ? AND id = ?", [workspaceId, id]);

/** Newest first, those older than `before`; revoked and expired ones too. */
export const apiKeysPage = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { limit: number; before: KeyId | null },
) =>
  tx.all<ApiKeyRow>(
    `SELECT * FROM api_keys WHERE workspace_id = ? ${page.before === null ? "" : "AND id < ?"}
     ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...(page.before === null ? [] : [page.before]), page.limit],
  );

/** Somebody used it, where nobody wrote that down since `beforeMs`. */
export async function markKeyUsed(tx: Tx, id: KeyId, nowMs: number, beforeMs: number): Promise<void> {
  await tx.run(
    "UPDATE api_keys SET last_used_at_ms = ? WHERE id = ? AND (last_used_at_ms IS NULL OR last_used_at_ms <= ?)",
    [nowMs, id, beforeMs],
  );
}

/** Refused from the commit on. Revoked before, it stays as it was. Undefined: there is no such key. */
export const revokeApiKey = (tx: Tx, id: KeyId, nowMs: number) =>
  tx.get<ApiKeyRow>(
    "UPDATE api_keys SET revoked_at_ms = COALESCE(revoked_at_ms, ?) WHERE id = ? RETURNING *",
    [nowMs, id],
  );
