import { changeCredential } from "../../engine/sip/credentials.ts";
import { changes } from "../route.ts";
import { credentialPatch, credentialSchema, credentialView } from "../schemas/sip.ts";
import { accessOf, credentialPath, numberToServe, sipIdOf, sipParts } from "../sip-number.ts";

export const changeSipCredential = changes({
  method: "patch",
  path: "/v1/numbers/{id}/sip-credentials/{credential_id}",
  operationId: "changeSipCredential",
  tag: "SIP",
  summary: "Change a SIP credential's label and limits",
  description: "What is left out stays. The limits hold from the next call on.",
  scope: "sip.manage",
  params: credentialPath,
  body: credentialPatch,
  responses: { 200: { description: "The credential as it is now.", schema: credentialSchema } },
  errors: ["numbers.not_found", "numbers.released", "sip.not_found", "sip.unavailable"],
  async change(tx, { parts, caller, params, body }) {
    const access = accessOf(parts);
    const number = await numberToServe(tx, caller.workspace.id, params.id);
    const { before, credential } = await changeCredential(tx, sipParts(parts), number, {
      id: sipIdOf(params.credential_id),
      label: body.label,
      maxConcurrentCalls: body.max_concurrent_calls,
      maxCallsPerSecond: body.max_calls_per_second,
    });
    const after = credentialView(credential, access);
    return {
      status: 200,
      body: after,
      changed: { subject: credential.id, before: credentialView(before, access), after },
    };
  },
});
