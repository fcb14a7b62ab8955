import { z } from "zod";
import { acceptInvitation as accept } from "../accept-invitation.ts";
import { isOpen } from "../route.ts";
import { role } from "../schemas/people.ts";

export const acceptInvitation = isOpen({
  method: "post",
  path: "/v1/invitations/accept",
  operationId: "acceptInvitation",
  tag: "People",
  summary: "Accept an invitation, by the token of its link",
  description: "Once. The address that was invited is a member then; it signs in by a link of its own.",
  scope: null,
  body: z.strictObject({ token: z.string().max(100) }),
  responses: {
    200: {
      description: "Who is a member of what.",
      schema: z.strictObject({
        workspace_id: z.string(),
        workspace_name: z.string(),
        email: z.string(),
        role,
      }),
    },
  },
  errors: ["invitations.link_invalid"],
  async change(tx, { parts, from, body }) {
    const { invitation, workspaceId, workspaceName } = await accept(tx, parts, body.token, from);
    const { email, role } = invitation;
    return { status: 200, body: { workspace_id: workspaceId, workspace_name: workspaceName, email, role } };
  },
});
