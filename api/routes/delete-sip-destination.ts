import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { removeDestination } from "../../engine/sip/destinations.ts";
import { changes } from "../route.ts";
import { destinationView } from "../schemas/sip-destination.ts";
import { pathId } from "../schemas/text.ts";

export const deleteSipDestination = changes({
  method: "delete",
  path: "/v1/sip-destinations/{id}",
  operationId: "deleteSipDestination",
  tag: "SIP",
  summary: "Take SIP URIs off the list",
  description: "Nobody of it is dialled from here on. A call that runs goes on.",
  scope: "sip.manage",
  params: pathId("dst", "destination"),
  responses: { 204: { description: "It is gone.", schema: null } },
  errors: ["sip.destination_not_found"],
  async change(tx, { caller, params: { id } }) {
    if (!isId("dst", id)) throw new SautikitError("sip.destination_not_found");
    const before = destinationView(await removeDestination(tx, caller.workspace.id, id));
    return { status: 204, changed: { subject: id, before, after: null } };
  },
});
