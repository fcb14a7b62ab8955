import { parseArgs } from "node:util";
import { asBlocks, readInventoryFile } from "../../engine/numbers/inventory-file.ts";
import { importInventory, previewImport, type InventoryImport } from "../../engine/numbers/inventory.ts";
import { UsageError } from "../usage.ts";
import { fileNamed, print, words, type Desk } from "./desk.ts";

/** What the product sells. */
const nairobi = "+25420";

/**
 * From a file, or one block as it is typed. With a fault in it nothing is imported, and each is named by its line. Without one it
 * is imported in steps, between which others write; after an interruption the same command does the rest.
 */
export async function numbersImport({ store, ids, clock }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      "dry-run": { type: "boolean", default: false },
      "any-range": { type: "boolean", default: false },
    },
  });
  const [source] = words(positionals, "FILE");
  if (source === undefined) throw new UsageError("numbers import FILE.csv: it needs a file, or a block.");
  const { numbers, faults } = readInventoryFile(source.startsWith("+") ? source : await fileNamed(source));
  if (faults.length > 0)
    throw new Error(
      `Nothing was imported:\n${faults.map(({ line, message }) => `  line ${line}: ${message}`).join("\n")}`,
    );
  const other = values["any-range"] ? undefined : numbers.find(({ e164 }) => !e164.startsWith(nairobi));
  if (other)
    throw new Error(
      `Nothing was imported: ${other.e164} (line ${other.line}) is not one of Nairobi's (${nairobi}…), which are what customers claim. ` +
        "--any-range imports it all the same.",
    );
  const dryRun = values["dry-run"];
  const summary = (diff: InventoryImport) => ({
    ...{ added: diff.added.length, known: diff.known, held: diff.held, others: diff.others },
    ported_out: asBlocks(diff.portedOut.map(({ e164 }) => e164)),
    added_blocks: asBlocks(diff.added.map(({ e164 }) => e164)),
  });
  const diff = dryRun
    ? await previewImport(store, numbers)
    : await importInventory({ store, ids, clock }, numbers, summary);
  print({ dry_run: dryRun, ...summary(diff) });
}
