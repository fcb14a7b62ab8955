import { SautikitError } from "../errors.ts";
import type { UserId } from "../ids.ts";
import { revokeInvitedBy } from "../store/invitations.ts";
import {
  countOwners,
  deleteMember,
  memberById,
  updateRole,
  type MemberRow,
  type Role,
} from "../store/members.ts";
import type { Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import type { Caller } from "../workspaces/api-keys.ts";
import { authorityOf, requireRole } from "./authority.ts";

/** The member before and after; invitations that they could not make any more go. Throws `members.not_found`, `members.last_owner`, `auth.role`. */
export async function changeRole(
  tx: Tx,
  caller: Caller,
  userId: UserId,
  role: Role,
  nowMs: number,
): Promise<{ before: MemberRow; after: MemberRow }> {
  const before = await memberToChange(tx, caller, userId);
  const authority = await authorityOf(tx, caller);
  requireRole(authority, before.role === "owner" || role === "owner" ? "owner" : "admin");
  if (before.role === "owner" && role !== "owner") await requireAnotherOwner(tx, before);
  await updateRole(tx, before.workspaceId, userId, role);
  if (role !== "owner")
    await revokeInvitedBy(
      tx,
      before.workspaceId,
      { invitedBy: userId, ...(role === "admin" ? { role: "owner" } : {}) },
      nowMs,
    );
  return { before, after: { ...before, role } };
}

/** Anybody may leave. Their keys stay: those are the workspace's; their invitations go. Throws as `changeRole` does. */
export async function removeMember(
  tx: Tx,
  caller: Caller,
  userId: UserId,
  nowMs: number,
): Promise<MemberRow> {
  const before = await memberToChange(tx, caller, userId);
  const leaves = caller.by.kind === "user" && caller.by.id === userId;
  if (!leaves) requireRole(await authorityOf(tx, caller), before.role === "owner" ? "owner" : "admin");
  if (before.role === "owner") await requireAnotherOwner(tx, before);
  await deleteMember(tx, before.workspaceId, userId);
  await revokeInvitedBy(tx, before.workspaceId, { invitedBy: userId }, nowMs);
  return before;
}

/** Its workspace is kept: who changes its members at once waits, and then sees what this one did. */
async function memberToChange(tx: Tx, { workspace }: Caller, userId: UserId): Promise<MemberRow> {
  await keepWorkspace(tx, workspace.id);
  const member = await memberById(tx, workspace.id, userId);
  if (!member) throw new SautikitError("members.not_found");
  return member;
}

async function requireAnotherOwner(tx: Tx, { workspaceId }: MemberRow): Promise<void> {
  if ((await countOwners(tx, workspaceId)) < 2) throw new SautikitError("members.last_owner");
}
