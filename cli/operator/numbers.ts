import { parseArgs } from "node:util";
import type { Clock } from "../../engine/clock.ts";
import { parseE164 } from "../../engine/e164.ts";
import { createEgress } from "../../engine/egress/egress.ts";
import { blockNumber } from "../../engine/numbers/block.ts";
import { tellProvisioned } from "../../engine/numbers/claims.ts";
import { addNumber, routeNumber, type Routing } from "../../engine/numbers/numbers.ts";
import { isInService, numberByE164, numberById, type NumberRow } from "../../engine/store/numbers.ts";
import type { Config } from "../config.ts";
import { numberParts } from "./number-parts.ts";
import { print, recordOperatorChange, words, workspaceOf, type Desk } from "./desk.ts";

const routingOptions = {
  "voice-url": { type: "string" },
  "fallback-url": { type: "string" },
  "events-url": { type: "string" },
} as const;

export async function numberAdd(desk: Desk, args: string[]): Promise<void> {
  const { store, clock, config } = desk;
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: routingOptions });
  const [workspace, e164 = ""] = words(positionals, "WORKSPACE", "E164");
  const workspaceId = await workspaceOf(store, workspace);
  const parsed = parseE164(e164);
  if (!parsed.ok) throw new Error(`number add WORKSPACE E164: "${e164}" is not E.164.`);
  const routing = await checkedRouting(config, clock, values);
  const parts = await numberParts(desk);
  const number = {
    ...routing,
    workspaceId,
    e164: parsed.e164,
    country: (parsed.country ?? "KE").toLowerCase(),
    provisionedAtMs: clock.nowMs(),
  };
  const added = await store.write(async (tx) => {
    const made = await addNumber(tx, parts, number);
    const row = made && (await numberById(tx, made.id));
    if (!row) return null;
    const { e164, country } = row;
    const after = { number: e164, country, ...routingView(row) };
    await recordOperatorChange(tx, desk, {
      ...{ workspaceId, action: "number add", subject: row.id, before: null, after },
    });
    await tellProvisioned(tx, parts, row);
    return made;
  });
  if (!added) throw new Error(`${parsed.e164} belongs to somebody already.`);
  print({ number_id: added.id, number: parsed.e164, voice_signing_secret: added.voiceSigningSecret });
}

/** Without a URL it only shows. A running call keeps its voice and events URLs, as its row has them. */
export async function numberRoute(desk: Desk, args: string[]): Promise<void> {
  const { store, clock, config } = desk;
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: routingOptions });
  const [e164 = ""] = words(positionals, "E164");
  const routing = await checkedRouting(config, clock, values);
  const routed = await store.write(async (tx) => {
    const number = await numberByE164(tx, e164);
    if (!number) throw new Error(`Nobody here has the number "${e164}".`);
    const { after } = await routeNumber(tx, number.workspaceId, number.id, routing);
    // Without a URL it only shows.
    if (Object.keys(routing).length > 0)
      await recordOperatorChange(tx, desk, {
        ...{ workspaceId: number.workspaceId, action: "number route", subject: number.id },
        ...{ before: routingView(number), after: routingView(after) },
      });
    return after;
  });
  print({
    number_id: routed.id,
    number: routed.e164,
    ...routingView(routed),
  });
}

const routingView = (row: Pick<NumberRow, "voiceCallbackUrl" | "voiceFallbackUrl" | "eventsUrl">) => ({
  voice_callback_url: row.voiceCallbackUrl,
  voice_fallback_url: row.voiceFallbackUrl,
  events_url: row.eventsUrl,
});
export const numberSuspend = (desk: Desk, args: string[]) => setBlocked(desk, args, true);
export const numberResume = (desk: Desk, args: string[]) => setBlocked(desk, args, false);

async function setBlocked(desk: Desk, args: string[], blocked: boolean): Promise<void> {
  const [e164 = ""] = words(args, "E164");
  const parts = await numberParts(desk);
  const number = await desk.store.write((tx) => blockNumber(tx, parts, e164, blocked));
  if (!number) throw new Error(`Nobody here has the number "${e164}".`);
  print({
    ...{ number_id: number.id, number: e164, in_service: isInService(number) },
    suspended_by_operator: number.blockedAtMs !== null,
    unpaid: number.status === "suspended",
  });
}

/** An empty URL takes away what is there. Throws `webhooks.url_not_allowed`, as the API does. */
async function checkedRouting(
  { allowPrivateUrls: allowPrivate }: Config,
  clock: Clock,
  given: { [option in keyof typeof routingOptions]?: string | undefined },
): Promise<Routing> {
  const egress = createEgress({ clock, allowPrivate });
  const routing: Routing = {};
  for (const [option, field] of [
    ["voice-url", "voiceCallbackUrl"],
    ["fallback-url", "voiceFallbackUrl"],
    ["events-url", "eventsUrl"],
  ] as const) {
    const url = given[option];
    if (url === undefined) continue;
    if (url !== "") await egress.checkUrl(url, `--${option}`);
    routing[field] = url === "" ? null : url;
  }
  return routing;
}
