import { parseArgs } from "node:util";
import { isError } from "../../engine/errors.ts";
import { centsOfKes, kes } from "../../engine/wallet/money.ts";
import { tellTopUp } from "../../engine/wallet/top-up-event.ts";
import { createWallet } from "../../engine/wallet/wallet.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { openLedger } from "../open-ledger.ts";
import { print, recordOperatorChange, words, workspaceOf, type Desk } from "./desk.ts";

/** Amounts are typed in shillings, with at most two decimals, and never pass through a float. */
export async function credit(desk: Desk, args: string[]): Promise<void> {
  const { store, ids, clock, config } = desk;
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
  const amountMinor = centsOfKes(amount);
  if (amountMinor === null || amountMinor === 0) throw wrongAmount();
  // The controller, another process, finds what is to be armed within a second, and what is to be told within a minute.
  const outbox = createOutbox({ clock, ids, wake: () => undefined });
  const reference = values.reference ?? ids.next("txn");
  const crediting = store.write(async (tx) => {
    const credited = await createWallet({
      ledger: openLedger({ clock, ids, changed: () => undefined, paybill: config.paybill }),
    }).credit(tx, {
      workspaceId,
      amountMinor,
      reference,
      description: values.description,
      kind: "credit",
      createdAtMs: clock.nowMs(),
    });
    if (credited.first.workspaceId !== workspaceId || credited.first.amountMinor !== amountMinor) {
      const { first, transactionId } = credited;
      throw new Error(
        `The reference "${values.reference ?? ""}" was used before, for ${kes(first.amountMinor)} ` +
          `to ${String(first.workspaceId)} (${transactionId}). Nothing was credited.`,
      );
    }
    const after = {
      amount_minor: amountMinor,
      reference: values.reference ?? null,
      description: values.description,
    };
    if (!credited.posted) return credited;
    const { transactionId } = credited;
    await recordOperatorChange(tx, desk, {
      ...{ workspaceId, action: "credit", subject: transactionId, before: null, after },
    });
    const providerReference = values.reference ?? null;
    const topped = { workspaceId, topupId: null, providerReference, amountMinor, transactionId };
    await tellTopUp(tx, { clock, ids, outbox }, { ...topped, provider: "operator" });
    return credited;
  });
  const posted = await crediting.catch((error: unknown) => {
    if (!isError(error, "database.unavailable")) throw error;
    throw new Error(
      `The database went away, and nobody knows whether it was credited. Run it again with --reference "${reference}", ` +
        "which credits once.",
      { cause: error },
    );
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
