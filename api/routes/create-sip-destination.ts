import { addDestination } from "../../engine/sip/destinations.ts";
import { changes } from "../route.ts";
import { destinationBody, destinationSchema, destinationView, wordsOf } from "../schemas/sip-destination.ts";
import { accessOf } from "../sip-number.ts";
import { invalidField } from "../validation.ts";

export const createSipDestination = changes({
  method: "post",
  path: "/v1/sip-destinations",
  operationId: "createSipDestination",
  tag: "SIP",
  summary: "Let documents dial SIP URIs at another's server",
  description:
    "The list that `dial.sip` is held against, where it names neither a credential nor a number of the workspace. Whatever is " +
    "left out may be any. The host is looked up again for each call, and must lead to a public address then, too.",
  scope: "sip.manage",
  body: destinationBody,
  responses: { 201: { description: "It is on the list.", schema: destinationSchema } },
  errors: ["sip.destination_exists", "sip.too_many_destinations", "sip.host_not_allowed", "sip.unavailable"],
  async prepare({ parts, body }) {
    const { domain, ports } = accessOf(parts);
    if (body.host.toLowerCase() === domain.toLowerCase())
      throw invalidField("host", "own", "is Sautikit's own: a document names the credential there");
    if (body.transport !== undefined && ports[body.transport] === undefined)
      throw invalidField("transport", "transport", "is not spoken by the media server here");
    await parts.checkSipHost(body.host, "host");
  },
  async change(tx, { parts, caller, body }) {
    const row = await addDestination(tx, parts, caller.workspace.id, wordsOf(body));
    const after = destinationView(row);
    return { status: 201, body: after, changed: { subject: row.id, before: null, after } };
  },
});
