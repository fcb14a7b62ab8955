import type { Actor } from "../audit/audit.ts";
import { dayMs, rfc3339Seconds, type Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import { isId, type Ids, type KeyId, type UserId, type WorkspaceId } from "../ids.ts";
import type { MailQueue } from "../mail/mail-queue.ts";
import { sha256 } from "../secrets.ts";
import {
  countInvitedSince,
  insertInvitation,
  invitationById,
  invitationByToken,
  markAccepted,
  markRevoked,
  revokeOpen,
  type InvitationRow,
} from "../store/invitations.ts";
import {
  insertMember,
  memberById,
  upsertUser,
  userByEmail,
  type Role,
  type UserRow,
} from "../store/members.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { apiKeyById, keepWorkspace, workspaceById, type WorkspaceRow } from "../store/workspaces.ts";
import type { Caller } from "../workspaces/api-keys.ts";
import { authorityOf, requireRole } from "./authority.ts";
import { isAtLeast } from "./roles.ts";
import { newToken } from "./tokens.ts";
import { limit } from "./tries.ts";

export type Invitation = InvitationRow;
export type InvitationStatus = "pending" | "accepted" | "revoked" | "expired";

const validMs = 7 * dayMs;
/** Who can invite can have mail sent to anybody. In a day: of a workspace, of somebody in all of theirs, and to an address. */
const invitedPerDayMax = 100;
const perInviter = {
  max: invitedPerDayMax,
  windowMs: dayMs,
  code: "invitations.too_many",
  message: "You have sent as many invitations as you may in a day, to all your workspaces: 100.",
} as const;
const perAddress = { max: 5, windowMs: dayMs, code: "invitations.address_limit" } as const;

export interface PeopleParts {
  clock: Clock;
  ids: Ids;
  mails: MailQueue;
  /** Where the pages are that mails link to; without a slash at the end. */
  publicUrl: () => string;
}

/**
 * Invitations by mail. The link proves that its holder reads that address, once, and makes that address a member; it signs
 * nobody in, since it lives longer than a link that does may.
 */
export class Invitations {
  readonly #parts: PeopleParts;

  constructor(parts: PeopleParts) {
    this.#parts = parts;
  }

  /**
   * Revokes one that the address has already. Throws `invitations.already_member`, `invitations.too_many`,
   * `invitations.address_limit`, `auth.role`.
   */
  async invite(tx: Tx, caller: Caller, asked: { email: string; role: Role }): Promise<Invitation> {
    const { workspace } = caller;
    await keepWorkspace(tx, workspace.id);
    requireRole(await authorityOf(tx, caller), asked.role === "owner" ? "owner" : "admin");
    return this.#send(tx, workspace, { ...asked, invitedBy: caller.by.id });
  }

  /** Its workspace is kept. */
  async #send(
    tx: Tx,
    workspace: Pick<WorkspaceRow, "id" | "name">,
    { email, role, invitedBy }: { email: string; role: Role; invitedBy: KeyId | UserId },
  ): Promise<Invitation> {
    const { clock, ids, mails, publicUrl } = this.#parts;
    const nowMs = clock.nowMs();
    const user = await userByEmail(tx, email);
    if (user && (await memberById(tx, workspace.id, user.id)))
      throw new SautikitError("invitations.already_member");
    if ((await countInvitedSince(tx, workspace.id, nowMs - dayMs)) >= invitedPerDayMax) {
      throw new SautikitError("invitations.too_many", undefined, { retryAfterSeconds: 3600 });
    }
    await limit(tx, `invitations by ${invitedBy}`, nowMs, perInviter);
    await limit(tx, `invitations to ${sha256(email)}`, nowMs, perAddress);
    await revokeOpen(tx, workspace.id, email, nowMs);
    const { token, tokenSha256 } = newToken(ids);
    const row = {
      ...{ id: ids.next("ivt"), workspaceId: workspace.id, email, role, tokenSha256, invitedBy },
      createdAtMs: nowMs,
      expiresAtMs: nowMs + validMs,
    };
    await insertInvitation(tx, row);
    await mails.send(tx, {
      key: `invitation ${row.id}`,
      workspaceId: workspace.id,
      to: [email],
      subject: "You are invited to a workspace on Sautikit",
      text:
        `You are invited to ${nameInMail(workspace.name)} on Sautikit, as ${role === "member" ? "a" : "an"} ${role}.\n\nTo accept, open this page and press the button, until ${rfc3339Seconds(row.expiresAtMs)}:\n\n` +
        `${publicUrl()}/invitation?token=${token}\n\nIf you know nothing of it, do nothing.\n`,
    });
    return { ...row, acceptedAtMs: null, revokedAtMs: null };
  }

  /** Throws `invitations.not_found`, `invitations.accepted`, `auth.role`. */
  async revoke(
    tx: Tx,
    caller: Caller,
    id: Invitation["id"],
  ): Promise<{ before: Invitation; after: Invitation }> {
    const before = await invitationById(tx, caller.workspace.id, id);
    if (!before) throw new SautikitError("invitations.not_found");
    requireRole(await authorityOf(tx, caller), before.role === "owner" ? "owner" : "admin");
    const after = await markRevoked(tx, id, this.#parts.clock.nowMs());
    if (!after) throw new SautikitError("invitations.accepted");
    return { before, after };
  }

  /** What a page shows before anybody accepts; looking changes nothing. Undefined: it cannot be accepted. */
  async look(
    tx: ReadTx,
    token: string,
  ): Promise<{ invitation: Invitation; workspaceName: string } | undefined> {
    const invitation = await invitationByToken(tx, sha256(token));
    if (!invitation || statusOf(invitation, this.#parts.clock.nowMs()) !== "pending") return undefined;
    if (!(await mayStillInvite(tx, invitation))) return undefined;
    const workspace = await workspaceById(tx, invitation.workspaceId);
    return workspace && { invitation, workspaceName: workspace.name };
  }

  /** Once. Throws `invitations.link_invalid`. */
  async accept(
    tx: Tx,
    token: string,
  ): Promise<{ invitation: Invitation; user: UserRow; workspaceId: WorkspaceId; workspaceName: string }> {
    const { clock, ids } = this.#parts;
    const nowMs = clock.nowMs();
    const before = await invitationByToken(tx, sha256(token));
    // First, as everybody does who changes its members.
    const workspace = before && (await keepWorkspace(tx, before.workspaceId));
    const stands = workspace && (await mayStillInvite(tx, before));
    const invitation = stands && (await markAccepted(tx, sha256(token), nowMs));
    if (!invitation) throw new SautikitError("invitations.link_invalid");
    const { workspaceId, email, role } = invitation;
    const user = await upsertUser(tx, { id: ids.next("usr"), email, createdAtMs: nowMs });
    await insertMember(tx, { workspaceId, userId: user.id, role, createdAtMs: nowMs });
    return { invitation, user, workspaceId, workspaceName: workspace.name };
  }
}

export function statusOf(row: Invitation, nowMs: number): InvitationStatus {
  if (row.acceptedAtMs !== null) return "accepted";
  if (row.revokedAtMs !== null) return "revoked";
  return row.expiresAtMs <= nowMs ? "expired" : "pending";
}

/** Who it is written down as, that accepts or signs in. */
export const actorOfUser = (
  user: Pick<UserRow, "id">,
  from: Pick<Extract<Actor, { kind: "user" }>, "address" | "requestId">,
): Actor => ({ kind: "user", id: user.id, ...from });

/** Whoever made it was neither removed nor lowered since, and no key was revoked. */
async function mayStillInvite(tx: ReadTx, { workspaceId, invitedBy, role }: InvitationRow): Promise<boolean> {
  if (isId("usr", invitedBy)) {
    const member = await memberById(tx, workspaceId, invitedBy);
    return member !== undefined && isAtLeast(member.role, role === "owner" ? "owner" : "admin");
  }
  if (!isId("key", invitedBy)) return true;
  const key = await apiKeyById(tx, workspaceId, invitedBy);
  return key !== undefined && key.revokedAtMs === null;
}

/**
 * A workspace's name is its owner's to choose, and would stand in a mail to somebody who knows neither: so it does only where
 * it is short, and neither a link nor a number to call. The page that the link leads to shows it as it is.
 */
function nameInMail(name: string): string {
  const plain = /^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N} &'’()-]|\.(?= |$))*$/u;
  const shows = name.length <= 40 && plain.test(name) && !/[0-9]{4}|www|https?|hxxps?/i.test(name);
  return shows ? `the workspace "${name}"` : "a workspace";
}
