import { recordChange } from "../engine/audit/audit.ts";
import { actorOfUser } from "../engine/people/invitations.ts";
import type { From } from "../engine/people/sign-in.ts";
import type { Tx } from "../engine/store/store.ts";
import type { ApiParts } from "./parts.ts";

/** By the route and by the page: accepted, and written down as done by whom it makes a member. */
export async function acceptInvitation(tx: Tx, parts: ApiParts, token: string, from: From) {
  const done = await parts.invitations.accept(tx, token);
  const { user, workspaceId, invitation } = done;
  await recordChange(tx, parts, {
    ...{ workspaceId, actor: actorOfUser(user, from), action: "acceptInvitation", subject: invitation.id },
    before: null,
    after: { user_id: user.id, email: user.email, role: invitation.role },
  });
  return done;
}
