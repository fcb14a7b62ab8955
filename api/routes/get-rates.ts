import { z } from "zod";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { destinationClass } from "../../engine/e164.ts";
import { SautikitError } from "../../engine/errors.ts";
import type { JsonObject } from "../../engine/json.ts";
import { lookUpRate } from "../../engine/metering/rates.ts";
import { ratesOf, type RatePlace } from "../../engine/store/rates.ts";
import { listSchema, pageQuery } from "../cursor.ts";
import { answers, type ApiRequest } from "../route.ts";
import { kes, rateBody, rateLookupSchema, rateSchema } from "../schemas/rates.ts";
import { invalidField } from "../validation.ts";

const query = z.strictObject({
  to: z
    .string()
    .max(20)
    .transform((text) => text.replace(/^ /, "+"))
    .optional()
    .meta({ override: { type: "string" }, description: "E.164: what a call to that number costs." }),
  ...pageQuery,
});

export const getRates = answers({
  method: "get",
  path: "/v1/rates",
  operationId: "getRates",
  tag: "Rates",
  summary: "What calls cost this workspace: to one number, or the whole deck",
  description:
    "With `to`: the rate by longest prefix of a call to that number now, and its next change that is known. Without: the " +
    "deck as this workspace pays it, by kind, direction and prefix, a page at a time. A call's rate is fixed when it is " +
    "dialled. Whether the workspace may call a country is `allowed_countries`.",
  scope: "wallet.read",
  query,
  responses: {
    200: {
      description: "The rate (with `to`), or a page of rates.",
      schema: z.union([rateLookupSchema, listSchema(rateSchema)]),
    },
  },
  errors: ["rates.not_found"],
  async answer(request) {
    const { to } = request.query;
    return { status: 200, body: to === undefined ? await list(request) : await lookUp(request, to) };
  },
});

type Request = ApiRequest<unknown, z.output<typeof query>, unknown>;

async function lookUp({ parts, caller }: Request, to: string): Promise<JsonObject> {
  const kind = destinationClass(to);
  if (kind === "invalid") throw invalidField("to", "e164", "must be E.164: + and 8 to 15 digits");
  if (kind !== "e164")
    throw new SautikitError("rates.not_found", `Calls to ${to} are not sold: ${unsold[kind]}.`);
  const question = { workspaceId: caller.workspace.id, remoteE164: to, atMs: parts.clock.nowMs() };
  const found = await parts.store.read((tx) => lookUpRate(tx, question));
  if (!found) throw new SautikitError("rates.not_found", `There is no rate for ${to}.`);
  const { rate, nextChange } = found;
  return {
    to,
    ...rateBody(rate),
    next_change: nextChange && {
      per_minute_kes: nextChange.microKesPerMinute === null ? null : kes(nextChange.microKesPerMinute),
      effective_at: rfc3339Seconds(nextChange.atMs),
    },
  };
}

const unsold = {
  emergency: "it is an emergency number",
  shortCode: "it is a short code",
  premium: "it is a premium or satellite number",
};

async function list({ parts, caller, query: { limit, cursor } }: Request): Promise<JsonObject> {
  const page = { atMs: parts.clock.nowMs(), after: placeInList(cursor), limit: limit + 1 };
  const rows = await parts.store.read((tx) => ratesOf(tx, caller.workspace.id, page));
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { data: shown.map(rateBody), next_cursor: rows.length > limit && last ? cursorAt(last) : null };
}

/** A place of the deck, not of its rows: a change meanwhile moves nothing. */
const cursorAt = ({ legKind, direction, prefix }: RatePlace) =>
  Buffer.from(`${legKind} ${direction} ${prefix}`).toString("base64url");

function placeInList(cursor: string | undefined): RatePlace | null {
  if (cursor === undefined) return null;
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  const [, legKind, direction, prefix] =
    /^(pstn|sip|browser) (outbound|inbound) ([0-9]{0,15})$/.exec(text) ?? [];
  if (legKind === undefined || direction === undefined || prefix === undefined)
    throw invalidField("cursor", "cursor", "is not one that this list gave out");
  return { legKind, direction, prefix } as RatePlace;
}
