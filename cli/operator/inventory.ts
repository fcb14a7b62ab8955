import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { recordChange } from "../../engine/audit/audit.ts";
import { asBlocks, readInventoryFile } from "../../engine/numbers/inventory-file.ts";
import { diffInventory, importInventory } from "../../engine/numbers/inventory.ts";
import { UsageError } from "../usage.ts";
import { print, words, type Desk } from "./desk.ts";

/** From a file, or one block as it is typed. With a fault in it nothing is imported, and each is named by its line. */
export async function numbersImport({ store, ids, clock }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { "dry-run": { type: "boolean", default: false } },
  });
  const [source] = words(positionals, "FILE");
  if (source === undefined) throw new UsageError("numbers import FILE.csv: it needs a file, or a block.");
  const { numbers, faults } = readInventoryFile(
    source.startsWith("+") ? source : await readFile(source, "utf8"),
  );
  if (faults.length > 0)
    throw new Error(
      `Nothing was imported:\n${faults.map(({ line, message }) => `  line ${line}: ${message}`).join("\n")}`,
    );
  const dryRun = values["dry-run"];
  const summary = (diff: Awaited<ReturnType<typeof diffInventory>>) => ({
    ...{ added: diff.added.length, known: diff.known, held: diff.held, others: diff.others },
    ported_out: asBlocks(diff.portedOut.map(({ e164 }) => e164)),
    added_blocks: asBlocks(diff.added.map(({ e164 }) => e164)),
  });
  const diff = dryRun
    ? await store.read((tx) => diffInventory(tx, numbers))
    : await store.write(async (tx) => {
        const changed = await diffInventory(tx, numbers);
        await importInventory(tx, { ids, clock }, changed.added);
        if (changed.added.length > 0)
          await recordChange(
            tx,
            { ids, clock },
            {
              ...{ workspaceId: null, actor: { kind: "operator" }, action: "numbers import", subject: null },
              ...{ before: null, after: summary(changed) },
            },
          );
        return changed;
      });
  print({ dry_run: dryRun, ...summary(diff) });
}
