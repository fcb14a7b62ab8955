import type { Role } from "../store/members.ts";
import { scopes, type Scope } from "../workspaces/scopes.ts";

/** From the least to the most. */
export const roles = ["member", "admin", "owner"] as const satisfies readonly Role[];

/** Who may do what a key needs that scope for: docs/people.md shows this table. */
export const leastRole: Readonly<Record<Scope, Role>> = {
  "calls.read": "member",
  "calls.write": "member",
  "calls.supervise": "admin",
  "numbers.read": "member",
  "numbers.write": "admin",
  "numbers.claim": "admin",
  "wallet.read": "member",
  "wallet.write": "admin",
  "webhooks.manage": "admin",
  "recordings.read": "member",
  "recordings.delete": "admin",
  "sip.manage": "admin",
  "webrtc.token": "member",
  "audit.read": "admin",
  "keys.manage": "owner",
};

export const isAtLeast = (role: Role, least: Role): boolean => roles.indexOf(role) >= roles.indexOf(least);

/** What a user of that role may do, as a key's scopes say it. */
export const scopesOf = (role: Role): Scope[] => scopes.filter((scope) => isAtLeast(role, leastRole[scope]));
