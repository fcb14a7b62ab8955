import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { weekDays, type CallingWindow } from "../../engine/policy/calling-windows.ts";
import { isCountry } from "../../engine/e164.ts";
import type { WorkspaceRow } from "../../engine/store/workspaces.ts";
import { workspaceName } from "./people.ts";
import { allowedCountries } from "../../engine/workspaces/workspaces.ts";

const country = z
  .string()
  .regex(/^[A-Z]{2}$/, { error: "must be two capital letters", abort: true })
  .refine(isCountry, { error: "is no country that can be called", params: { code: "country" } });
const countries = z
  .array(country)
  .max(300)
  .superRefine((codes, context) => {
    for (const [at, code] of codes.entries())
      if (codes.indexOf(code) < at)
        context.addIssue({
          code: "custom",
          path: [at],
          message: "is there already",
          params: { code: "duplicate" },
        });
  });
const prefix = z.string().regex(/^\+[1-9][0-9]{0,14}$/, "must be + and 1 to 15 digits");
const hour = (last: string) =>
  z
    .string()
    .regex(
      last === "24:00" ? /^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$/ : /^([01][0-9]|2[0-3]):[0-5][0-9]$/,
      `must be a time of the day, 00:00 to ${last}`,
    );

const callingWindow = z
  .strictObject({
    days: z.array(z.enum(weekDays)).min(1).max(7),
    from: hour("23:59"),
    to: hour("24:00").meta({ description: "Later on the same day, and no longer in the window." }),
  })
  .refine(({ from, to }) => from < to, {
    path: ["to"],
    error: "must be later than from; a night is two windows",
    params: { code: "range" },
  });

const ofOwner = "An owner's to change, or a key's with `keys.manage`.";
const minor = z.int().min(0).max(100_000_000_000);

/** What an owner alone may change, as calls that cost money hang on it. */
const ownersFields = {
  allowed_countries: countries.optional().meta({
    description: `Where calls may go: ISO 3166 alpha-2, each once; \`[]\`: nowhere, so that no call is placed. ${ofOwner}`,
  }),
  refused_prefixes: z
    .array(prefix)
    .max(200)
    .optional()
    .meta({ description: `Where they never go: \`+\` and digits. ${ofOwner}` }),
  daily_spend_cap_minor: minor
    .nullable()
    .optional()
    .meta({
      description: `KES cents that calls may cost in a day in Nairobi; null: none of your own. ${ofOwner}`,
    }),
  highest_rate_per_minute_minor: minor
    .nullable()
    .optional()
    .meta({ description: `KES cents that a minute may cost; null: none of your own. ${ofOwner}` }),
  calling_windows: z
    .array(callingWindow)
    .max(20)
    .optional()
    .meta({ description: `When calls may be placed, East Africa Time; none: always. ${ofOwner}` }),
};

export const ownersAlone = Object.keys(ownersFields) as (keyof typeof ownersFields)[];

export const patchWorkspaceBody = z.strictObject({
  name: workspaceName.optional(),
  ...ownersFields,
  recording_retention_days: z.int().min(1).max(90).optional(),
});

const ofOperator = (description: string) =>
  z
    .int()
    .nullable()
    .meta({ description: `${description} The operator's to change; null: as many as there are.` });

export const workspaceSchema = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    currency: z.literal("KES"),
    frozen_at: z.string().nullable().meta({
      format: "date-time",
      description: "No calls since then, by the operator's hand; null: it is not.",
    }),
    allowed_countries: z.array(z.string()),
    refused_prefixes: z.array(z.string()),
    daily_spend_cap_minor: z.int().nullable(),
    daily_spend_cap_max_minor: z.int().nullable().meta({
      description:
        "The operator's: it holds where the workspace has none of its own, and that may not be higher.",
    }),
    highest_rate_per_minute_minor: z.int().nullable(),
    highest_rate_per_minute_max_minor: z.int().nullable().meta({ description: "The operator's, likewise." }),
    calling_windows: z.array(
      z.strictObject({ days: z.array(z.enum(weekDays)), from: z.string(), to: z.string() }),
    ),
    short_calls_max: ofOperator("Calls of less than 6 s within 10 minutes."),
    numbers_per_range_max: ofOperator(
      "Numbers that are the same but for their last three digits, called within an hour.",
    ),
    new_country_watch: z.boolean().meta({
      description:
        "One call at a time in the hour after the first to a foreign country. The operator's to change.",
    }),
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
  frozen_at: row.frozenAtMs === null ? null : rfc3339Seconds(row.frozenAtMs),
  allowed_countries: allowedCountries(row),
  refused_prefixes: JSON.parse(row.refusedPrefixes) as string[],
  daily_spend_cap_minor: row.dailySpendCapMinor,
  daily_spend_cap_max_minor: row.dailySpendCapMaxMinor,
  highest_rate_per_minute_minor: row.highestRatePerMinuteMinor,
  highest_rate_per_minute_max_minor: row.highestRatePerMinuteMaxMinor,
  calling_windows: (JSON.parse(row.callingWindows) as CallingWindow[]).map(({ days, from, to }) => ({
    ...{ days: [...days], from, to },
  })),
  short_calls_max: row.shortCallsMax,
  numbers_per_range_max: row.numbersPerRangeMax,
  new_country_watch: row.newCountryWatch === 1,
  recording_retention_days: row.recordingRetentionDays,
  requests_per_minute: row.requestsPerMinute,
  calls_per_second: row.callsPerSecond,
  concurrent_calls: row.concurrentCalls,
  created_at: rfc3339Seconds(row.createdAtMs),
});
