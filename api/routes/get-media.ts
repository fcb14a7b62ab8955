import { SautikitError } from "../../engine/errors.ts";
import { isId, type WorkspaceId } from "../../engine/ids.ts";
import type { MediaRow } from "../../engine/store/media.ts";
import type { ApiParts } from "../parts.ts";
import { answers } from "../route.ts";
import { mediaSchema, mediaView } from "../schemas/media.ts";
import { pathId } from "../schemas/text.ts";

export const getMedia = answers({
  method: "get",
  path: "/v1/media/{id}",
  operationId: "getMedia",
  tag: "Media",
  summary: "Look at a prompt",
  scope: "calls.read",
  params: pathId("med", "prompt"),
  responses: { 200: { description: "The prompt.", schema: mediaSchema } },
  errors: ["media.not_found"],
  async answer({ parts, caller, params }) {
    const row = await requirePrompt(parts, caller.workspace.id, params.id);
    return { status: 200, body: mediaView(row, parts.prompts.urls) };
  },
});

/** Throws `media.not_found`. */
export async function requirePrompt(
  { prompts }: ApiParts,
  workspaceId: WorkspaceId,
  id: string,
): Promise<MediaRow> {
  const row = isId("med", id) ? await prompts.get(workspaceId, id) : undefined;
  if (!row) throw new SautikitError("media.not_found");
  return row;
}
