import { rfc3339Seconds } from "../../engine/clock.ts";
import { SautikitError } from "../../engine/errors.ts";
import { isId } from "../../engine/ids.ts";
import { answers } from "../route.ts";
import { exportView, linkedExportSchema } from "../schemas/privacy.ts";
import { pathId } from "../schemas/text.ts";

export const getExport = answers({
  method: "get",
  path: "/v1/privacy/exports/{id}",
  operationId: "getExport",
  tag: "Privacy",
  summary: "Look at an export, with a link to it",
  description:
    "The link lives for an hour; each one is in the audit log, and in the access log of every recording that is in the ZIP.",
  scope: "recordings.read",
  role: "admin",
  params: pathId("exp", "export"),
  responses: { 200: { description: "The export.", schema: linkedExportSchema } },
  errors: ["privacy.export_not_found", "storage.unavailable"],
  async answer({ parts, caller, actor, params }) {
    const { id } = params;
    if (!isId("exp", id)) throw new SautikitError("privacy.export_not_found");
    if (!caller.scopes.includes("calls.read"))
      throw new SautikitError("auth.scope", "This needs a key with the scope calls.read, too.");
    const row = await parts.store.read((tx) => parts.exports.get(tx, caller.workspace.id, id));
    const link = await parts.exports.link(row, actor);
    const linked = {
      download_url: link?.url ?? null,
      link_expires_at: link ? rfc3339Seconds(link.expiresAtMs) : null,
    };
    return { status: 200, body: { ...exportView(row), ...linked } };
  },
});
