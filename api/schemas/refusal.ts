import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import {
  refusalCodes,
  refusalReasons,
  refusalSources,
  type RefusalReason,
} from "../../engine/policy/refusal.ts";
import type { RefusalRow } from "../../engine/store/refusals.ts";

export const refusalReason = z.enum(refusalReasons).meta({
  description:
    "`draining`: of a device, while the operator has no new calls taken. `frozen`: the operator stopped the workspace. `caller_id`: the number to call from, or to present, is not its own. " +
    "`destination`: an emergency, short, premium or satellite number, or one without a rate. `country`: not in " +
    "`allowed_countries`. `refused_prefix`, `rate_too_high`, `outside_window`, `spend_cap`: by the workspace's rules. " +
    "`sip_destination`: a SIP URI that is not on its list. `insufficient_funds`. `address_banned`, `credential_banned`: of a device, after failed logins (docs/bans.md). `no_rate`: the price list has none for a device's calls. " +
    "`credential_concurrency`, `credential_calls_per_second`: by its credential's own limits. `concurrency`, `calls_per_second`: by its limits. `short_calls`, `number_range`, " +
    "`new_country`: what fraud looks like (docs/limits.md).",
});

export const refusalSource = z.enum(refusalSources).meta({
  description: "`api`: a request; `dial`: a running call's action; `device`: a SIP device that calls.",
});

export const refusalSchema = z
  .strictObject({
    id: z.string(),
    reason: refusalReason,
    code: z.string().meta({ description: "A code of the error catalogue." }),
    source: refusalSource,
    from: z.string().nullable().meta({ description: "Of the first of them: the number to call from." }),
    to: z
      .string()
      .nullable()
      .meta({ description: "Of the first of them: the number, or SIP URI, that was to be called." }),
    call_id: z
      .string()
      .nullable()
      .meta({ description: "Of the first of them: the running call; null: a new one." }),
    message: z.string().meta({ description: "Of the first of them: what who asked was told." }),
    count: z.int().meta({ description: "How many were refused in that minute." }),
    first_at: z.string().meta({ format: "date-time" }),
    last_at: z.string().meta({ format: "date-time" }),
  })
  .meta({ id: "Refusal" });

export const refusalView = (row: RefusalRow) => ({
  id: row.id,
  reason: row.reason,
  code: refusalCodes[row.reason as RefusalReason],
  source: row.source,
  from: row.fromE164,
  to: row.toE164,
  call_id: row.callId,
  message: row.message,
  count: row.count,
  first_at: rfc3339Seconds(row.createdAtMs),
  last_at: rfc3339Seconds(row.lastAtMs),
});
