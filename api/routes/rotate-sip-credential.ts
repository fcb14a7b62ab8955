import { rotateCredential } from "../../engine/sip/credentials.ts";
import { changes } from "../route.ts";
import { credentialView, newCredentialSchema, rotateBody } from "../schemas/sip.ts";
import { accessOf, credentialPath, numberToServe, sipIdOf, sipParts } from "../sip-number.ts";

export const rotateSipCredential = changes({
  method: "post",
  path: "/v1/numbers/{id}/sip-credentials/{credential_id}/rotate",
  operationId: "rotateSipCredential",
  tag: "SIP",
  summary: "Make a new username and password for it",
  description:
    "Both are new: a media server keeps one password for a username, so that two of them at once need two usernames. The old " +
    "ones are let in until `overlap_seconds` have passed.",
  scope: "sip.manage",
  params: credentialPath,
  body: rotateBody,
  responses: { 200: { description: "The credential, with its new password.", schema: newCredentialSchema } },
  errors: ["numbers.not_found", "numbers.released", "sip.not_found", "sip.unavailable"],
  async change(tx, { parts, caller, params, body }) {
    const access = accessOf(parts);
    const number = await numberToServe(tx, caller.workspace.id, params.id);
    const { before, credential, password } = await rotateCredential(tx, sipParts(parts), number, {
      id: sipIdOf(params.credential_id),
      overlapSeconds: body.overlap_seconds,
    });
    const after = credentialView(credential, access);
    return {
      status: 200,
      body: after,
      secrets: { password },
      changed: { subject: credential.id, before: credentialView(before, access), after },
    };
  },
});
