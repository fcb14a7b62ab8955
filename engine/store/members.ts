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

/** False: is a member already, whatever the role. */
export async function insertMember(tx: Tx, row: Omit<MemberRow, "email">): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO members (workspace_id, user_id, role, created_at_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (workspace_id, user_id) DO NOTHING`,
    [row.workspaceId, row.userId, row.role, row.createdAtMs],
  );
  return changes === 1;
}

/** The addresses of a workspace's owners, the longest there first. */
export async function ownersOf(tx: ReadTx, workspaceId: WorkspaceId): Promise<string[]> {
  const owners = await tx.all<{ email: string }>(
    `SELECT u.email FROM members m JOIN users u ON u.id = m.user_id
     WHERE m.workspace_id = ? AND m.role = 'owner' ORDER BY m.created_at_ms, m.user_id`,
    [workspaceId],
  );
  return owners.map(({ email }) => email);
}
