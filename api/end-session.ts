import { recordChange } from "../engine/audit/audit.ts";
import { actorOfUser } from "../engine/people/invitations.ts";
import { membershipsOf } from "../engine/store/members.ts";
import { revokeSession, type SessionRow } from "../engine/store/sessions.ts";
import type { Tx } from "../engine/store/store.ts";
import type { PersonRequest } from "./route.ts";

/** Written down in each of the workspaces that it could reach. False: the person has no such session. */
export async function endSession(
  tx: Tx,
  { parts, person, from }: PersonRequest<unknown, unknown>,
  id: SessionRow["id"],
  action: string,
): Promise<boolean> {
  const { user } = person;
  if (!(await revokeSession(tx, user.id, id, parts.clock.nowMs()))) return false;
  for (const { workspaceId } of await membershipsOf(tx, user.id)) {
    await recordChange(tx, parts, {
      ...{ workspaceId, actor: actorOfUser(user, from), action, subject: id },
      before: { user_id: user.id, email: user.email },
      after: null,
    });
  }
  return true;
}
