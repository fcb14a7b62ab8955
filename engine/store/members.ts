import type { UserId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

export type Role = "owner" | "admin" | "member";

export interface UserRow {
  id: UserId;
  /** Normalised. */
  email: string;
  createdAtMs: number;
}

/** A user in a workspace. */
export interface MemberRow {
  workspaceId: WorkspaceId;
  userId: UserId;
  email: string;
  role: Role;
  createdAtMs: number;
}

/** Makes the user of that address where there is none; the one that there is. */
export async function upsertUser(tx: Tx, row: UserRow): Promise<UserRow> {
  await tx.run(
    "INSERT INTO users (id, email, created_at_ms) VALUES (?, ?, ?) ON CONFLICT (email) DO NOTHING",
    [row.id, row.email, row.createdAtMs],
  );
  return (await userByEmail(tx, row.email)) ?? row;
}

export const userByEmail = (tx: ReadTx, email: string) =>
  tx.get<UserRow>("SELECT * FROM users WHERE email = ?", [email]);

export const userById = (tx: ReadTx, id: UserId) => tx.get<UserRow>("SELECT * FROM users WHERE id = ?", [id]);

/** False: is a member already, whatever the role. */
export async function insertMember(tx: Tx, row: Omit<MemberRow, "email">): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO members (workspace_id, user_id, role, created_at_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (workspace_id, user_id) DO NOTHING`,
    [row.workspaceId, row.userId, row.role, row.createdAtMs],
  );
  return changes === 1;
}

const members = `SELECT m.workspace_id, m.user_id, u.email, m.role, m.created_at_ms
  FROM members m JOIN users u ON u.id = m.user_id`;

export const memberById = (tx: ReadTx, workspaceId: WorkspaceId, userId: UserId) =>
  tx.get<MemberRow>(`${members} WHERE m.workspace_id = ? AND m.user_id = ?`, [workspaceId, userId]);

/** Newest first, by the user's id; those older than `before`. */
export const membersOf = (
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { limit: number; before: UserId | null },
) =>
  tx.all<MemberRow>(
    `${members} WHERE m.workspace_id = ? ${page.before === null ? "" : "AND m.user_id < ?"}
     ORDER BY m.user_id DESC LIMIT ?`,
    [workspaceId, ...(page.before === null ? [] : [page.before]), page.limit],
  );

/** Where a user is a member, the earliest first. */
export const membershipsOf = (tx: ReadTx, userId: UserId) =>
  tx.all<MemberRow & { workspaceName: string }>(
    `SELECT m.workspace_id, m.user_id, u.email, m.role, m.created_at_ms, w.name AS workspace_name
     FROM members m JOIN users u ON u.id = m.user_id JOIN workspaces w ON w.id = m.workspace_id
     WHERE m.user_id = ? ORDER BY m.created_at_ms, m.workspace_id`,
    [userId],
  );

/** The addresses of a workspace's owners, the longest there first. */
export async function ownersOf(tx: ReadTx, workspaceId: WorkspaceId): Promise<string[]> {
  const owners = await tx.all<{ email: string }>(
    `SELECT u.email FROM members m JOIN users u ON u.id = m.user_id
     WHERE m.workspace_id = ? AND m.role = 'owner' ORDER BY m.created_at_ms, m.user_id`,
    [workspaceId],
  );
  return owners.map(({ email }) => email);
}

/** Its workspace is kept (`keepWorkspace`), so that owners who leave at once are counted one after another. */
export async function updateRole(
  tx: Tx,
  workspaceId: WorkspaceId,
  userId: UserId,
  role: Role,
): Promise<void> {
  await tx.run("UPDATE members SET role = ? WHERE workspace_id = ? AND user_id = ?", [
    role,
    workspaceId,
    userId,
  ]);
}

/** Its workspace is kept, as for `updateRole`. */
export async function deleteMember(tx: Tx, workspaceId: WorkspaceId, userId: UserId): Promise<void> {
  await tx.run("DELETE FROM members WHERE workspace_id = ? AND user_id = ?", [workspaceId, userId]);
}

/** Of a workspace that is kept. */
export async function countOwners(tx: Tx, workspaceId: WorkspaceId): Promise<number> {
  const row = await tx.get<{ owners: number }>(
    "SELECT COUNT(*) AS owners FROM members WHERE workspace_id = ? AND role = 'owner'",
    [workspaceId],
  );
  return row?.owners ?? 0;
}

/** Others that keep it wait until this transaction ends: what hangs on a user, in whatever workspaces, is counted one by one. */
export const keepUser = (tx: Tx, id: UserId) =>
  tx.get<UserRow>("SELECT * FROM users WHERE id = ? FOR NO KEY UPDATE", [id]);

/** How many workspaces a user owns. */
export async function countOwned(tx: ReadTx, userId: UserId): Promise<number> {
  const row = await tx.get<{ owned: number }>(
    "SELECT COUNT(*) AS owned FROM members WHERE user_id = ? AND role = 'owner'",
    [userId],
  );
  return row?.owned ?? 0;
}
