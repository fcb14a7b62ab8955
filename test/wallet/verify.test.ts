import { strict as assert } from "node:assert";
import { systemClock, type Clock } from "../../engine/clock.ts";
import type { WorkspaceId } from "../../engine/ids.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { StorageMeter } from "../../engine/metering/storage-meter.ts";
import { addNumber } from "../../engine/numbers/numbers.ts";
import { payMonth } from "../../engine/numbers/rent.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import { invariants } from "../../engine/store/ledger-invariants.ts";
import { numberById } from "../../engine/store/numbers.ts";
import { paymentByReceipt } from "../../engine/store/mpesa.ts";
import { markTopUpSent, topUpToChange } from "../../engine/store/topups.ts";
import { workspaceById } from "../../engine/store/workspaces.ts";
import { Payments } from "../../engine/wallet/mpesa/payments.ts";
import { TopUps } from "../../engine/wallet/mpesa/top-ups.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { quiet } from "../api/world.ts";
import { insert, markReady } from "../../engine/store/recordings.ts";
import type { Store, Tx } from "../../engine/store/store.ts";
import { silentLog } from "../switch/peers.ts";
import {
  type Books,
  giveKes,
  ids,
  leg,
  ledger,
  nowMs,
  openBooks,
  seconds,
  settle,
  startedAtUs,
  workspace,
} from "./books.ts";

const settled = "(SELECT id FROM ledger_transactions WHERE kind = 'call' ORDER BY id LIMIT 1)";
const settledLeg = "(SELECT leg_id FROM cdrs WHERE cost_minor = 235 ORDER BY leg_id LIMIT 1)";
const walletOfFirst = `(SELECT e.account_id FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
  WHERE e.transaction_id = ${settled} AND a.kind = 'wallet')`;
const accountOf = (kind: string) => `(SELECT id FROM ledger_accounts WHERE kind = '${kind}')`;

const storageMonth = "(SELECT MIN(id) FROM ledger_transactions WHERE kind = 'storage')";

/** What an accident or a hand in the database may have done, and the invariant that must notice. */
const corruptions: { done: string; sql: string; breaks: string }[] = [
  {
    done: "a day's opening balance was changed",
    sql: "UPDATE wallet_days SET opening_minor = opening_minor + 1",
    breaks: "each day of a wallet opened with what was posted before it, and none is missing",
  },
  {
    done: "a day of a wallet is missing",
    sql: "DELETE FROM wallet_days",
    breaks: "each day of a wallet opened with what was posted before it, and none is missing",
  },
  {
    done: "an invoice was taken out",
    sql: "INSERT INTO invoice_sequences (seller_pin, last_number) VALUES ('P051234567X', 1)",
    breaks: "the numbers of each seller's invoices and credit notes run from 1, and none is missing",
  },
  {
    done: "a cent was added to one entry",
    sql: `UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE transaction_id = ${settled}
      AND account_id = ${accountOf("vat")}`,
    breaks: "the sum of all entries is zero",
  },
  {
    done: "a cent went from one transaction to another",
    sql: `UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE transaction_id = ${settled}
        AND account_id = ${accountOf("vat")};
      UPDATE ledger_entries SET amount_minor = amount_minor - 1 WHERE account_id = ${accountOf("adjustments")}
        AND sequence = 1`,
    breaks: "the entries of each transaction are two or more, and their sum is zero",
  },
  {
    done: "a transaction lost all its entries",
    sql: `DELETE FROM ledger_entries WHERE transaction_id = ${settled}`,
    breaks: "the entries of each transaction are two or more, and their sum is zero",
  },
  {
    done: "the index went, and a settlement was posted twice",
    sql: `DROP INDEX ledger_transactions_reference;
      INSERT INTO ledger_transactions SELECT 'txn_twice', reference, kind, description, workspace_id, corrects_id,
        created_at_ms FROM ledger_transactions WHERE id = ${settled}`,
    breaks: "no two transactions have the same reference",
  },
  {
    done: "a balance was set by hand",
    sql: `UPDATE ledger_accounts SET balance_minor = balance_minor + 100000 WHERE id = ${walletOfFirst}`,
    breaks: "the balance of each account is the sum of its entries",
  },
  {
    done: "a statement was prettied",
    sql: `UPDATE ledger_entries SET balance_after_minor = 0 WHERE transaction_id = ${settled}
      AND account_id = ${walletOfFirst}`,
    breaks:
      "the balance after each entry is the one before and the amount, and no entry of an account is missing",
  },
  {
    done: "a whole transaction was removed, balances and all",
    sql: `UPDATE ledger_accounts SET balance_minor = balance_minor - (SELECT amount_minor FROM ledger_entries
        WHERE account_id = ledger_accounts.id AND transaction_id = ${settled})
        WHERE id IN (SELECT account_id FROM ledger_entries WHERE transaction_id = ${settled});
      DELETE FROM ledger_entries WHERE transaction_id = ${settled};
      DELETE FROM ledger_transactions WHERE id = ${settled}`,
    breaks:
      "the balance after each entry is the one before and the amount, and no entry of an account is missing",
  },
  {
    done: "an account forgot an entry",
    sql: `UPDATE ledger_accounts SET last_sequence = last_sequence - 1 WHERE id = ${walletOfFirst}`,
    breaks: "each account knows how many entries it has",
  },
  {
    done: "a CDR was deleted",
    sql: `DELETE FROM cdrs WHERE leg_id = ${settledLeg}`,
    breaks: "each leg that ended has its CDR",
  },
  {
    done: "a leg's end was moved after its settlement",
    sql: `UPDATE legs SET ended_at_us = ended_at_us + 1000000 WHERE id = ${settledLeg}`,
    breaks: "each CDR has its leg's stamps and rate, and the leg its CDR's seconds and cost",
  },
  {
    done: "a leg shows its customer another cost",
    sql: `UPDATE legs SET cost_minor = 0 WHERE id = ${settledLeg}`,
    breaks: "each CDR has its leg's stamps and rate, and the leg its CDR's seconds and cost",
  },
  {
    done: "a CDR has a negative time",
    sql: `UPDATE cdrs SET billed_seconds = -1 WHERE leg_id = ${settledLeg}`,
    breaks: "no CDR has a negative time or cost",
  },
  {
    done: "a second was rounded down",
    sql: `UPDATE cdrs SET billed_seconds = 46 WHERE leg_id = ${settledLeg}`,
    breaks: "the billed seconds of each CDR are those from answer to end, rounded up",
  },
  {
    done: "a product was rounded down",
    sql: `UPDATE cdrs SET cost_minor = 234 WHERE leg_id = ${settledLeg}`,
    breaks: "the cost of each CDR is its billed seconds at its rate, rounded half up",
  },
  {
    done: "a rate was changed on a finished call",
    sql: `UPDATE cdrs SET rate_micro_kes_per_minute = 4000000 WHERE leg_id = ${settledLeg};
      UPDATE legs SET rate_micro_kes_per_minute = 4000000 WHERE id = ${settledLeg}`,
    breaks: "the cost of each CDR is its billed seconds at its rate, rounded half up",
  },
  {
    done: "a settlement lost its reference",
    sql: `UPDATE ledger_transactions SET reference = 'gone' WHERE reference = ${settledLeg} || ' settled'`,
    breaks: "each answered leg that ended and cost something was settled",
  },
  {
    done: "a call was charged to somebody else's wallet",
    sql: `UPDATE ledger_entries SET account_id = (SELECT id FROM ledger_accounts WHERE kind = 'wallet'
      AND id <> ${walletOfFirst}), sequence = 99 WHERE transaction_id = ${settled} AND account_id = ${walletOfFirst}`,
    breaks: "each settlement took what its CDR says from the workspace's wallet",
  },
  {
    done: "tax was booked as revenue",
    sql: `UPDATE ledger_entries SET amount_minor = amount_minor - 1 WHERE transaction_id = ${settled}
        AND account_id = ${accountOf("vat")};
      UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE transaction_id = ${settled}
        AND account_id = ${accountOf("revenue_calls")}`,
    breaks:
      "each settlement split off the VAT of its day, rounded half up, and the rest is revenue from calls",
  },
  {
    done: "the tax table was emptied",
    sql: "DELETE FROM prices WHERE name = 'vat_basis_points'",
    breaks:
      "each settlement split off the VAT of its day, rounded half up, and the rest is revenue from calls",
  },
  {
    done: "a settlement names a leg that is not there",
    sql: `UPDATE ledger_transactions SET reference = 'leg_none settled' WHERE id = ${settled}`,
    breaks: "no settlement is without a CDR that cost something",
  },
  {
    done: "a receipt was credited with more than its record says",
    sql: "UPDATE mpesa_payments SET amount_minor = amount_minor + 100 WHERE receipt = 'SKLDIRECT1'",
    breaks: "each M-Pesa receipt was posted once, for what its record says, out of the clearing account",
  },
  {
    done: "a receipt's row was deleted, so that it could be credited again",
    sql: "DELETE FROM mpesa_payments WHERE receipt = 'SKLDIRECT1'",
    breaks: "the clearing account is what all M-Pesa receipts come to",
  },
  {
    done: "a payment in suspense was given away without a posting",
    sql: `UPDATE mpesa_payments SET workspace_id = (SELECT MIN(id) FROM workspaces), assigned_at_ms = 1
      WHERE receipt = 'SKLNOBODY1'`,
    breaks: "suspense is what the payments come to that nobody was given",
  },
  {
    done: "a payment was credited to one workspace and is shown as another's",
    sql: `UPDATE mpesa_payments SET workspace_id = (SELECT MAX(id) FROM workspaces) WHERE receipt = 'SKLDIRECT1'`,
    breaks: "each M-Pesa payment that is somebody's was put into their wallet, once",
  },
  {
    done: "a top-up was confirmed by hand",
    sql: "UPDATE topups SET state = 'succeeded', receipt = 'SKLFORGED1'",
    breaks: "each top-up that is confirmed has its payment, of its amount, in the wallet of who asked",
  },
  {
    done: "one receipt confirmed two top-ups",
    sql: `INSERT INTO topups (id, workspace_id, amount_minor, phone_e164, account_reference, callback_key, state, receipt,
        created_at_ms, updated_at_ms)
      SELECT 'top_twice', workspace_id, amount_minor, phone_e164, account_reference, 'twice', 'failed', 'SKLASKED01', 0, 0
      FROM topups`,
    breaks: "no M-Pesa payment is named by two top-ups",
  },
  {
    done: "a day of storage was lost",
    sql: "DELETE FROM storage_days WHERE day = (SELECT MIN(day) + 3 FROM storage_days)",
    breaks: "the days of storage of each workspace follow each other without a gap",
  },
  {
    done: "a recording was removed by a hand in the database",
    sql: "DELETE FROM recordings WHERE status = 'ready'",
    breaks: "what each workspace uses of the storage is what its recordings take",
  },
  {
    done: "a day of storage grew after its month was settled",
    sql: "UPDATE storage_days SET gb_seconds = gb_seconds + 1 WHERE day = (SELECT MIN(day) FROM storage_days)",
    breaks: "the storage of each month that was settled is that of its days",
  },
  {
    done: "more storage was free than was charged for",
    sql: "UPDATE storage_months SET free_gb = free_gb + 1",
    breaks: "each month of storage costs its average above what is free, rounded half up",
  },
  {
    done: "a posting of storage is of no month",
    sql: `UPDATE ledger_transactions SET reference = 'storage of somebody'
      WHERE id = (SELECT MIN(id) FROM ledger_transactions WHERE kind = 'storage')`,
    breaks:
      "each month of storage that cost something has its posting, and no posting of storage is without one",
  },
  {
    done: "the tax of storage was booked as revenue",
    sql: `UPDATE ledger_entries SET amount_minor = amount_minor - 1 WHERE account_id = ${accountOf("vat")}
        AND transaction_id = ${storageMonth};
      UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE account_id = ${accountOf("revenue_storage")}
        AND transaction_id = ${storageMonth}`,
    breaks:
      "each posting of storage took what its month says from the wallet, and split off its VAT, rounded half up",
  },
  {
    done: "a number's rent overdrew a wallet",
    sql: `UPDATE ledger_transactions SET kind = 'number_rental' WHERE id IN (SELECT transaction_id FROM ledger_entries
      WHERE balance_after_minor < 0 AND account_id IN (SELECT id FROM ledger_accounts WHERE kind = 'wallet'))`,
    breaks: "only what was used already, or a correction, takes a wallet below zero",
  },
  {
    done: "a month of rent was charged once more, under another name",
    sql: `UPDATE ledger_transactions SET reference = reference || ' again' WHERE kind = 'number_rental'`,
    breaks:
      "each posting of rent is of one number and one month, by its reference, and no month is without it",
  },
  {
    done: "a posting of rent belongs to no month",
    sql: "DELETE FROM number_rentals WHERE month = 2; UPDATE numbers SET paid_months = 1",
    breaks:
      "each posting of rent is of one number and one month, by its reference, and no month is without it",
  },
  {
    done: "a month was given away",
    sql: "UPDATE number_rentals SET transaction_id = NULL WHERE month = 2",
    breaks:
      "each posting of rent is of one number and one month, by its reference, and no month is without it",
  },
  {
    done: "a month's tax was forgotten",
    sql: "UPDATE number_rentals SET vat_minor = 0 WHERE month = 1",
    breaks: "each posting of rent took what its month says from the workspace's wallet, for revenue and VAT",
  },
  {
    done: "a month of a number is missing",
    sql: "DELETE FROM number_rentals WHERE month = 1",
    breaks:
      "the months of each number follow each other without a gap, and it is paid until the last one's end",
  },
  {
    done: "a number is in service for longer than it was paid for",
    sql: `UPDATE numbers SET paid_until_ms = paid_until_ms + 86400000, due_at_ms = due_at_ms + 86400000
      WHERE paid_months IS NOT NULL`,
    breaks:
      "the months of each number follow each other without a gap, and it is paid until the last one's end",
  },
  {
    done: "nobody asks for a number's rent any more",
    sql: "UPDATE numbers SET due_at_ms = NULL",
    breaks: "each number that is rented and in service is looked at when what is paid for ends",
  },
];

describe("wallet: ledger verify", () => {
  let good: Books;

  before(async () => {
    good = await goodBooks();
  });
  after(() => good.close());

  it("finds nothing in a ledger that only the product has written", async () => {
    const findings = await good.store.read(verifyLedger);
    assert.deepEqual(
      findings.filter((finding) => !finding.ok),
      [],
    );
    assert.equal(findings.length, invariants.length + 1);
  });

  it("finds nothing in an empty one", async () => {
    const empty = await openBooks();
    const findings = await empty.store.read(verifyLedger);
    await empty.close();
    assert.ok(findings.every((finding) => finding.ok));
  });

  for (const { done, sql, breaks } of corruptions)
    it(`notices that ${done}`, async () => {
      const books = await goodBooks();
      await books.database.byHand(sql);
      const findings = await books.store.read(verifyLedger);
      await books.close();

      const broken = findings.find((finding) => finding.name === breaks);
      assert.equal(broken?.ok, false);
      assert.match(broken.detail, /, not /);
    });

  it("has a planted corruption for each invariant", () => {
    assert.deepEqual(
      new Set(corruptions.map((corruption) => corruption.breaks)),
      new Set(invariants.map((invariant) => invariant.name)),
    );
  });
});

/** Wanjiru has 8 GB of recordings, and two months are settled. */
async function twoMonthsOfStorage(store: Store, workspaceId: WorkspaceId): Promise<void> {
  const later: Clock = { ...systemClock, nowMs: () => Date.UTC(2026, 8, 2) };
  const id = ids.next("rec");
  await store.write(async (tx) => {
    const { legId, callId } = await leg(tx, { workspaceId, endedAtUs: null });
    const recording = { id, callId, legId, workspaceId, box: "box", createdAtMs: nowMs };
    await insert(tx, { ...recording, status: "starting", askedInCall: false });
    await markReady(tx, id, {
      ...{ durationMs: 1, trimmedMs: null, talkMs: 1, short: 0, sha256: "00", objectKey: id },
      ...{ sizeBytes: 8_000_000_000, storedAtMs: nowMs },
    });
  });
  const wake = () => undefined;
  const [outbox, mails] = [
    createOutbox({ clock: later, ids, wake }),
    createMailQueue({ ids, clock: later, wake }),
  ];
  await new StorageMeter({ store, ledger, outbox, mails, clock: later, ids, log: silentLog }).look();
}

/** What the product writes of two workspaces' mornings. */
async function goodBooks(): Promise<Books> {
  const books = await openBooks();
  const wanjiru = await books.store.write((tx) => workspace(tx));
  await books.store.write(async (tx) => {
    const otieno = await workspace(tx, "Otieno's garage");
    await giveKes(tx, wanjiru, 100);
    const gift = await giveKes(tx, wanjiru, 7);
    await ledger.correct(tx, { corrects: gift.transactionId, description: "Achieng", createdAtMs: nowMs });
    await settle(tx, await leg(tx, { workspaceId: wanjiru }));
    await settle(tx, await leg(tx, { workspaceId: wanjiru, rateMicroKesPerMinute: 0 }));
    await settle(tx, await leg(tx, { workspaceId: wanjiru, answeredAtUs: null }));
    await leg(tx, { workspaceId: wanjiru, endedAtUs: null });
    await settle(tx, await leg(tx, { workspaceId: otieno, endedAtUs: startedAtUs + seconds(7) }));
    await rentTwoMonths(tx, otieno);
    await payByMpesa(tx, wanjiru);
  });
  await twoMonthsOfStorage(books.store, wanjiru);
  return books;
}

async function rentTwoMonths(tx: Tx, workspaceId: WorkspaceId): Promise<void> {
  await giveKes(tx, workspaceId, 500);
  const secrets = aesSecrets(Buffer.alloc(32, 7), ids);
  const number = { workspaceId, e164: "+254207000001", country: "ke", provisionedAtMs: nowMs };
  const added = await addNumber(tx, { ids, secrets }, { ...number, origin: "claim" });
  for (let month = 0; month < 2; month++)
    await payMonth(tx, { ledger, clock: systemClock }, (await numberById(tx, added!.id))!);
}

/** One payment by Paybill, one that was asked for, one that nobody knows, and one that the operator assigned. */
async function payByMpesa(tx: Tx, workspaceId: WorkspaceId): Promise<void> {
  const clock = systemClock;
  const outbox = createOutbox({ clock, ids, wake: () => undefined });
  const payments = new Payments({ clock, ids, ledger, outbox, log: quiet, verifyAboveMinor: 1_000_000 });
  const amounts = { minMinor: 100, maxMinor: 100_000 };
  const topUps = new TopUps({ clock, ids, amounts, perHour: 5, wake: () => undefined });
  const { mpesaAccountRef } = (await workspaceById(tx, workspaceId))!;
  const pay = (receipt: string, billReference: string) =>
    payments.take(tx, {
      ...{ receipt, billReference, amountMinor: 5_000, source: "c2b", phone: null, paidAtMs: nowMs },
      ...{ answers: null, toUs: true },
    });
  await pay("SKLDIRECT1", mpesaAccountRef);
  await pay("SKLNOBODY1", "SHOP");
  await pay("SKLTYPED01", "SHPO");
  const typed = await paymentByReceipt(tx, "SKLTYPED01");
  await payments.assign(tx, typed!.id, workspaceId);
  const { id } = await topUps.create(tx, workspaceId, { amountMinor: 5_000, phone: "0722000001" });
  await markTopUpSent(tx, id, { sentAtMs: clock.nowMs(), openUntilMs: clock.nowMs() });
  const asked = await topUpToChange(tx, id);
  await pay("SKLASKED01", asked!.accountReference);
}
