import { answers } from "../route.ts";
import { pathId } from "../schemas/text.ts";
import { requirePrompt } from "./get-media.ts";

export const getMediaFile = answers({
  method: "get",
  path: "/v1/media/{id}/file",
  operationId: "getMediaFile",
  tag: "Media",
  summary: "Fetch a prompt's file",
  description:
    "A redirect to a link that lives for an hour and asks for no key. The file is as it was uploaded.",
  scope: "calls.read",
  params: pathId("med", "prompt"),
  responses: {
    302: {
      description: "The file is at `Location`.",
      schema: null,
      headers: { Location: "The presigned link." },
    },
  },
  errors: ["media.not_found"],
  async answer({ parts, caller, params }) {
    const row = await requirePrompt(parts, caller.workspace.id, params.id);
    return { status: 302, headers: { Location: await parts.prompts.link(row) } };
  },
});
