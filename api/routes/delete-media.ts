import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { changes } from "../route.ts";
import { pathId } from "../schemas/text.ts";

export const deleteMedia = changes({
  method: "delete",
  path: "/v1/media/{id}",
  operationId: "deleteMedia",
  tag: "Media",
  summary: "Delete a prompt, for good",
  description:
    "From here on no call finds it; one that plays it goes on. Its file is out of the storage within two minutes.",
  scope: "calls.write",
  params: pathId("med", "prompt"),
  responses: { 204: { description: "It is deleted.", schema: null } },
  errors: ["media.not_found"],
  async change(tx, { parts, caller, params }) {
    if (!isId("med", params.id)) throw new SautikitError("media.not_found");
    await parts.prompts.delete(tx, caller.workspace.id, params.id);
    return { status: 204 };
  },
});
