import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { byId } from "../../engine/store/media.ts";
import { changes } from "../route.ts";
import { mediaView } from "../schemas/media.ts";
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
    const before = await byId(tx, caller.workspace.id, params.id);
    await parts.prompts.delete(tx, caller.workspace.id, params.id);
    return {
      status: 204,
      changed: {
        subject: params.id,
        before: before ? mediaView(before, parts.prompts.urls) : null,
        after: null,
      },
    };
  },
});
