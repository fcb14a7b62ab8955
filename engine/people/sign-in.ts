import { SautikitError } from "../errors.ts";
import type { Clock } from "../clock.ts";
import { recordChange, type Actor } from "../audit/audit.ts";
import { sha256 } from "../secrets.ts";
import { insertMember, membershipsOf, upsertUser, userByEmail, type UserRow } from "../store/members.ts";
import { insertLink, insertSession, openLink, useLink, type SessionRow } from "../store/sessions.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { createWorkspace } from "../workspaces/workspaces.ts";
import { actorOfUser, type PeopleParts } from "./invitations.ts";
import { newToken } from "./tokens.ts";
import { limit } from "./tries.ts";

export const linkMs = 15 * 60_000;
/** Once nobody has used it for so long, and once it is so old, a session is over. */
export const sessionIdleMs = 24 * 3_600_000;
export const sessionMs = 30 * 24 * 3_600_000;

/** Links asked for: to one address, and from one network. */
const perAddress = { max: 5, windowMs: 15 * 60_000, code: "sign_in.too_many" } as const;
const perNetwork = { max: 20, windowMs: 3_600_000, code: "sign_in.too_many" } as const;

/** Where a request came from. */
export interface From {
  /** Its IP address. */
  address: string | null;
  requestId: Extract<Actor, { kind: "user" }>["requestId"];
  userAgent: string | null;
}

/**
 * Signing in by a link in a mail. Whoever can read an address is its user; the first time that makes the user, and a
 * workspace of which they are the owner (`sign-up` is no more than that), unless sign-up is closed.
 */
export class SignIn {
  readonly #parts: PeopleParts;
  readonly #signUp: "open" | "invited";

  constructor(parts: PeopleParts, signUp: "open" | "invited") {
    this.#parts = parts;
    this.#signUp = signUp;
  }

  get signUp(): "open" | "invited" {
    return this.#signUp;
  }

  /**
   * Mails a link. The same is done and answered for an address that we know and for one that we do not: both get a mail, and
   * only it says which. `network` is what is counted of where the request came from. Throws `sign_in.too_many`.
   */
  async mailLink(tx: Tx, { email, network }: { email: string; network: string }): Promise<void> {
    const { clock, ids, mails, publicUrl } = this.#parts;
    const nowMs = clock.nowMs();
    await limit(tx, `address ${sha256(email)}`, nowMs, perAddress);
    await limit(tx, `network ${sha256(network)}`, nowMs, perNetwork);
    const user = await userByEmail(tx, email);
    const { token, tokenSha256 } = newToken(ids);
    await insertLink(tx, { tokenSha256, email, createdAtMs: nowMs, expiresAtMs: nowMs + linkMs });
    const welcome = user !== undefined || this.#signUp === "open";
    await mails.send(tx, {
      key: `sign in ${tokenSha256}`,
      workspaceId: null,
      to: [email],
      subject: "Sign in to Sautikit",
      text: welcome
        ? `To sign in, open this page and press the button, within 15 minutes:\n\n${publicUrl()}/sign-in?token=${token}\n\n` +
          "It works once. If you did not ask for it, do nothing: nobody has signed in.\n"
        : "Somebody, perhaps you, asked to sign in with this address. There is no account for it here, and none can be " +
          "opened without an invitation: ask an owner of your workspace for one.\n",
    });
  }

  /** Whom a link signs in; looking changes nothing. Undefined: nobody. */
  async look(tx: ReadTx, token: string): Promise<string | undefined> {
    return (await openLink(tx, sha256(token), this.#parts.clock.nowMs()))?.email;
  }

  /** Uses the link up and opens a session; its token is in this answer alone. Throws `sign_in.link_invalid`. */
  async useLink(
    tx: Tx,
    token: string,
    from: From,
  ): Promise<{ token: string; session: SessionRow; user: UserRow }> {
    const { clock, ids } = this.#parts;
    const nowMs = clock.nowMs();
    const link = await useLink(tx, sha256(token), nowMs);
    if (!link) throw new SautikitError("sign_in.link_invalid");
    const known = await userByEmail(tx, link.email);
    if (!known && this.#signUp !== "open") throw new SautikitError("sign_up.closed");
    const user = known ?? (await this.#signUpAs(tx, link.email, from));
    const memberships = await membershipsOf(tx, user.id);
    const made = newToken(ids);
    const session = {
      id: ids.next("ses"),
      tokenSha256: made.tokenSha256,
      userId: user.id,
      workspaceId: memberships[0]?.workspaceId ?? null,
      ...{ createdAtMs: nowMs, seenAtMs: nowMs, expiresAtMs: nowMs + sessionMs },
      address: from.address,
      userAgent: from.userAgent?.slice(0, 300) ?? null,
    };
    await insertSession(tx, session);
    for (const { workspaceId } of memberships) {
      await recordChange(tx, this.#parts, {
        ...{ workspaceId, actor: actorOfUser(user, from), action: "signIn", subject: session.id },
        before: null,
        after: { user_id: user.id, email: user.email },
      });
    }
    return { token: made.token, session: { ...session, revokedAtMs: null }, user };
  }

  /** An address that was proven for the first time: its user, in a workspace of their own. */
  async #signUpAs(tx: Tx, email: string, from: From): Promise<UserRow> {
    const { clock, ids } = this.#parts;
    const nowMs = clock.nowMs();
    const id = ids.next("usr");
    const user = await upsertUser(tx, { id, email, createdAtMs: nowMs });
    // Somebody with the same address was quicker.
    if (user.id !== id) return user;
    await openWorkspace(tx, this.#parts, user, email.slice(0, email.indexOf("@")), from);
    return user;
  }
}

/** A workspace that this user owns. */
export async function openWorkspace(
  tx: Tx,
  parts: Pick<PeopleParts, "clock" | "ids">,
  user: UserRow,
  name: string,
  from: Pick<From, "address" | "requestId">,
): Promise<Awaited<ReturnType<typeof createWorkspace>>> {
  const createdAtMs = parts.clock.nowMs();
  const workspace = await createWorkspace(tx, parts.ids, { name, createdAtMs });
  await insertMember(tx, { workspaceId: workspace.id, userId: user.id, role: "owner", createdAtMs });
  await recordChange(tx, parts, {
    ...{
      workspaceId: workspace.id,
      actor: actorOfUser(user, from),
      action: "createWorkspace",
      subject: workspace.id,
    },
    before: null,
    after: { id: workspace.id, name, owner: user.email },
  });
  return workspace;
}

export const isOver = (session: SessionRow, clock: Clock): boolean =>
  session.revokedAtMs !== null ||
  session.expiresAtMs <= clock.nowMs() ||
  session.seenAtMs <= clock.nowMs() - sessionIdleMs;
