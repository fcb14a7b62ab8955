import type { Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import { isId } from "../ids.ts";
import { memberById, membershipsOf, userById, type UserRow } from "../store/members.ts";
import { sha256 } from "../secrets.ts";
import { sessionByToken, type SessionRow } from "../store/sessions.ts";
import type { ReadTx } from "../store/store.ts";
import { workspaceById } from "../store/workspaces.ts";
import type { Caller } from "../workspaces/api-keys.ts";
import { scopesOf } from "./roles.ts";
import { isOver } from "./sign-in.ts";

/** Somebody who is signed in. */
export interface Person {
  user: UserRow;
  session: SessionRow;
}

/** Throws `auth.session` for one that is unknown, revoked, too old, or was not used for too long. */
export async function personOfSession(tx: ReadTx, token: string, clock: Clock): Promise<Person> {
  const session = await sessionByToken(tx, sha256(token));
  if (!session || isOver(session, clock)) throw new SautikitError("auth.session");
  const user = await userById(tx, session.userId);
  if (!user) throw new SautikitError("auth.session");
  return { user, session };
}

/**
 * What a person is in a workspace: in the one that is named, else in the one that the session has chosen, else in the first
 * that they came to. Throws `auth.no_workspace`, the same for one that is not there and for one that is not theirs.
 */
export async function callerOfSession(
  tx: ReadTx,
  person: Person,
  named: string | undefined,
): Promise<Caller> {
  const id = named ?? (await chosenOf(tx, person));
  const member = isId("ws", id) ? await memberById(tx, id, person.user.id) : undefined;
  const workspace = member && (await workspaceById(tx, member.workspaceId));
  if (!workspace) throw new SautikitError("auth.no_workspace");
  const by = { kind: "user" as const, id: person.user.id, role: member.role };
  return { by, scopes: scopesOf(member.role), workspace };
}

async function chosenOf(tx: ReadTx, { user, session }: Person): Promise<string | undefined> {
  const memberships = await membershipsOf(tx, user.id);
  const chosen = memberships.find(({ workspaceId }) => workspaceId === session.workspaceId);
  return (chosen ?? memberships[0])?.workspaceId;
}
