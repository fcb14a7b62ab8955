import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import type { WorkspaceRow } from "../../engine/store/workspaces.ts";
import { workspaceName } from "./people.ts";
import { allowedCountries } from "../../engine/workspaces/workspaces.ts";

const country = z.string().regex(/^[A-Z]{2}$/, "must be two capital letters");

export const patchWorkspaceBody = z.strictObject({
  name: workspaceName.optional(),
  allowed_countries: z.array(country).max(300).optional().meta({
    description: "Where calls may go: ISO 3166 alpha-2. An owner's to change, or a key's with `keys.manage`.",
  }),
  recording_retention_days: z.int().min(1).max(90).optional(),
});

export const workspaceSchema = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    currency: z.literal("KES"),
    allowed_countries: z.array(z.string()),
    recording_retention_days: z.int(),
    requests_per_minute: z.int().meta({ description: "For each key." }),
    calls_per_second: z.int(),
    concurrent_calls: z.int(),
    created_at: z.string().meta({ format: "date-time" }),
  })
  .meta({ id: "Workspace" });

export const workspaceView = (row: WorkspaceRow) => ({
  id: row.id,
  name: row.name,
  currency: row.currency,
  allowed_countries: allowedCountries(row),
  recording_retention_days: row.recordingRetentionDays,
  requests_per_minute: row.requestsPerMinute,
  calls_per_second: row.callsPerSecond,
  concurrent_calls: row.concurrentCalls,
  created_at: rfc3339Seconds(row.createdAtMs),
});
