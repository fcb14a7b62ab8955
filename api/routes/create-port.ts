import { requestPort } from "../../engine/numbers/ports.ts";
import { changes } from "../route.ts";
import { createPortBody, portSchema, portView } from "../schemas/port.ts";

export const createPort = changes({
  method: "post",
  path: "/v1/ports",
  operationId: "createPort",
  tag: "Numbers",
  summary: "Ask to move a number here from another carrier",
  description:
    "It takes 2 to 5 working days. Upload your carrier's account confirmation with POST /v1/ports/{id}/document. Each step " +
    "is told as `port.updated`; completed, the number is in service here, and its first month is debited.",
  scope: "numbers.claim",
  body: createPortBody,
  responses: { 201: { description: "The request.", schema: portSchema } },
  errors: [
    "ports.not_portable",
    "ports.number_here",
    "ports.in_inventory",
    "ports.already_open",
    "webhooks.url_not_allowed",
  ],
  async prepare({ parts, body }) {
    for (const field of ["document_url", "voice_callback_url"] as const)
      if (body[field] !== undefined) await parts.checkUrl(body[field], field);
  },
  async change(tx, { parts, caller, body }) {
    const port = await requestPort(tx, parts.numbers, caller.workspace.id, {
      number: body.number,
      currentCarrier: body.current_carrier,
      accountReference: body.account_reference,
      voiceCallbackUrl: body.voice_callback_url ?? null,
      documentUrl: body.document_url ?? null,
    });
    const view = portView(port);
    return { status: 201, body: view, changed: { subject: port.id, before: null, after: view } };
  },
});
