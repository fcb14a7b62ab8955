import type { WebhookId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface EndpointRow {
  id: WebhookId;
  workspaceId: WorkspaceId;
  url: string;
  /** JSON array. */
  events: string;
  enabled: number;
  signingSecret: string;
  previousSigningSecret: string | null;
  previousSigningSecretUntilMs: number | null;
  createdAtMs: number;
  updatedAtMs: number;
}

const columns =
  "id, workspace_id, url, events, enabled, signing_secret, previous_signing_secret," +
  " previous_signing_secret_until_ms, created_at_ms, updated_at_ms";

export async function insertEndpoint(tx: Tx, row: EndpointRow): Promise<void> {
  await tx.run(`INSERT INTO webhook_endpoints (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, [
    row.id,
    row.workspaceId,
    row.url,
    row.events,
    row.enabled,
    row.signingSecret,
    row.previousSigningSecret,
    row.previousSigningSecretUntilMs,
    row.createdAtMs,
    row.updatedAtMs,
  ]);
}

export const endpointById = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  id: WebhookId,
): Promise<EndpointRow | undefined> =>
  tx.get(
    `SELECT ${columns} FROM webhook_endpoints WHERE workspace_id = ? AND id = ? AND deleted_at_ms IS NULL`,
    [workspaceId, id],
  );

/** The same, kept from others until this transaction ends. */
export const endpointToChange = (tx: Tx, workspaceId: WorkspaceId, id: WebhookId) =>
  tx.get<EndpointRow>(
    `SELECT ${columns} FROM webhook_endpoints WHERE workspace_id = ? AND id = ? AND deleted_at_ms IS NULL FOR NO KEY UPDATE`,
    [workspaceId, id],
  );

/** Newest first, those older than `before`. */
export const endpointsOf = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  { limit, before }: { limit: number; before?: string | undefined },
): Promise<EndpointRow[]> =>
  tx.all(
    `SELECT ${columns} FROM webhook_endpoints
     WHERE workspace_id = ? AND deleted_at_ms IS NULL ${before === undefined ? "" : "AND id < ?"}
     ORDER BY id DESC LIMIT ?`,
    before === undefined ? [workspaceId, limit] : [workspaceId, before, limit],
  );

export async function countEndpoints(tx: ReadTx, workspaceId: WorkspaceId): Promise<number> {
  const row = await tx.get<{ count: number }>(
    "SELECT COUNT(*) AS count FROM webhook_endpoints WHERE workspace_id = ? AND deleted_at_ms IS NULL",
    [workspaceId],
  );
  return row?.count ?? 0;
}

/** Not changed or deleted while this transaction lasts: what is told to one now is redirected, or given up, with it. */
export const enabledEndpoints = (
  tx: Tx,
  workspaceId: WorkspaceId,
): Promise<Pick<EndpointRow, "id" | "url" | "events">[]> =>
  tx.all(
    `SELECT id, url, events FROM webhook_endpoints
     WHERE workspace_id = ? AND enabled = 1 AND deleted_at_ms IS NULL ORDER BY id FOR SHARE`,
    [workspaceId],
  );

/** Writes what may change of an endpoint. */
export async function updateEndpoint(tx: Tx, row: EndpointRow): Promise<void> {
  await tx.run(
    `UPDATE webhook_endpoints SET url = ?, events = ?, enabled = ?, signing_secret = ?, previous_signing_secret = ?,
       previous_signing_secret_until_ms = ?, updated_at_ms = ?
     WHERE id = ?`,
    [
      row.url,
      row.events,
      row.enabled,
      row.signingSecret,
      row.previousSigningSecret,
      row.previousSigningSecretUntilMs,
      row.updatedAtMs,
      row.id,
    ],
  );
}

/** The row stays for the deliveries that point at it. */
export async function markEndpointDeleted(tx: Tx, id: WebhookId, atMs: number): Promise<void> {
  await tx.run("UPDATE webhook_endpoints SET enabled = 0, deleted_at_ms = ? WHERE id = ?", [atMs, id]);
}
