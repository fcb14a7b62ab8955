import { revokeCredential } from "../../engine/sip/credentials.ts";
import { changes } from "../route.ts";
import { credentialView } from "../schemas/sip.ts";
import { accessOf, credentialPath, numberToServe, sipIdOf, sipParts } from "../sip-number.ts";

export const deleteSipCredential = changes({
  method: "delete",
  path: "/v1/numbers/{id}/sip-credentials/{credential_id}",
  operationId: "deleteSipCredential",
  tag: "SIP",
  summary: "Revoke a SIP credential",
  description:
    "Its devices are let in no more, and calls reach them no more, within a second or two. A call that runs goes on.",
  scope: "sip.manage",
  params: credentialPath,
  responses: { 204: { description: "It is revoked.", schema: null } },
  errors: ["numbers.not_found", "numbers.released", "sip.not_found", "sip.unavailable"],
  async change(tx, { parts, caller, params }) {
    const access = accessOf(parts);
    const number = await numberToServe(tx, caller.workspace.id, params.id);
    const before = await revokeCredential(tx, sipParts(parts), number, sipIdOf(params.credential_id));
    return {
      status: 204,
      changed: { subject: before.id, before: credentialView(before, access), after: null },
    };
  },
});
