import { SautikitError } from "../errors.ts";
import { memberById, type Role } from "../store/members.ts";
import type { ReadTx } from "../store/store.ts";
import type { Caller } from "../workspaces/api-keys.ts";
import { isAtLeast } from "./roles.ts";

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
