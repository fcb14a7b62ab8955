import { parseArgs } from "node:util";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { erasureView } from "../../api/schemas/privacy.ts";
import { parseE164 } from "../../engine/e164.ts";
import { isError } from "../../engine/errors.ts";
import type { WorkspaceId } from "../../engine/ids.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import type { Exports } from "../../engine/privacy/exports.ts";
import type { Erasures } from "../../engine/privacy/erasures.ts";
import { reachedBetween } from "../../engine/store/privacy-erasures.ts";
import { createLog } from "../log.ts";
import { connectObjectStorage } from "../object-storage.ts";
import { openPrivacy } from "../open-privacy.ts";
import { openSecrets } from "../secrets-key.ts";
import { UsageError } from "../usage.ts";
import { print, recordOperatorChange, words, workspaceOf, type Desk } from "./desk.ts";

interface Asked {
  workspaceId: WorkspaceId;
  e164: string;
  exports: Exports;
  erasures: Erasures;
}

/** Makes it at once, in this process; where the storage cannot be reached, the server does once it can. */
export async function privacyExport(desk: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { from: { type: "string" }, to: { type: "string" } },
  });
  const [fromMs, toMs] = [values.from, values.to].map((text) => (text === undefined ? null : timeOf(text)));
  if (fromMs === undefined || toMs === undefined || (fromMs !== null && toMs !== null && toMs <= fromMs))
    throw new UsageError("--from and --to: times, like 2026-11-01T00:00:00Z, the earlier first.");
  await withPrivacy(desk, positionals, async ({ workspaceId, e164, exports }) => {
    const asked = await desk.store.write(async (tx) => {
      const row = await exports.request(tx, { workspaceId, e164, fromMs, toMs, requestedBy: null });
      await recordOperatorChange(tx, desk, {
        ...{ workspaceId, action: "privacy export", subject: row.id },
        ...{ before: null, after: { pseudonym: row.pseudonym } },
      });
      return row;
    });
    await done(exports.run());
    const made = await desk.store.read((tx) => exports.get(tx, workspaceId, asked.id));
    const link = await exports.link(made, { kind: "operator" });
    print({
      ...{ export_id: made.id, workspace_id: workspaceId, pseudonym: made.pseudonym, status: made.status },
      ...(made.endedBy === null ? {} : { ended_by: made.endedBy }),
      ...(made.contents ? { calls: made.contents.calls, recordings: made.contents.recordings } : {}),
      ...(link ? { download_url: link.url, link_expires_at: rfc3339Seconds(link.expiresAtMs) } : {}),
    });
  });
}

/** Prints the receipt. Done at once, in this process; what is left, the server does. */
export async function privacyErase(desk: Desk, args: string[]): Promise<void> {
  await withPrivacy(desk, args, async ({ workspaceId, e164, erasures }) => {
    const asked = await desk.store.write(async (tx) => {
      const row = await erasures.request(tx, { workspaceId, e164, requestedBy: null });
      await recordOperatorChange(tx, desk, {
        ...{ workspaceId, action: "privacy erase", subject: row.id },
        ...{ before: null, after: { pseudonym: row.pseudonym } },
      });
      return row;
    });
    await done(erasures.run());
    const receipt = await desk.store.read((tx) => erasures.get(tx, workspaceId, asked.id));
    const { erased, completed_at } = erasureView(receipt);
    print({
      ...{ erasure_id: receipt.id, workspace_id: workspaceId, pseudonym: receipt.pseudonym },
      ...{ status: receipt.status, erased, completed_at },
    });
  });
}

/** A line for each number and workspace; a number that was erased since is there by its pseudonym. */
export async function privacyReached({ store }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { workspace: { type: "string" } },
  });
  const [from, to] = words(positionals, "FROM", "TO").map(timeOf);
  if (from === undefined || to === undefined || to <= from)
    throw new UsageError("privacy reached FROM TO: two times, like 2026-11-01T00:00:00Z, the earlier first.");
  const workspaceId = values.workspace === undefined ? null : await workspaceOf(store, values.workspace);
  for (const row of await store.read((tx) => reachedBetween(tx, from, to, workspaceId))) {
    print({
      ...{ workspace_id: row.workspaceId, number: row.number, calls: row.calls, recordings: row.recordings },
      ...{ first_at: rfc3339Seconds(row.firstAtMs), last_at: rfc3339Seconds(row.lastAtMs) },
    });
  }
}

async function withPrivacy(desk: Desk, args: string[], work: (asked: Asked) => Promise<void>): Promise<void> {
  const { config, store, clock, ids } = desk;
  const [workspace, number = ""] = words(args, "WORKSPACE", "E164");
  const workspaceId = await workspaceOf(store, workspace);
  const parsed = parseE164(number);
  if (!parsed.ok) throw new Error(`"${number}" is not E.164.`);
  const log = createLog(config.logLevel, config);
  const secrets = await openSecrets(config, ids);
  const storage = await connectObjectStorage(config, clock);
  try {
    // The server sends them.
    const mails = createMailQueue({ clock, ids, wake: () => undefined });
    const privacy = openPrivacy(config, { store, storage, secrets, mails, clock, ids, log });
    await work({ ...privacy, workspaceId, e164: parsed.e164 });
  } finally {
    storage.close();
  }
}

/** It stands as asked for; the server goes on with what could not be done. */
async function done(run: Promise<void>): Promise<void> {
  await run.catch((error: unknown) => {
    if (!isError(error, "storage.unavailable")) throw error;
    process.stderr.write(`sautikit: ${error.message} The server goes on with it once it can.\n`);
  });
}

function timeOf(text: string): number | undefined {
  const ms = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
