import type { z } from "zod";
import { invalidField, SautikitError } from "../../engine/errors.ts";
import {
  keepWorkspace,
  updateWorkspace,
  workspaceById,
  type WorkspaceRow,
} from "../../engine/store/workspaces.ts";
import { kes } from "../../engine/wallet/money.ts";
import type { Caller } from "../../engine/workspaces/api-keys.ts";
import { changes } from "../route.ts";
import { ownersAlone, patchWorkspaceBody, workspaceSchema, workspaceView } from "../schemas/workspace.ts";

type Body = z.output<typeof patchWorkspaceBody>;

export const patchWorkspace = changes({
  method: "patch",
  path: "/v1/workspace",
  operationId: "patchWorkspace",
  tag: "Workspace",
  summary: "Change its name, what its calls may do, or how long recordings are kept",
  description:
    "What calls may do (`allowed_countries`, `refused_prefixes`, `daily_spend_cap_minor`, `highest_rate_per_minute_minor`, " +
    "`calling_windows`) is an owner's to change, or a key's with the scope `keys.manage`, which counts as one. It holds from " +
    "the next call on. The two amounts may not be higher than the operator's.",
  scope: "recordings.delete",
  body: patchWorkspaceBody,
  responses: { 200: { description: "The workspace as it is now.", schema: workspaceSchema } },
  errors: [],
  async change(tx, { caller, body }) {
    requireOwner(caller, body);
    const { id } = caller.workspace;
    const before = (await keepWorkspace(tx, id)) ?? caller.workspace;
    requireWithin(body, before);
    await updateWorkspace(tx, id, {
      name: body.name,
      allowedCountries: body.allowed_countries && JSON.stringify([...new Set(body.allowed_countries)]),
      refusedPrefixes: body.refused_prefixes && JSON.stringify([...new Set(body.refused_prefixes)]),
      dailySpendCapMinor: body.daily_spend_cap_minor,
      highestRatePerMinuteMinor: body.highest_rate_per_minute_minor,
      callingWindows: body.calling_windows && JSON.stringify(body.calling_windows),
      recordingRetentionDays: body.recording_retention_days,
    });
    const after = workspaceView((await workspaceById(tx, id)) ?? before);
    return { status: 200, body: after, changed: { subject: id, before: workspaceView(before), after } };
  },
});

/** A leaked key that places calls must not be able to open more countries to itself, or more money. */
function requireOwner({ scopes, by }: Caller, body: Body): void {
  const field = ownersAlone.find((name) => body[name] !== undefined);
  if (field === undefined || scopes.includes("keys.manage")) return;
  throw by.kind === "user"
    ? new SautikitError("auth.role", `To change ${field} takes an owner.`)
    : new SautikitError("auth.scope", `To change ${field} takes a key with the scope keys.manage.`);
}

/** An owner tightens what the operator allows, and loosens it up to there. */
function requireWithin(body: Body, row: WorkspaceRow): void {
  const most = {
    daily_spend_cap_minor: row.dailySpendCapMaxMinor,
    highest_rate_per_minute_minor: row.highestRatePerMinuteMaxMinor,
  };
  for (const [field, max] of Object.entries(most) as [keyof typeof most, number | null][]) {
    const wanted = body[field];
    if (typeof wanted === "number" && max !== null && wanted > max)
      throw invalidField(field, "range", `may be at most ${max} (${kes(max)}), the operator's`);
  }
}
