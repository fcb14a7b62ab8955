import { membershipsOf } from "../engine/store/members.ts";
import type { ReadTx } from "../engine/store/store.ts";
import type { Person } from "../engine/people/sessions.ts";
import { sessionView } from "./schemas/people.ts";

/** As `personSchema` has it. */
export async function personView(tx: ReadTx, { user, session }: Person) {
  const memberships = await membershipsOf(tx, user.id);
  const chosen = memberships.find(({ workspaceId }) => workspaceId === session.workspaceId) ?? memberships[0];
  return {
    user: { id: user.id, email: user.email },
    session: sessionView(session, session.id),
    workspace_id: chosen?.workspaceId ?? null,
    workspaces: memberships.map(({ workspaceId: id, workspaceName: name, role }) => ({ id, name, role })),
  };
}
