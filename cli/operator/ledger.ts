import { parseArgs } from "node:util";
import { isId } from "../../engine/ids.ts";
import { saveCheck } from "../../engine/store/checks.ts";
import { entriesOf, transactionById } from "../../engine/store/ledger.ts";
import { keepWorkspace } from "../../engine/store/workspaces.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { openLedger } from "../open-ledger.ts";
import { UsageError } from "../usage.ts";
import { print, recordOperatorChange, words, type Desk } from "./desk.ts";

/**
 * Takes back a whole transaction by a new one that names it; nothing is edited, and twice is once. Of a top-up the wallet's side
 * goes to the house's adjustments: that the money came stays true, and what became of it since is the operator's to book.
 */
export async function ledgerCorrect({ store, clock, ids, config }: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { reason: { type: "string" } },
  });
  const [id] = words(positionals, "TRANSACTION");
  if (!isId("txn", id)) throw new Error(`"${id ?? ""}" is not a transaction's id (txn_…).`);
  const reason = values.reason?.trim();
  if (!reason)
    throw new UsageError("ledger correct TRANSACTION: it needs a --reason, which the customer reads.");
  const done = await store.write(async (tx) => {
    const corrected = await transactionById(tx, id);
    if (!corrected) throw new Error(`There is no transaction ${id}.`);
    const { kind, workspaceId } = corrected;
    if (kind === "correction") throw new Error(`${id} is a correction itself. Nothing was done.`);
    const wallet = (await entriesOf(tx, id)).find((entry) => entry.accountKind === "wallet");
    if (workspaceId === null || !wallet) throw new Error(`${id} moved no wallet. Nothing was done.`);
    await keepWorkspace(tx, workspaceId);
    const amountMinor = -wallet.amountMinor;
    const posted = await openLedger({
      clock,
      ids,
      changed: () => undefined,
      paybill: config.paybill,
    }).correct(tx, {
      corrects: id,
      description: `Correction of ${id}: ${reason}`,
      createdAtMs: clock.nowMs(),
      ...(kind === "top_up"
        ? {
            entries: [
              { account: { kind: "wallet", workspaceId }, amountMinor },
              { account: { kind: "adjustments" }, amountMinor: -amountMinor },
            ],
          }
        : {}),
    });
    const prefix = `Correction of ${id}: `;
    // Of one that was corrected before, what the customer has read.
    const kept = (await transactionById(tx, posted.transactionId))?.description.replace(prefix, "");
    const after = { transaction_id: posted.transactionId, amount_minor: amountMinor, reason: kept ?? reason };
    if (posted.posted)
      await recordOperatorChange(
        tx,
        { ids, clock },
        {
          ...{ workspaceId, action: "ledger correct", subject: id, before: null, after },
        },
      );
    return { workspace_id: workspaceId, corrects: id, posted: posted.posted, ...after };
  });
  print(done);
}

/** Lists every invariant; exits non-zero when one is broken. */
export async function ledgerVerify({ store, clock }: Desk, args: string[]): Promise<void> {
  words(parseArgs({ args, allowPositionals: true, options: {} }).positionals);
  const findings = await store.read(verifyLedger);
  for (const { ok, name, detail } of findings)
    process.stdout.write(`${ok ? "ok    " : "BROKEN"} ${name}: ${detail}\n`);
  const broken = findings.filter((finding) => !finding.ok).length;
  await store.write((tx) => saveCheck(tx, { name: "ledger", checkedAtMs: clock.nowMs(), findings: broken }));
  process.stdout.write(`${findings.length} invariants checked, ${broken} broken\n`);
  if (broken > 0) process.exitCode = 1;
}
