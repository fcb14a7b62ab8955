import { CsvError, parse } from "csv-parse/sync";
import { destinationClass, parseE164 } from "../e164.ts";

/** A number of the file, and where it stands. */
export interface ListedNumber {
  e164: string;
  /** ISO 3166 alpha-2, lower case. */
  country: string;
  line: number;
}

export interface InventoryFile {
  numbers: ListedNumber[];
  /** Each with its line, as people count them; empty: all is well. */
  faults: { line: number; message: string }[];
}

/** A block's numbers, and a file's. */
const blockMax = 10_000;
const fileMax = 200_000;
const faultsMax = 50;

/**
 * Reads a CSV whose first column, or the one headed `number`, has a number (`+254207000001`, with spaces too) or a block of
 * them: `+254 20 700 0000-0999`, where what is behind the dash stands for as many last digits.
 */
export function readInventoryFile(text: string): InventoryFile {
  const rows = rowsOf(text);
  if ("faults" in rows) return { numbers: [], faults: rows.faults };
  const [first] = rows;
  const header = first?.record.findIndex((cell) => cell.toLowerCase() === "number") ?? -1;
  const column = Math.max(header, 0);
  const numbers: ListedNumber[] = [];
  const faults: InventoryFile["faults"] = [];
  const lineOf = new Map<string, number>();
  for (const { record, line } of header < 0 ? rows : rows.slice(1)) {
    const block = readBlock(record[column] ?? "");
    if (typeof block === "string") {
      faults.push({ line, message: block });
      continue;
    }
    for (const { e164, country } of block) {
      const before = lineOf.get(e164);
      if (before !== undefined) {
        faults.push({ line, message: `${e164} is on line ${before} already` });
        break;
      }
      lineOf.set(e164, line);
      numbers.push({ e164, country, line });
    }
    if (numbers.length > fileMax) {
      faults.push({ line, message: `more than ${fileMax} numbers; make several files of it` });
      break;
    }
    if (faults.length >= faultsMax) break;
  }
  if (numbers.length === 0 && faults.length === 0)
    faults.push({ line: 1, message: "there is no number in it" });
  return { numbers, faults };
}

interface Row {
  record: string[];
  line: number;
}

function rowsOf(text: string): Row[] | { faults: InventoryFile["faults"] } {
  try {
    const rows = parse(text, {
      ...{ bom: true, comment: "#", comment_no_infix: true, info: true, relax_column_count: true },
      ...{ skip_empty_lines: true, trim: true },
      // Left to find it out by itself, it stumbles over a comment that ends in CR LF.
      record_delimiter: ["\r\n", "\n", "\r"],
    }) as unknown as { record: string[]; info: { lines: number } }[];
    return rows.map(({ record, info }) => ({ record, line: info.lines }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { faults: [{ line: Number(error["lines"]) || 1, message: error.message }] };
  }
}

/** The numbers of a block, or of one; otherwise what is wrong with it. */
export function readBlock(text: string): { e164: string; country: string }[] | string {
  const [, start = "", end] = /^(\+[\d ]+?) *(?:[-–] *([\d ]+))?$/.exec(text) ?? [];
  const first = start.replaceAll(" ", "");
  if (first === "")
    return `"${text}" is neither a number like +254207000001 nor a block like +254 20 700 0000-0999`;
  const last = end?.replaceAll(" ", "") ?? "";
  const head = first.slice(0, first.length - last.length);
  if (head.length < 5) return `"${text}": what is behind the dash is as long as the number`;
  const [from, to] = [Number(first.slice(head.length) || "0"), Number(last || "0")];
  if (to < from) return `"${text}" ends before it begins`;
  if (to - from >= blockMax) return `"${text}" has more than ${blockMax} numbers`;
  const numbers: { e164: string; country: string }[] = [];
  for (let at = from; at <= to; at++) {
    const e164 = last === "" ? first : `${head}${String(at).padStart(last.length, "0")}`;
    const parsed = parseE164(e164);
    if (!parsed.ok) return `${e164} ${parsed.reason}`;
    if (parsed.country === null) return `${e164} is of a plan that several countries share`;
    if (destinationClass(e164) !== "e164") return `${e164} is an emergency, short or premium number`;
    numbers.push({ e164, country: parsed.country.toLowerCase() });
  }
  return numbers;
}

/** Runs of numbers that follow each other, as people read them: `+254207000000-0999`. */
export function asBlocks(e164s: readonly string[]): string[] {
  const sorted = [...e164s].sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  const blocks: { first: string; last: string }[] = [];
  for (const e164 of sorted) {
    const block = blocks.at(-1);
    if (block && e164.length === block.last.length && Number(e164) === Number(block.last) + 1)
      block.last = e164;
    else blocks.push({ first: e164, last: e164 });
  }
  return blocks.map(({ first, last }) => {
    if (first === last) return first;
    let same = 0;
    while (first[same] === last[same]) same++;
    return `${first}-${last.slice(same)}`;
  });
}
