import { parseArgs } from "node:util";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { isNeverRated } from "../../engine/e164.ts";
import { dateMs } from "../../engine/east-africa-time.ts";
import type { DeckDiff } from "../../engine/metering/deck-diff.ts";
import { kesText, microKes, readDeck, writeDeck, type BadLine } from "../../engine/metering/deck-file.ts";
import { countKinds, importDeck, previewDeck } from "../../engine/metering/deck-import.ts";
import { setOwnRate } from "../../engine/metering/own-rates.ts";
import { allRates, type RateRow } from "../../engine/store/rates.ts";
import { UsageError } from "../usage.ts";
import { fileNamed, print, words, workspaceOf, type Desk } from "./desk.ts";

/** Prints what is new, changed, ended and withdrawn, a line each, then how many of each. */
export async function ratesImport({ store, ids, clock }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { "dry-run": { type: "boolean", default: false }, force: { type: "boolean", default: false } },
  });
  const [file] = words(positionals, "FILE.csv");
  if (file === undefined) throw new UsageError("rates import FILE.csv: it needs a file.");
  const { lines, bad } = readDeck(await fileNamed(file));
  refuse(file, bad);
  const asked = { lines, force: values.force };
  const diff = values["dry-run"]
    ? { ...(await store.read((tx) => previewDeck(tx, clock, asked))), noticeId: null }
    : await store.write((tx) => importDeck(tx, { ids, clock }, asked));
  refuse(file, diff.bad);
  printDiff(diff);
  print({
    imported: !values["dry-run"],
    ...countKinds(diff.changes),
    withdrawn: diff.withdrawn.length,
    unchanged: diff.unchanged,
    notice_id: diff.noticeId,
  });
}

/** A file is good as a whole, or nothing of it is. */
function refuse(file: string, bad: readonly BadLine[]): void {
  if (bad.length === 0) return;
  const lines = bad.map(({ line, reason }) => `\n  line ${line}: ${reason}`).join("");
  throw new Error(`${file}: nothing was imported, since this is wrong:${lines}`);
}

function printDiff({ changes, withdrawn }: DeckDiff): void {
  for (const { kind, row, before, after } of changes)
    print({
      change: kind,
      ...place(row),
      before_kes_per_minute: price(before),
      after_kes_per_minute: price(after),
      effective_from: rfc3339Seconds(row.effectiveAtMs),
    });
  for (const row of withdrawn) print({ change: "withdrawn", ...rateView(row) });
}

/** A line for each rate in effect and to come: everybody's, or those of one workspace's own. */
export async function ratesList({ store, clock }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { workspace: { type: "string" } },
  });
  words(positionals);
  const owner = values.workspace === undefined ? null : await workspaceOf(store, values.workspace);
  const nowMs = clock.nowMs();
  const rows = await store.read((tx) => allRates(tx, owner));
  rows.forEach((row, index) => {
    const next = rows[index + 1];
    const replaced = next && samePlace(next, row) && next.effectiveAtMs <= nowMs;
    if (!replaced && (row.ended === 0 || row.effectiveAtMs > nowMs)) print(rateView(row));
  });
}

/** Everybody's deck to standard output, as a file that can be imported. */
export async function ratesExport({ store, clock }: Desk, args: string[]): Promise<void> {
  words(args);
  const rows = await store.read((tx) => allRates(tx, null));
  process.stdout.write(writeDeck(rows, clock.nowMs()));
}

/** What one workspace pays to a prefix; `none`: what everybody does. */
export async function ratesSet({ store, ids, clock }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { from: { type: "string" } },
  });
  const [workspace, typed = "", kes = ""] = words(positionals, "WORKSPACE", "PREFIX", "KES");
  const workspaceId = await workspaceOf(store, workspace);
  const prefix = typed.replace(/^\+/, "");
  if (!/^[0-9]{1,15}$/.test(prefix)) throw new Error(`"${typed}" is not a prefix of 1 to 15 digits.`);
  if (isNeverRated(`+${prefix}`)) throw new Error(`+${prefix} is a satellite or premium range, never sold.`);
  const microKesPerMinute = kes === "none" ? null : microKes(kes);
  if (microKesPerMinute === undefined)
    throw new Error(`rates set WORKSPACE PREFIX KES: a price a minute like 2.50, or none; not "${kes}".`);
  const nowMs = clock.nowMs();
  const effectiveAtMs = values.from === undefined ? nowMs : dateMs(values.from);
  if (effectiveAtMs === null) throw notADate("--from", values.from ?? "");
  if (effectiveAtMs < nowMs)
    throw new Error("--from: the date has passed; without it the rate counts from now.");
  await store.write((tx) =>
    setOwnRate(tx, { ids, clock }, { workspaceId, prefix, country: null, microKesPerMinute, effectiveAtMs }),
  );
  print({
    workspace_id: workspaceId,
    prefix,
    kes_per_minute: price(microKesPerMinute),
    effective_from: rfc3339Seconds(effectiveAtMs),
  });
}

export const notADate = (option: string, text: string) =>
  new Error(`${option}: a day (2026-12-31) or RFC 3339 with a time zone, not "${text}".`);

const price = (micro: number | null) => (micro === null ? null : kesText(micro));

const place = (row: Pick<RateRow, "legKind" | "direction" | "prefix" | "country" | "description">) => ({
  leg_kind: row.legKind,
  direction: row.direction,
  prefix: row.prefix,
  country: row.country,
  description: row.description,
});

const rateView = (row: RateRow) => ({
  ...place(row),
  kes_per_minute: row.ended ? null : kesText(row.microKesPerMinute),
  effective_from: rfc3339Seconds(row.effectiveAtMs),
});

const samePlace = (a: RateRow, b: RateRow) =>
  a.legKind === b.legKind && a.direction === b.direction && a.prefix === b.prefix;
