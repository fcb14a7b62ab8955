import { parseArgs } from "node:util";
import { rearmCutOffs } from "../engine/calls/cut-off.ts";
import { rfc3339Seconds, systemClock, type Clock } from "../engine/clock.ts";
import { parseE164 } from "../engine/e164.ts";
import { createEgress } from "../engine/egress/egress.ts";
import { isId, systemIds, type Ids, type WorkspaceId } from "../engine/ids.ts";
import { aesSecrets } from "../engine/secrets.ts";
import type { Store } from "../engine/store/store.ts";
import {
  apiKeysOf,
  numberByE164,
  revokeApiKey,
  workspaceById,
  type ApiKeyRow,
} from "../engine/store/workspaces.ts";
import { createLedger } from "../engine/wallet/ledger.ts";
import { verifyLedger } from "../engine/wallet/verify.ts";
import { createWallet } from "../engine/wallet/wallet.ts";
import { createKey } from "../engine/workspaces/api-keys.ts";
import { addNumber, routeNumber, type Routing } from "../engine/workspaces/numbers.ts";
import { scopes, type Scope } from "../engine/workspaces/scopes.ts";
import { createWorkspace } from "../engine/workspaces/workspaces.ts";
import { readConfig, type Config } from "./config.ts";
import { makeDataDir } from "./data-dir.ts";
import { openStore } from "./open-store.ts";
import { secretsKey } from "./secrets-key.ts";
import { UsageError } from "./usage.ts";

/** `ledger verify` reads everything. */
const transactionMsMax = 3_600_000;

interface Desk {
  config: Config;
  store: Store;
  clock: Clock;
  ids: Ids;
}

/** The operator's commands: each opens the database, does one thing, prints one JSON line, and closes it. */
export async function operator(subject: string, args: readonly string[]): Promise<void> {
  const [action = "", ...rest] = subject === "credit" ? ["", ...args] : args;
  const command = commands[`${subject} ${action}`.trim()];
  if (!command) throw new UsageError(`"${`${subject} ${action}`.trim()}" is not a command.`);
  // Whoever read the lines has enough of them: `key list … | head -1`.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  const config = readConfig(process.env);
  await makeDataDir(config.dataDir);
  const store = await openStore(config, { clock: systemClock, transactionMsMax });
  try {
    await command({ config, store, clock: systemClock, ids: systemIds(systemClock) }, rest);
  } finally {
    await store.close();
  }
}

const commands: Record<string, (desk: Desk, args: string[]) => Promise<void>> = {
  "workspace create": workspaceCreate,
  "key create": keyCreate,
  "key list": keyList,
  "key revoke": keyRevoke,
  "number add": numberAdd,
  "number route": numberRoute,
  credit,
  "ledger verify": ledgerVerify,
};

async function workspaceCreate({ store, ids, clock }: Desk, args: string[]): Promise<void> {
  const [name] = words(args, "NAME");
  if (name === undefined || name.trim() === "")
    throw new UsageError("workspace create NAME: it needs a name.");
  const made = await store.write((tx) => createWorkspace(tx, ids, { name, createdAtMs: clock.nowMs() }));
  print({ workspace_id: made.id, name, mpesa_account_ref: made.mpesaAccountRef });
}

async function keyCreate({ store, ids, clock }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { name: { type: "string", default: "operator" }, scopes: { type: "string" } },
  });
  const workspaceId = await workspaceOf(store, words(positionals, "WORKSPACE")[0]);
  const wanted = values.scopes?.split(",").map(scopeNamed);
  const made = await store.write((tx) =>
    createKey(tx, ids, {
      workspaceId,
      name: values.name,
      ...(wanted ? { scopes: wanted } : {}),
      createdAtMs: clock.nowMs(),
    }),
  );
  print({ key_id: made.id, api_key: made.key });
}

/** A line for each, oldest first. */
async function keyList({ store }: Desk, args: string[]): Promise<void> {
  const workspaceId = await workspaceOf(store, words(args, "WORKSPACE")[0]);
  for (const key of await store.read((tx) => apiKeysOf(tx, workspaceId))) print(keyView(key));
}

async function keyRevoke({ store, clock }: Desk, args: string[]): Promise<void> {
  const [id] = words(args, "KEY");
  if (!isId("key", id)) throw new Error(`"${id ?? ""}" is not a key's id (key_…).`);
  const revoked = await store.write((tx) => revokeApiKey(tx, id, clock.nowMs()));
  if (!revoked) throw new Error(`There is no key ${id}.`);
  print(keyView(revoked));
}

const keyView = (key: ApiKeyRow) => ({
  key_id: key.id,
  name: key.name,
  last_four: key.lastFour,
  scopes: JSON.parse(key.scopes) as string[],
  created_at: rfc3339Seconds(key.createdAtMs),
  expires_at: key.expiresAtMs === null ? null : rfc3339Seconds(key.expiresAtMs),
  revoked_at: key.revokedAtMs === null ? null : rfc3339Seconds(key.revokedAtMs),
});

const routingOptions = {
  "voice-url": { type: "string" },
  "fallback-url": { type: "string" },
  "events-url": { type: "string" },
} as const;

async function numberAdd({ store, ids, clock, config }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: routingOptions });
  const [workspace, e164 = ""] = words(positionals, "WORKSPACE", "E164");
  const workspaceId = await workspaceOf(store, workspace);
  const parsed = parseE164(e164);
  if (!parsed.ok) throw new Error(`number add WORKSPACE E164: "${e164}" is not E.164.`);
  const routing = await checkedRouting(config, clock, values);
  const secrets = aesSecrets(await secretsKey(config.secretsKey, config.dataDir, ids), ids);
  const number = {
    ...routing,
    workspaceId,
    e164: parsed.e164,
    country: (parsed.country ?? "KE").toLowerCase(),
    provisionedAtMs: clock.nowMs(),
  };
  const added = await store.write((tx) => addNumber(tx, { ids, secrets }, number));
  if (!added) throw new Error(`${parsed.e164} belongs to somebody already.`);
  print({ number_id: added.id, number: parsed.e164, voice_signing_secret: added.voiceSigningSecret });
}

/** Without a URL it only shows. A running call keeps its voice and events URLs, as its row has them. */
async function numberRoute({ store, clock, config }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: routingOptions });
  const [e164 = ""] = words(positionals, "E164");
  const routing = await checkedRouting(config, clock, values);
  const routed = await store.write(async (tx) => {
    const number = await numberByE164(tx, e164);
    if (!number) throw new Error(`Nobody here has the number "${e164}".`);
    return routeNumber(tx, number.workspaceId, number.id, routing);
  });
  print({
    number_id: routed.id,
    number: routed.e164,
    voice_callback_url: routed.voiceCallbackUrl,
    voice_fallback_url: routed.voiceFallbackUrl,
    events_url: routed.eventsUrl,
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

/** Amounts are typed in shillings, with at most two decimals, and never pass through a float. */
async function credit({ store, ids, clock }: Desk, args: string[]): Promise<void> {
  // A negative amount is a wrong amount, not an option.
  const negative = args.findIndex((arg) => /^-[\d.]/.test(arg));
  if (negative >= 0 && !args.slice(0, negative).includes("--")) throw wrongAmount();
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      reference: { type: "string" },
      description: { type: "string", default: "Credit by the operator" },
    },
  });
  const [workspace, amount = ""] = words(positionals, "WORKSPACE", "KES");
  const workspaceId = await workspaceOf(store, workspace);
  const [, shillings, cents = ""] = /^(\d{1,10})(?:\.(\d{1,2}))?$/.exec(amount) ?? [];
  const amountMinor = Number(shillings) * 100 + Number(cents.padEnd(2, "0"));
  if (shillings === undefined || amountMinor === 0) throw wrongAmount();
  const posted = await store.write(async (tx) => {
    const credited = await createWallet({ ledger: createLedger({ ids }) }).credit(tx, {
      workspaceId,
      amountMinor,
      reference: values.reference ?? ids.next("txn"),
      description: values.description,
      kind: "credit",
      createdAtMs: clock.nowMs(),
    });
    if (credited.first.workspaceId !== workspaceId || credited.first.amountMinor !== amountMinor) {
      const { first, transactionId } = credited;
      throw new Error(
        `The reference "${values.reference ?? ""}" was used before, for KES ${(first.amountMinor / 100).toFixed(2)} ` +
          `to ${String(first.workspaceId)} (${transactionId}). Nothing was credited.`,
      );
    }
    // The controller, another process, finds what is to be armed within a second.
    await rearmCutOffs(tx, { clock, ids, changed: () => undefined }, workspaceId);
    return credited;
  });
  print({
    workspace_id: workspaceId,
    amount_minor: amountMinor,
    posted: posted.posted,
    transaction_id: posted.transactionId,
  });
}

const wrongAmount = () =>
  new Error("credit WORKSPACE KES: the amount is like 500 or 49.50, and more than 0.");

/** Lists every invariant; exits non-zero when one is broken. */
async function ledgerVerify({ store }: Desk): Promise<void> {
  const findings = await store.read(verifyLedger);
  for (const { ok, name, detail } of findings)
    process.stdout.write(`${ok ? "ok    " : "BROKEN"} ${name}: ${detail}\n`);
  const broken = findings.filter((finding) => !finding.ok).length;
  process.stdout.write(`${findings.length} invariants checked, ${broken} broken\n`);
  if (broken > 0) process.exitCode = 1;
}

async function workspaceOf(store: Store, text: string | undefined): Promise<WorkspaceId> {
  if (!isId("ws", text)) throw new Error(`"${text ?? ""}" is not a workspace id (ws_…).`);
  if (!(await store.read((tx) => workspaceById(tx, text)))) throw new Error(`There is no workspace ${text}.`);
  return text;
}

function scopeNamed(name: string): Scope {
  const scope = scopes.find((known) => known === name);
  if (!scope) throw new Error(`There is no scope "${name}"; known are ${scopes.join(", ")}.`);
  return scope;
}

/** What stands behind a command, and no more than that: a name in two words is two. */
function words(given: readonly string[], ...names: string[]): readonly string[] {
  const surplus = given[names.length];
  if (surplus === undefined) return given;
  throw new UsageError(
    `"${surplus}" is one word too many for ${names.join(" ")}; put what has spaces in quotes.`,
  );
}

const print = (line: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(line)}\n`);
