import { z } from "zod";
import { dayMs, rfc3339Seconds } from "../../engine/clock.ts";
import { aheadMs, dayOf, firstOfMonth, startOfDayMs } from "../../engine/east-africa-time.ts";
import type { JsonObject } from "../../engine/json.ts";
import { callTotals, type CallTotals } from "../../engine/store/call-lists.ts";
import { answers } from "../route.ts";
import { queryTime } from "../schemas/query.ts";
import { invalidField } from "../validation.ts";

const hourMs = 3_600_000;
const bucketMsByName = { hour: hourMs, day: dayMs };

/** Of hours, a month and some days. */
const bucketsMax = 1000;

const count = z.int().min(0);
const totals = { total: count, completed: count, missed: count, failed: count, spend_minor: z.int() };

export const getCallStats = answers({
  method: "get",
  path: "/v1/calls/stats",
  operationId: "getCallStats",
  tag: "Calls",
  summary: "Count ended calls by when they were created",
  description:
    "`completed + missed + failed = total`; missed is no_answer, busy and canceled. Calls that still run are not counted. " +
    "Days and hours are those of East Africa Time.",
  scope: "calls.read",
  query: z.strictObject({
    since: z
      .union([z.enum(["today", "7d", "month"]), queryTime])
      .default("today")
      .meta({
        description:
          "`today`, `7d` (today and six days before), `month` (this one), RFC 3339, or unix seconds.",
        override: { type: "string", default: "today" },
      }),
    bucket: z
      .enum(["hour", "day"])
      .optional()
      .meta({ description: "Adds `series`, without gaps, oldest first." }),
  }),
  responses: {
    200: {
      description: "The counts.",
      schema: z.strictObject({
        total: count,
        failed: count,
        minutes_total: z.number().meta({ description: "From answer to end, each call in whole seconds." }),
        spend_minor: z.int(),
        currency: z.literal("KES"),
        series: z
          .array(z.strictObject({ start: z.string(), inbound: count, outbound: count, ...totals }))
          .optional(),
      }),
    },
  },
  errors: [],
  async answer({ parts, caller, query }) {
    const nowMs = parts.clock.nowMs();
    const sinceMs = typeof query.since === "number" ? query.since : startOf(query.since, nowMs);
    const bucketMs = bucketMsByName[query.bucket ?? "day"];
    const bucketOf = (ms: number) => Math.floor((ms + aheadMs) / bucketMs);
    const first = bucketOf(sinceMs);
    const last = bucketOf(nowMs);
    if (query.bucket !== undefined && last - first >= bucketsMax) {
      throw invalidField("since", "range", `is more than ${bucketsMax} buckets ago`);
    }
    const span = { sinceMs, bucketMs, offsetMs: aheadMs };
    const rows = await parts.store.read((tx) => callTotals(tx, caller.workspace.id, span));
    const sum = (field: keyof CallTotals) => rows.reduce((total, row) => total + row[field], 0);
    const body: JsonObject = {
      total: sum("total"),
      failed: sum("failed"),
      minutes_total: Math.round((sum("seconds") / 60) * 100) / 100,
      spend_minor: sum("spendMinor"),
      currency: "KES",
    };
    if (query.bucket === undefined) return { status: 200, body };
    const byBucket = new Map(rows.map((row) => [row.bucket, row]));
    const series = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
      const bucket = first + index;
      return { start: rfc3339Seconds(bucket * bucketMs - aheadMs), ...bucketView(byBucket.get(bucket)) };
    });
    return { status: 200, body: { ...body, series } };
  },
});

function startOf(name: "today" | "7d" | "month", nowMs: number): number {
  const today = dayOf(nowMs);
  if (name === "today") return startOfDayMs(today);
  return startOfDayMs(name === "7d" ? today - 6 : firstOfMonth(today));
}

const bucketView = (row: CallTotals | undefined) => ({
  total: row?.total ?? 0,
  inbound: row?.inbound ?? 0,
  outbound: row?.outbound ?? 0,
  completed: row?.completed ?? 0,
  missed: row?.missed ?? 0,
  failed: row?.failed ?? 0,
  spend_minor: row?.spendMinor ?? 0,
});
