import type { Id, WorkspaceId } from "../ids.ts";
import type { Role } from "./members.ts";
import type { ReadTx, Tx } from "./store.ts";

export interface InvitationRow {
  id: Id<"ivt">;
  workspaceId: WorkspaceId;
  email: string;
  role: Role;
  tokenSha256: string;
  /** A key or a user; null: the operator. */
  invitedBy: string | null;
  createdAtMs: number;
  expiresAtMs: number;
  acceptedAtMs: number | null;
  revokedAtMs: number | null;
}

export async function insertInvitation(
  tx: Tx,
  row: Omit<InvitationRow, "acceptedAtMs" | "revokedAtMs">,
): Promise<void> {
  await tx.run(
    `INSERT INTO invitations (id, workspace_id, email, role, token_sha256, invited_by, created_at_ms, expires_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      row.id,
      row.workspaceId,
      row.email,
      row.role,
      row.tokenSha256,
      row.invitedBy,
      row.createdAtMs,
      row.expiresAtMs,
    ],
  );
}

/** Of an address in a workspace, so that a new one can be made. */
export async function revokeOpen(
  tx: Tx,
  workspaceId: WorkspaceId,
  email: string,
  nowMs: number,
): Promise<void> {
  await tx.run(
    `UPDATE invitations SET revoked_at_ms = ?
     WHERE workspace_id = ? AND email = ? AND accepted_at_ms IS NULL AND revoked_at_ms IS NULL`,
    [nowMs, workspaceId, email],
  );
}

/** Those that somebody made in a workspace, all or those of a role: who may not invite any more. */
export async function revokeInvitedBy(
  tx: Tx,
  workspaceId: WorkspaceId,
  { invitedBy, role }: { invitedBy: string; role?: Role },
  nowMs: number,
): Promise<void> {
  await tx.run(
    `UPDATE invitations SET revoked_at_ms = ?
     WHERE workspace_id = ? AND invited_by = ? AND accepted_at_ms IS NULL AND revoked_at_ms IS NULL
       ${role === undefined ? "" : "AND role = ?"}`,
    [nowMs, workspaceId, invitedBy, ...(role === undefined ? [] : [role])],
  );
}

export async function countInvitedSince(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  sinceMs: number,
): Promise<number> {
  const row = await tx.get<{ invited: number }>(
    "SELECT COUNT(*) AS invited FROM invitations WHERE workspace_id = ? AND created_at_ms > ?",
    [workspaceId, sinceMs],
  );
  return row?.invited ?? 0;
}

export const invitationByToken = (tx: ReadTx, tokenSha256: string) =>
  tx.get<InvitationRow>("SELECT * FROM invitations WHERE token_sha256 = ?", [tokenSha256]);

export const invitationById = (tx: ReadTx, workspaceId: WorkspaceId, id: InvitationRow["id"]) =>
  tx.get<InvitationRow>("SELECT * FROM invitations WHERE workspace_id = ? AND id = ?", [workspaceId, id]);

/** Newest first, those older than `before`. */
export const invitationsOf = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { limit: number; before: InvitationRow["id"] | null },
) =>
  tx.all<InvitationRow>(
    `SELECT * FROM invitations WHERE workspace_id = ? ${page.before === null ? "" : "AND id < ?"}
     ORDER BY id DESC LIMIT ?`,
    [workspaceId, ...(page.before === null ? [] : [page.before]), page.limit],
  );

/** Undefined: it was accepted, revoked, or ran out: only one of several at once gets it. */
export const markAccepted = (tx: Tx, tokenSha256: string, nowMs: number) =>
  tx.get<InvitationRow>(
    `UPDATE invitations SET accepted_at_ms = ?
     WHERE token_sha256 = ? AND accepted_at_ms IS NULL AND revoked_at_ms IS NULL AND expires_at_ms > ? RETURNING *`,
    [nowMs, tokenSha256, nowMs],
  );

/** Undefined: it was accepted. Revoked before, it stays as it was. */
export const markRevoked = (tx: Tx, id: InvitationRow["id"], nowMs: number) =>
  tx.get<InvitationRow>(
    `UPDATE invitations SET revoked_at_ms = COALESCE(revoked_at_ms, ?)
     WHERE id = ? AND accepted_at_ms IS NULL RETURNING *`,
    [nowMs, id],
  );
