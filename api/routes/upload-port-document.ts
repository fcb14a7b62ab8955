import { SautikitError } from "../../engine/errors.ts";
import { isId, type PortId } from "../../engine/ids.ts";
import { documentBytesMax, documentTypes } from "../../engine/numbers/port-documents.ts";
import { takesFile } from "../route.ts";
import { portSchema, portView } from "../schemas/port.ts";
import { pathId } from "../schemas/text.ts";

export const uploadPortDocument = takesFile({
  method: "post",
  path: "/v1/ports/{id}/document",
  operationId: "uploadPortDocument",
  tag: "Numbers",
  summary: "Upload the carrier's account confirmation",
  description:
    "The body is the file itself: a PDF, JPEG or PNG, told by its content and not by its `Content-Type`, of at most 10 MiB. " +
    "A second one takes the first one's place. It is deleted 90 days after the request has ended.",
  scope: "numbers.claim",
  params: pathId("port", "request"),
  upload: {
    bytesMax: documentBytesMax,
    contentTypes: documentTypes,
    tooLarge: "ports.document_too_large",
    notAFile: "ports.document_unsupported",
  },
  responses: { 200: { description: "The request, with what was uploaded.", schema: portSchema } },
  errors: [
    "ports.not_found",
    "ports.closed",
    "ports.document_unsupported",
    "media.busy",
    "storage.unavailable",
  ],
  prepare: ({ parts, caller, params, body }) =>
    parts.portDocuments.put(caller.workspace.id, portIdOf(params.id), body),
  async change(tx, { parts, caller, params }, facts) {
    const port = await parts.portDocuments.keep(tx, caller.workspace.id, portIdOf(params.id), facts);
    const view = portView(port);
    return { status: 200, body: view, changed: { subject: port.id, before: null, after: view } };
  },
});

function portIdOf(text: string): PortId {
  if (!isId("port", text)) throw new SautikitError("ports.not_found");
  return text;
}
