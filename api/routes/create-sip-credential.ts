import { createCredential } from "../../engine/sip/credentials.ts";
import { changes } from "../route.ts";
import { credentialBody, credentialView, newCredentialSchema } from "../schemas/sip.ts";
import { pathId } from "../schemas/text.ts";
import { accessOf, numberToServe, sipParts } from "../sip-number.ts";

export const createSipCredential = changes({
  method: "post",
  path: "/v1/numbers/{id}/sip-credentials",
  operationId: "createSipCredential",
  tag: "SIP",
  summary: "Make a username and password for a phone or a PBX",
  description:
    "It registers, and calls, as this number and no other. The password is shown this once. It is let in within a second or " +
    "two. docs/sip.md says what to type where.",
  scope: "sip.manage",
  params: pathId("num", "number"),
  body: credentialBody,
  responses: { 201: { description: "The credential.", schema: newCredentialSchema } },
  errors: ["numbers.not_found", "numbers.released", "sip.too_many", "sip.unavailable"],
  async change(tx, { parts, caller, params, body }) {
    const access = accessOf(parts);
    const number = await numberToServe(tx, caller.workspace.id, params.id);
    const { credential, password } = await createCredential(tx, sipParts(parts), number, {
      label: body.label,
      maxConcurrentCalls: body.max_concurrent_calls,
      maxCallsPerSecond: body.max_calls_per_second,
    });
    const after = credentialView(credential, access);
    return {
      status: 201,
      body: after,
      secrets: { password },
      changed: { subject: credential.id, before: null, after },
    };
  },
});
