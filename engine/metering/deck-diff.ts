import { dayMs } from "../clock.ts";
import { dayOf, startOfDayMs } from "../east-africa-time.ts";
import type { RateRow } from "../store/rates.ts";
import { placeInDeck, type BadLine, type DeckLine } from "./deck-file.ts";

/** What everybody pays does not change sooner than this after it was announced. */
export const noticeMs = 30 * dayMs;

/** The first midnight in East Africa that is far enough ahead. */
export const earliestMs = (nowMs: number) => startOfDayMs(dayOf(nowMs + noticeMs - 1) + 1);

type Place = Pick<DeckLine, "legKind" | "direction" | "prefix">;

/** A row that is to be stored. */
export interface DeckRow extends Place {
  country: string | null;
  description: string;
  /** Null: not sold from then on. */
  microKesPerMinute: number | null;
  effectiveAtMs: number;
}

export interface DeckChange {
  kind: "new" | "changed" | "ended";
  row: DeckRow;
  /** What numbers of this prefix cost until then; null: nothing was sold there. */
  before: number | null;
  /** What they cost from then on, a shorter prefix's price too. */
  after: number | null;
}

export interface DeckDiff {
  changes: DeckChange[];
  /** Rows that are taken back before they came into effect. */
  withdrawn: RateRow[];
  /** Rows whose words alone are other ones. */
  described: { id: string; row: Pick<DeckRow, "country" | "description"> }[];
  /** Lines that say what is there. */
  unchanged: number;
  bad: BadLine[];
}

/** A row's price; null: it ends. */
const priceOf = (row: RateRow) => (row.ended ? null : row.microKesPerMinute);

/** A deck to which rows are added and from which others are taken. */
class Deck {
  readonly #rows = new Map<string, DeckRow[]>();

  constructor(rows: readonly RateRow[]) {
    for (const row of rows) this.add({ ...row, microKesPerMinute: priceOf(row) });
  }

  add(row: DeckRow): void {
    const place = placeInDeck(row);
    const rows = [...(this.#rows.get(place) ?? []), row];
    this.#rows.set(
      place,
      rows.sort((a, b) => a.effectiveAtMs - b.effectiveAtMs),
    );
  }

  remove(row: Place & { effectiveAtMs: number }): void {
    const rows = this.#rows.get(placeInDeck(row)) ?? [];
    this.#rows.set(
      placeInDeck(row),
      rows.filter((one) => one.effectiveAtMs !== row.effectiveAtMs),
    );
  }

  /** The row of that very prefix which counts then. */
  at(place: Place, atMs: number): DeckRow | undefined {
    return this.#rows.get(placeInDeck(place))?.findLast((row) => row.effectiveAtMs <= atMs);
  }

  /** What a minute costs then, the longest prefix that is sold; null: none is. */
  price(place: Place, atMs: number): number | null {
    for (let length = place.prefix.length; length >= 0; length--) {
      const row = this.at({ ...place, prefix: place.prefix.slice(0, length) }, atMs);
      if (row && row.microKesPerMinute !== null) return row.microKesPerMinute;
    }
    return null;
  }
}

/** What the deck page and the public price stand on. */
const kenya: readonly Place[] = [
  { legKind: "pstn", direction: "outbound", prefix: "254" },
  { legKind: "pstn", direction: "inbound", prefix: "254" },
];

/**
 * What a file changes. It is the whole deck of each kind and direction that it names: what is there and not in it ends.
 * What is to come and not in it is withdrawn. Pure.
 */
export function diffDeck(
  rows: readonly RateRow[],
  lines: readonly DeckLine[],
  { nowMs, force }: { nowMs: number; force: boolean },
): DeckDiff {
  const before = new Deck(rows);
  const after = new Deck(rows);
  const rowsByPlace = Map.groupBy(rows, placeInDeck);
  const added: { line: number; row: DeckRow }[] = [];
  const diff: DeckDiff = { changes: [], withdrawn: [], described: [], unchanged: 0, bad: [] };
  const changeAtMs = force ? nowMs : earliestMs(nowMs);

  for (const line of [...lines, ...missing(rows, lines)]) {
    const own = rowsByPlace.get(placeInDeck(line)) ?? [];
    if (line.effectiveAtMs === null) takeUndated(line, own);
    else takeDated(line, line.effectiveAtMs, own);
  }
  for (const [place, dated] of Map.groupBy(
    lines.filter((line) => line.effectiveAtMs !== null),
    placeInDeck,
  )) {
    const said = (row: RateRow) => dated.some((line) => line.effectiveAtMs === row.effectiveAtMs);
    for (const row of rowsByPlace.get(place) ?? [])
      if (row.effectiveAtMs > nowMs && !said(row)) withdraw(row);
  }
  for (const { line, row } of added) judge(line, row);
  for (const place of kenya)
    for (const atMs of [nowMs, ...added.map(({ row }) => row.effectiveAtMs)])
      if (atMs >= nowMs && after.price(place, atMs) === null) {
        const reason = `Kenya (254, pstn ${place.direction}) would have no price, and the public price list shows it`;
        diff.bad.push({ line: 1, reason });
        break;
      }
  diff.bad.sort((a, b) => a.line - b.line);
  return diff;

  function takeUndated(line: DeckLine, own: readonly RateRow[]): void {
    const last = own.at(-1);
    if (last && priceOf(last) === line.microKesPerMinute) return same(line, last);
    if (!last && line.microKesPerMinute === null)
      return void diff.bad.push({ line: line.line, reason: `the deck has no prefix ${line.prefix} to end` });
    const price = priceOfLate(line);
    const atOnce = price === null || price === line.microKesPerMinute;
    const effectiveAtMs = atOnce ? nowMs : changeAtMs;
    const inEffect = own.findLast((row) => row.effectiveAtMs <= nowMs);
    for (const row of own) if (row.effectiveAtMs > nowMs && row.effectiveAtMs >= effectiveAtMs) withdraw(row);
    // What it was before what was to come is what it stays.
    const left = after.at(line, effectiveAtMs);
    if ((left?.microKesPerMinute ?? null) === line.microKesPerMinute && (left || !inEffect)) return;
    add(line, effectiveAtMs);
  }

  function takeDated(line: DeckLine, effectiveAtMs: number, own: readonly RateRow[]): void {
    const there = own.find((row) => row.effectiveAtMs === effectiveAtMs);
    if (there && priceOf(there) === line.microKesPerMinute) return same(line, there);
    if (effectiveAtMs > nowMs) {
      if (there) withdraw(there);
      return add(line, effectiveAtMs);
    }
    const counts = own.findLast((row) => row.effectiveAtMs <= nowMs);
    if (counts && priceOf(counts) === line.microKesPerMinute) return same(line, counts);
    if (!there && priceOfLate(line) === null) return add(line, effectiveAtMs);
    const reason =
      "effective_from has passed, and the price is another; leave it empty for the first day that may be";
    diff.bad.push({ line: line.line, reason });
  }

  function same(line: DeckLine, row: RateRow): void {
    diff.unchanged++;
    const country = line.country ?? row.country;
    const description = line.description || row.description;
    if (country !== row.country || description !== row.description)
      diff.described.push({ id: row.id, row: { country, description } });
  }

  function add(line: DeckLine, effectiveAtMs: number): void {
    const { legKind, direction, prefix, microKesPerMinute } = line;
    const known = rowsByPlace.get(placeInDeck(line))?.at(-1);
    const country = line.country ?? known?.country ?? null;
    const description = line.description || (known?.description ?? `+${prefix}`);
    const row = { legKind, direction, prefix, country, description, microKesPerMinute, effectiveAtMs };
    after.add(row);
    added.push({ line: line.line, row });
  }

  function withdraw(row: RateRow): void {
    after.remove(row);
    diff.withdrawn.push(row);
  }

  /** What is paid, or was within the time of notice: a price that was ended does not come back as another's first one. */
  function priceOfLate(place: Place): number | null {
    return before.price(place, nowMs) ?? before.price(place, nowMs - noticeMs);
  }

  function judge(line: number, row: DeckRow): void {
    const old = before.price(row, row.effectiveAtMs) ?? priceOfLate(row);
    const price = after.price(row, row.effectiveAtMs);
    const kind = row.microKesPerMinute === null ? "ended" : old === null ? "new" : "changed";
    diff.changes.push({ kind, row, before: old, after: price });
    if (old === null || old === price || force) return;
    if (row.effectiveAtMs < nowMs + noticeMs) {
      const reason = "a price that everybody pays changes 30 days after it is imported, not sooner (--force)";
      diff.bad.push({ line, reason });
    }
  }
}

/** What is sold or to be sold and not in the file, as lines that end it. */
function missing(rows: readonly RateRow[], lines: readonly DeckLine[]): DeckLine[] {
  const kinds = new Set(lines.map(({ legKind, direction }) => `${legKind} ${direction}`));
  const places = new Set(lines.map(placeInDeck));
  const last = new Map(rows.map((row) => [placeInDeck(row), row]));
  return [...last.values()]
    .filter(
      (row) => kinds.has(`${row.legKind} ${row.direction}`) && !places.has(placeInDeck(row)) && !row.ended,
    )
    .map((row) => {
      const { legKind, direction, prefix, country, description } = row;
      const place = { legKind, direction, prefix, country, description };
      return { ...place, line: 1, microKesPerMinute: null, effectiveAtMs: null };
    });
}
