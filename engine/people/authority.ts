import { SautikitError } from "../errors.ts";
import { memberById, type Role } from "../store/members.ts";
import type { ReadTx } from "../store/store.ts";
import { apiKeyById } from "../store/workspaces.ts";
import { isKeyOver, type Caller } from "../workspaces/api-keys.ts";
import type { Scope } from "../workspaces/scopes.ts";
import { isAtLeast, scopesOf } from "./roles.ts";

/**
 * What a caller counts as among people, now: a user by the role that they have in this transaction, since somebody may
 * have changed it since they were let in; a key with keys.manage as an owner.
 */
export async function authorityOf(tx: ReadTx, caller: Caller): Promise<Role | null> {
  if (caller.by.kind === "key") return caller.scopes.includes("keys.manage") ? "owner" : null;
  return (await memberById(tx, caller.workspace.id, caller.by.id))?.role ?? null;
}

/** Throws `auth.role`. */
export function requireRole(authority: Role | null, least: Role): void {
  if (authority === null || !isAtLeast(authority, least)) {
    throw new SautikitError(
      "auth.role",
      `This takes ${least === "admin" ? "an admin or an owner" : "an owner"}.`,
    );
  }
}

/**
 * For every change, in its transaction: a body may take half a minute to arrive, and whoever was let in before it may have
 * been shown the door meanwhile, or may do less. The caller as they are now. Throws `auth.invalid`, `auth.no_workspace` and
 * `auth.role`, as at the door.
 */
export async function requireStill(
  tx: ReadTx,
  caller: Caller,
  { scope, role }: { scope: Scope; role: Role | null },
  nowMs: number,
): Promise<Caller> {
  const { by, workspace } = caller;
  if (by.kind === "key") {
    const key = await apiKeyById(tx, workspace.id, by.id);
    if (!key || isKeyOver(key, nowMs)) throw new SautikitError("auth.invalid");
    return caller;
  }
  const member = await memberById(tx, workspace.id, by.id);
  if (!member) throw new SautikitError("auth.no_workspace");
  requireAllowed(member.role, { scope, role });
  return { ...caller, by: { ...by, role: member.role }, scopes: scopesOf(member.role) };
}

/** A person needs the role, where the route names one, else the scope, which their role gives. Throws `auth.role`. */
export function requireAllowed(has: Role, { scope, role }: { scope: Scope; role: Role | null }): void {
  if (!(role === null ? scopesOf(has).includes(scope) : isAtLeast(has, role)))
    throw new SautikitError("auth.role", `Your role here, ${has}, does not allow this.`);
}
