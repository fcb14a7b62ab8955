import { z } from "zod";
import { credentialOf } from "../../engine/sip/credentials.ts";
import { registrationsOf } from "../../engine/store/sip-credentials.ts";
import { answers } from "../route.ts";
import { registrationSchema, registrationView } from "../schemas/sip.ts";
import { accessOf, credentialPath, numberNamed, sipIdOf } from "../sip-number.ts";

/** A login has few devices: media servers keep no more of one. */
const shownMax = 100;

export const listSipRegistrations = answers({
  method: "get",
  path: "/v1/numbers/{id}/sip-credentials/{credential_id}/registrations",
  operationId: "listSipRegistrations",
  tag: "SIP",
  summary: "List the devices that are registered with it",
  description: "As its media server last said, a few seconds ago at most while it is reached.",
  scope: "sip.manage",
  params: credentialPath,
  responses: {
    200: {
      description: "All of them, the latest first.",
      schema: z.strictObject({ data: z.array(registrationSchema), next_cursor: z.null() }),
    },
  },
  errors: ["numbers.not_found", "sip.not_found", "sip.unavailable"],
  async answer({ parts, caller, params }) {
    accessOf(parts);
    const rows = await parts.store.read(async (tx) => {
      const number = await numberNamed(tx, caller.workspace.id, params.id);
      const { id } = await credentialOf(tx, parts, number, sipIdOf(params.credential_id));
      return registrationsOf(tx, { credential: id }, { nowMs: parts.clock.nowMs(), limit: shownMax });
    });
    return { status: 200, body: { data: rows.map(registrationView), next_cursor: null } };
  },
});
