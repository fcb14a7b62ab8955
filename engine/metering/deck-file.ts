import { CsvError, parse } from "csv-parse/sync";
import { stringify } from "csv-stringify/sync";
import { rfc3339Seconds } from "../clock.ts";
import { isNeverRated } from "../e164.ts";
import { dateMs } from "../east-africa-time.ts";
import type { Direction, LegKind, RateRow } from "../store/rates.ts";

/** One line of a deck that an operator imports. */
export interface DeckLine {
  /** As an editor counts them. */
  line: number;
  legKind: LegKind;
  direction: Direction;
  /** Digits after the +. */
  prefix: string;
  country: string | null;
  description: string;
  /** Null: not sold. */
  microKesPerMinute: number | null;
  /** Null: as soon as it may be. */
  effectiveAtMs: number | null;
}

export interface BadLine {
  line: number;
  reason: string;
}

export const deckColumns = [
  "prefix",
  "country",
  "description",
  "kes_per_minute",
  "effective_from",
  "leg_kind",
  "direction",
] as const;
type Column = (typeof deckColumns)[number];

const legKinds: readonly LegKind[] = ["pstn", "sip", "browser"];
const directions: readonly Direction[] = ["outbound", "inbound"];

/** Reads a deck. Where a line is bad, all that are bad are in `bad`, and nothing of the file is to be used. */
export function readDeck(text: string): { lines: DeckLine[]; bad: BadLine[] } {
  let records: { record: string[]; info: { lines: number } }[];
  try {
    records = parse(text, {
      ...{ bom: true, info: true, trim: true, skip_empty_lines: true },
      relax_column_count: true,
    }) as unknown as typeof records;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const at = (error as { lines?: unknown }).lines;
    return { lines: [], bad: [{ line: typeof at === "number" ? at : 1, reason: error.message }] };
  }
  const [head, ...rest] = records;
  if (!head) return { lines: [], bad: [{ line: 1, reason: "the file is empty" }] };
  const bad: BadLine[] = [];
  const columns = head.record.map((name) => name.toLowerCase());
  for (const name of columns)
    if (!deckColumns.some((known) => known === name))
      bad.push({ line: 1, reason: `there is no column "${name}"; known are ${deckColumns.join(", ")}` });
  for (const name of ["prefix", "kes_per_minute"])
    if (columns.filter((known) => known === name).length !== 1)
      bad.push({ line: 1, reason: `the column ${name} must be there once` });
  if (bad.length > 0) return { lines: [], bad };
  if (rest.length === 0) return { lines: [], bad: [{ line: 1, reason: "there is no line below the names" }] };

  const lines: DeckLine[] = [];
  for (const { record, info } of rest) {
    if (record.length !== columns.length) {
      const reason = `has ${record.length} fields, and the first line names ${columns.length}`;
      bad.push({ line: info.lines, reason });
      continue;
    }
    const field = (name: Column) => record[columns.indexOf(name)] ?? "";
    const read = readLine(info.lines, field);
    if (typeof read === "string") bad.push({ line: info.lines, reason: read });
    else lines.push(read);
  }
  return { lines, bad: [...bad, ...twice(lines)].sort((a, b) => a.line - b.line) };
}

/** A line, or what is wrong with it. */
function readLine(line: number, field: (name: Column) => string): DeckLine | string {
  const legKind = legKinds.find((known) => known === (field("leg_kind") || "pstn"));
  if (!legKind) return `leg_kind is one of ${legKinds.join(", ")}`;
  const direction = directions.find((known) => known === (field("direction") || "outbound"));
  if (!direction) return `direction is one of ${directions.join(", ")}`;
  const prefix = field("prefix").replace(/^\+/, "");
  if (!/^[0-9]{0,15}$/.test(prefix)) return `the prefix "${prefix}" is not 1 to 15 digits`;
  if (legKind === "pstn" && direction === "outbound") {
    if (prefix === "") return "outbound calls need a prefix: one price for all the world is an open door";
    if (isNeverRated(`+${prefix}`)) return `+${prefix} is a satellite or premium range, which is never sold`;
  }
  const country = field("country").toUpperCase();
  if (!/^([A-Z]{2})?$/.test(country)) return `the country "${country}" is not two letters (ISO 3166)`;
  const description = field("description");
  if (description.length > 200 || /\p{Cc}/u.test(description))
    return "the description is longer than 200 characters, or more than one line";
  const price = field("kes_per_minute");
  const microKesPerMinute = price === "none" ? null : microKes(price);
  if (microKesPerMinute === undefined)
    return `kes_per_minute is like 3, 3.00 or 0.055 (at most six decimals), or "none": not "${price}"`;
  const date = field("effective_from");
  const effectiveAtMs = date === "" ? null : dateMs(date);
  if (date !== "" && effectiveAtMs === null)
    return `effective_from is a day (2026-12-31) or RFC 3339 with a time zone: not "${date}"`;
  const what = { legKind, direction, prefix, country: country || null, description };
  return { line, ...what, microKesPerMinute, effectiveAtMs };
}

/** Shillings as they are typed, in micro-KES, without a float in between; undefined: no such amount. */
export function microKes(text: string): number | undefined {
  const [, shillings, decimals = ""] = /^(\d{1,6})(?:\.(\d{1,6}))?$/.exec(text) ?? [];
  return shillings === undefined
    ? undefined
    : Number(shillings) * 1_000_000 + Number(decimals.padEnd(6, "0"));
}

/** The inverse, with two decimals at least. */
export const kesText = (micro: number) => (micro / 1_000_000).toFixed(6).replace(/0{1,4}$/, "");

export const placeInDeck = (row: Pick<DeckLine, "legKind" | "direction" | "prefix">) =>
  `${row.legKind} ${row.direction} ${row.prefix}`;

/** Which of two lines of a prefix counts must not be a matter of their order. */
function twice(lines: readonly DeckLine[]): BadLine[] {
  const bad: BadLine[] = [];
  const seen = new Map<string, DeckLine[]>();
  for (const line of lines) {
    const before = seen.get(placeInDeck(line)) ?? [];
    const other = before.find(
      ({ effectiveAtMs }) =>
        effectiveAtMs === null || line.effectiveAtMs === null || effectiveAtMs === line.effectiveAtMs,
    );
    if (other)
      bad.push({
        line: line.line,
        reason: `the prefix ${line.prefix} is on line ${other.line} already; several lines of it need a date each`,
      });
    seen.set(placeInDeck(line), [...before, line]);
  }
  return bad;
}

/** What is in effect and what is to come, as a file that imports as it is and then changes nothing. */
export function writeDeck(rows: readonly RateRow[], nowMs: number): string {
  const lines = rows.filter((row, index) => {
    const next = rows[index + 1];
    const replaced = next && placeInDeck(next) === placeInDeck(row) && next.effectiveAtMs <= nowMs;
    return !replaced && (row.ended === 0 || row.effectiveAtMs > nowMs);
  });
  return stringify(
    lines.map((row) => [
      ...[row.prefix, row.country ?? "", row.description],
      ...[row.ended ? "none" : kesText(row.microKesPerMinute), rfc3339Exact(row.effectiveAtMs)],
      ...[row.legKind, row.direction],
    ]),
    { header: true, columns: deckColumns.map((name) => ({ key: name, header: name })) },
  );
}

/** Whole seconds where it has no more: a date must come back as it was. */
const rfc3339Exact = (ms: number) => (ms % 1000 === 0 ? rfc3339Seconds(ms) : new Date(ms).toISOString());
