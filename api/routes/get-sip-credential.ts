import { credentialOf } from "../../engine/sip/credentials.ts";
import { answers } from "../route.ts";
import { credentialSchema, credentialView } from "../schemas/sip.ts";
import { accessOf, credentialPath, numberNamed, sipIdOf } from "../sip-number.ts";

export const getSipCredential = answers({
  method: "get",
  path: "/v1/numbers/{id}/sip-credentials/{credential_id}",
  operationId: "getSipCredential",
  tag: "SIP",
  summary: "Look at a SIP credential",
  scope: "sip.manage",
  params: credentialPath,
  responses: { 200: { description: "All but its password.", schema: credentialSchema } },
  errors: ["numbers.not_found", "sip.not_found", "sip.unavailable"],
  async answer({ parts, caller, params }) {
    const access = accessOf(parts);
    const credential = await parts.store.read(async (tx) =>
      credentialOf(
        tx,
        parts,
        await numberNamed(tx, caller.workspace.id, params.id),
        sipIdOf(params.credential_id),
      ),
    );
    return { status: 200, body: credentialView(credential, access) };
  },
});
