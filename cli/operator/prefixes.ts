import { parseArgs } from "node:util";
import { rfc3339Seconds } from "../../engine/clock.ts";
import {
  deleteRefusedPrefix,
  insertRefusedPrefix,
  refusedPrefixes,
  type RefusedPrefixRow,
} from "../../engine/store/refused-prefixes.ts";
import { UsageError } from "../usage.ts";
import { print, recordOperatorChange, words, type Desk } from "./desk.ts";

/** From the commit on nobody's call goes there. */
export async function prefixesRefuse(desk: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { reason: { type: "string" } },
  });
  const prefix = digitsOf(words(positionals, "+PREFIX")[0]);
  const row = { prefix, reason: values.reason ?? null, createdAtMs: desk.clock.nowMs() };
  await desk.store.write(async (tx) => {
    if (!(await insertRefusedPrefix(tx, row))) throw new Error(`+${prefix} is refused already.`);
    await recordOperatorChange(tx, desk, {
      ...{ workspaceId: null, action: "prefixes refuse", subject: `+${prefix}` },
      ...{ before: null, after: view(row) },
    });
  });
  print(view(row));
}

export async function prefixesAllow(desk: Desk, args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  const prefix = digitsOf(words(positionals, "+PREFIX")[0]);
  const gone = await desk.store.write(async (tx) => {
    const row = await deleteRefusedPrefix(tx, prefix);
    if (!row) throw new Error(`+${prefix} is not refused.`);
    await recordOperatorChange(tx, desk, {
      ...{ workspaceId: null, action: "prefixes allow", subject: `+${prefix}` },
      ...{ before: view(row), after: null },
    });
    return row;
  });
  print({ ...view(gone), refused: false });
}

export async function prefixesList(desk: Desk, args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  words(positionals);
  for (const row of await desk.store.read(refusedPrefixes)) print(view(row));
}

function digitsOf(text: string | undefined): string {
  const [, digits] = /^\+([1-9][0-9]{0,14})$/.exec(text ?? "") ?? [];
  if (digits === undefined) throw new UsageError(`"${text ?? ""}" is no prefix like +2347.`);
  return digits;
}

const view = (row: RefusedPrefixRow) => ({
  prefix: `+${row.prefix}`,
  reason: row.reason,
  created_at: rfc3339Seconds(row.createdAtMs),
});
