import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { systemClock, type Clock } from "../../engine/clock.ts";
import type { TransactionId, WorkspaceId } from "../../engine/ids.ts";
import { createSettlement } from "../../engine/metering/settlement.ts";
import type { Log } from "../../engine/log.ts";
import type { InvoiceRow } from "../../engine/store/invoices.ts";
import type { Store } from "../../engine/store/store.ts";
import type { InvoiceLine } from "../../engine/wallet/invoice-lines.ts";
import { MonthEnd } from "../../engine/wallet/month-end.ts";
import { statementOf } from "../../engine/wallet/statement.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { sautikit } from "../cli/sautikit.ts";
import { silentLog } from "../switch/peers.ts";
import { ids, leg, ledger, openBooks, wallet, workspace, type Books } from "./books.ts";

const at = (text: string) => Date.parse(text);
const july = at("2026-07-10T09:00:00+03:00");
const seller = { name: "Sautikit Ltd", pin: "P051234567X" };
const shillings = 1_000_000;
const settlement = createSettlement({ ledger });

describe("a month of a wallet", function () {
  this.timeout(20_000);
  let books: Books;
  let store: Store;
  let nowMs = july;
  const clock: Clock = { ...systemClock, nowMs: () => nowMs };
  beforeEach(async () => {
    books = await openBooks();
    store = books.store;
    nowMs = at("2026-08-01T01:00:00+03:00");
  });
  afterEach(() => books.close());

  const opened = (name: string, kes: number) =>
    store.write(async (tx) => {
      const id = await workspace(tx, name);
      if (kes > 0) await credit(id, kes, july - 1000, tx);
      return id;
    });
  async function credit(
    workspaceId: WorkspaceId,
    kes: number,
    createdAtMs: number,
    tx?: Parameters<Parameters<Store["write"]>[0]>[0],
  ): Promise<void> {
    const facts = { workspaceId, amountMinor: kes * 100, reference: ids.next("txn"), description: "Karibu" };
    if (tx) await wallet.credit(tx, { ...facts, kind: "credit", createdAtMs });
    else await store.write((own) => wallet.credit(own, { ...facts, kind: "credit", createdAtMs }));
  }
  /** One that talks for so many seconds, and ends then. */
  const call = (workspaceId: WorkspaceId, toE164: string, kes: number, seconds: number, endedAtMs = july) =>
    store.write(async (tx) => {
      const endedAtUs = endedAtMs * 1000;
      const answeredAtUs = endedAtUs - seconds * 1_000_000;
      const rateMicroKesPerMinute = kes * shillings;
      const made = await leg(tx, { workspaceId, toE164, rateMicroKesPerMinute, endedAtUs, answeredAtUs });
      const cost = await settlement.settleLeg(tx, made, endedAtMs);
      await tx.run("UPDATE legs SET billed_seconds = ?, cost_minor = ? WHERE id = ?", [
        ...[cost.billedSeconds, cost.costMinor, made.legId],
      ]);
      const row = await tx.get<{ id: TransactionId }>(
        "SELECT id FROM ledger_transactions WHERE reference = ?",
        [`${made.legId} settled`],
      );
      return row!.id;
    });
  const rent = (workspaceId: WorkspaceId, createdAtMs = july) =>
    store.write((tx) =>
      ledger.post(tx, {
        ...{
          reference: ids.next("txn"),
          kind: "number_rental",
          description: "Number",
          workspaceId,
          createdAtMs,
        },
        entries: [
          { account: { kind: "wallet", workspaceId }, amountMinor: -11_600 },
          { account: { kind: "revenue_rental" }, amountMinor: 10_000 },
          { account: { kind: "vat" }, amountMinor: 1_600 },
        ],
      }),
    );
  const giveBack = (corrects: TransactionId, createdAtMs: number) =>
    store.write((tx) => ledger.correct(tx, { corrects, description: "A wrong charge", createdAtMs }));
  const monthEnd = (on: Store = store, log: Log = silentLog) =>
    new MonthEnd({ store: on, clock, ids, seller, log });
  const invoices = () => store.read((tx) => tx.all<InvoiceRow>("SELECT * FROM invoices ORDER BY number"));
  /** But for the months of numbers, which these rents have none of. */
  async function assertSound(): Promise<void> {
    const findings = await store.read(verifyLedger);
    assert.deepEqual(
      findings.filter(({ ok, name }) => !ok && !name.startsWith("each posting of rent")),
      [],
    );
  }

  it("is stated with its balances, calls by country and rate, and VAT apart", async () => {
    const wanjiru = await opened("Wanjiru", 1_000);
    await call(wanjiru, "+254712345678", 3, 47);
    await call(wanjiru, "+254733345678", 3, 60);
    await call(wanjiru, "+256712345678", 25, 60);
    await rent(wanjiru);
    await credit(await opened("Otieno", 5), 7, july);
    const { openingMinor, closingMinor, lines } = await statementOf(store, wanjiru, "2026-07");
    assert.equal(openingMinor, 0);
    assert.equal(closingMinor, 100_000 - 235 - 300 - 2_500 - 11_600);
    const shown = lines.map((line) => [
      ...[line.description, line.quantity, line.unit, line.amountMinor, line.netMinor, line.vatMinor],
    ]);
    assert.deepEqual(shown, [
      ["Calls to KE", 107, "second", -535, 462, 73],
      ["Calls to UG", 60, "second", -2_500, 2_155, 345],
      ["Number rental", 1, "month", -11_600, 10_000, 1_600],
      ["Credits", 1, "posting", 100_000, 0, 0],
    ]);
    for (const line of lines.slice(0, 3)) assert.equal(line.vatBasisPoints, 1_600);
  });

  it("begins and ends at midnight in Nairobi, and what it closes with the next one opens with", async () => {
    const wanjiru = await opened("Wanjiru", 0);
    await credit(wanjiru, 1, at("2026-06-30T20:59:59.999Z"));
    await credit(wanjiru, 20, at("2026-06-30T21:00:00Z"));
    await credit(wanjiru, 300, at("2026-07-31T20:59:59.999Z"));
    await credit(wanjiru, 4_000, at("2026-07-31T21:00:00Z"));
    const balances: number[][] = [];
    for (const month of ["2026-06", "2026-07", "2026-08", "2026-09"]) {
      const { openingMinor, closingMinor, lines } = await statementOf(store, wanjiru, month);
      assert.equal(
        lines.reduce((sum, line) => sum + line.amountMinor, openingMinor),
        closingMinor,
      );
      balances.push([openingMinor, closingMinor]);
    }
    assert.deepEqual(balances, [
      [0, 100],
      [100, 32_100],
      [32_100, 432_100],
      [432_100, 432_100],
    ]);
  });

  it("is stated from its own postings alone: what was posted since is not read, however much it is", async () => {
    const wanjiru = await opened("Wanjiru", 1_000);
    await rent(wanjiru);
    const august = at("2026-08-01T00:00:00+03:00");
    for (let n = 0; n < 5; n++) await credit(wanjiru, 7, august + n);
    const before = await statementOf(store, wanjiru, "2026-07");
    assert.equal(before.closingMinor, 88_400);
    await books.database.byHand(
      `DELETE FROM ledger_entries WHERE transaction_id IN
         (SELECT id FROM ledger_transactions WHERE created_at_ms >= ${august})`,
    );
    assert.deepEqual(await statementOf(store, wanjiru, "2026-07"), before);
  });

  it("has the balances of its postings' own dates, in whatever order they were posted", async () => {
    const wanjiru = await opened("Wanjiru", 0);
    // The days of three months, there and back and across; some twice.
    const days = Array.from({ length: 60 }, (_, n) => (n * 37) % 91);
    const posted = days.map((day, n) => ({
      atMs: at("2026-05-20T12:00:00Z") + day * 86_400_000,
      kes: n + 1,
    }));
    for (const { atMs, kes } of posted) await credit(wanjiru, kes, atMs);
    for (const [month, fromMs, toMs] of [
      ["2026-05", at("2026-05-01T00:00:00+03:00"), at("2026-06-01T00:00:00+03:00")],
      ["2026-06", at("2026-06-01T00:00:00+03:00"), at("2026-07-01T00:00:00+03:00")],
      ["2026-07", at("2026-07-01T00:00:00+03:00"), at("2026-08-01T00:00:00+03:00")],
      ["2026-08", at("2026-08-01T00:00:00+03:00"), at("2026-09-01T00:00:00+03:00")],
    ] as const) {
      const before = (ms: number) =>
        posted.filter(({ atMs }) => atMs < ms).reduce((sum, { kes }) => sum + kes * 100, 0);
      const { openingMinor, closingMinor, lines } = await statementOf(store, wanjiru, month);
      assert.deepEqual([openingMinor, closingMinor], [before(fromMs), before(toMs)], month);
      const moved = lines.reduce((sum, line) => sum + line.amountMinor, 0);
      assert.equal(openingMinor + moved, closingMinor, month);
    }
    await assertSound();
    // What was posted before the days were kept: as the migration makes them of it.
    const migration = new URL(
      "../../engine/store/migrations/022-wallet-days-withdrawals.sql",
      import.meta.url,
    );
    const [, filled] = /(INSERT INTO wallet_days[\s\S]*?WHERE kind = 'wallet';)/.exec(
      readFileSync(migration, "utf8"),
    )!;
    await books.database.byHand("DELETE FROM wallet_days; UPDATE ledger_accounts SET last_day = NULL");
    await books.database.byHand(filled!);
    await credit(wanjiru, 1, at("2026-05-21T12:00:00Z"));
    await credit(wanjiru, 1, at("2026-10-21T12:00:00Z"));
    await assertSound();
  });

  it("of one workspace that cannot be closed keeps no other from it, is told of, and is tried again", async () => {
    const faulty = await opened("Amina", 1_000);
    const others = [await opened("Wanjiru", 1_000), await opened("Otieno", 1_000)];
    for (const id of [faulty, ...others]) await rent(id);
    // Nobody knows what this charge was for: it is of a month that has no invoice.
    const charge = await rent(faulty, at("2026-06-10T12:00:00Z"));
    await giveBack(charge.transactionId, july + 5_000);
    const told: object[] = [];
    const log = { ...silentLog, error: (fields: object) => void told.push(fields) };

    await monthEnd(store, log).run();

    const buyers = async () => (await invoices()).map(({ buyerName }) => buyerName).sort();
    assert.deepEqual(await buyers(), ["Otieno", "Wanjiru"]);
    assert.deepEqual(
      told.map((fields) => (fields as { workspace: string }).workspace),
      [faulty],
    );
    await store.write((tx) =>
      tx.run("UPDATE workspaces SET closed_through = '2026-05' WHERE id = ?", [faulty]),
    );
    await monthEnd(store, log).run();
    assert.equal(told.length, 1);
    assert.deepEqual(await buyers(), ["Amina", "Amina", "Amina", "Otieno", "Wanjiru"]);
    assert.deepEqual(
      (await invoices()).map(({ number }) => number),
      [1, 2, 3, 4, 5],
    );
  });

  it("is closed an hour after its end, once, with gap-free numbers over all workspaces", async () => {
    for (const name of ["Wanjiru", "Otieno", "Amina", "Kamau"]) {
      const id = await opened(name, 1_000);
      if (name !== "Kamau") await rent(id);
    }
    nowMs -= 1;
    await monthEnd().run();
    assert.deepEqual(await invoices(), []);
    nowMs += 1;
    await Promise.all([monthEnd().run(), monthEnd().run()]);
    await monthEnd().run();
    const given = await invoices();
    assert.deepEqual(
      given.map(({ number }) => number),
      [1, 2, 3],
    );
    assert.deepEqual(given.map(({ buyerName }) => buyerName).sort(), ["Amina", "Otieno", "Wanjiru"]);
    const [first] = given;
    assert.deepEqual(
      [first!.kind, first!.month, first!.sellerPin, first!.netMinor, first!.vatMinor],
      ["invoice", "2026-07", seller.pin, 10_000, 1_600],
    );
    assert.deepEqual(JSON.parse(first!.lines), [
      {
        item_code: "NUMBER-RENTAL",
        description: "Number rental",
        quantity: 1,
        unit: "month",
        unit_price_kes: "116.00",
        vat_basis_points: 1_600,
        net_minor: 10_000,
        vat_minor: 1_600,
        total_minor: 11_600,
      },
    ]);
  });

  it("is closed after a year's sleep month by month, in order", async () => {
    const wanjiru = await opened("Wanjiru", 1_000);
    for (const month of ["07", "08", "11"]) await rent(wanjiru, at(`2026-${month}-15T12:00:00Z`));
    nowMs = at("2027-07-01T12:00:00Z");
    await monthEnd().run();
    assert.deepEqual(
      (await invoices()).map(({ number, month }) => [number, month]),
      [
        [1, "2026-07"],
        [2, "2026-08"],
        [3, "2026-11"],
      ],
    );
  });

  it("that was closed takes nothing in: what a clock set back would date there is of the month after, and in its invoice", async () => {
    const wanjiru = await opened("Wanjiru", 1_000);
    await call(wanjiru, "+254712345678", 3, 60);
    await monthEnd().run();
    const closed = await statementOf(store, wanjiru, "2026-07");
    const late = await call(wanjiru, "+254712345678", 3, 47, at("2026-07-31T23:59:59+03:00"));
    await giveBack(late, at("2026-07-31T23:59:59+03:00"));
    await rent(wanjiru, at("2026-07-31T23:59:59+03:00"));
    assert.deepEqual((await statementOf(store, wanjiru, "2026-07")).lines, closed.lines);
    const { openingMinor } = await statementOf(store, wanjiru, "2026-08");
    assert.equal(openingMinor, closed.closingMinor);
    nowMs = at("2026-09-01T12:00:00Z");
    await monthEnd().run();
    assert.deepEqual(
      (await invoices()).map(({ month, netMinor, vatMinor }) => [month, netMinor + vatMinor]),
      [
        ["2026-07", 300],
        ["2026-08", 11_600],
      ],
    );
    await assertSound();
  });

  it("that was closed is corrected by a credit note that names its invoice; before that, in the invoice itself", async () => {
    const wanjiru = await opened("Wanjiru", 1_000);
    const atOnce = await call(wanjiru, "+254712345678", 3, 60);
    const later = await call(wanjiru, "+254712345678", 3, 47);
    await rent(wanjiru);
    await giveBack(atOnce, july + 1_000);
    await monthEnd().run();
    const august = at("2026-08-05T12:00:00Z");
    await giveBack(later, august);
    nowMs = at("2026-09-01T12:00:00Z");
    await monthEnd().run();
    const [invoice, creditNote, ...others] = await invoices();
    assert.deepEqual(others, []);
    assert.equal(invoice!.netMinor + invoice!.vatMinor, 11_600 + 235);
    const { kind, number, month, correctsId, netMinor, vatMinor } = creditNote!;
    assert.deepEqual([kind, number, month, correctsId], ["credit_note", 2, "2026-08", invoice!.id]);
    assert.deepEqual([netMinor, vatMinor], [203, 32]);
    const [line] = JSON.parse(creditNote!.lines) as InvoiceLine[];
    assert.equal(line!.description, "Given back: Calls to KE, of 2026-07");
    await assertSound();
  });

  it("is closed without a gap and without a double, wherever a crash comes between two steps", async () => {
    for (const name of ["Wanjiru", "Otieno"]) await rent(await opened(name, 1_000));
    let crashes = 0;
    for (let step = 0; ; step++) {
      let left = step;
      const dying: Store = {
        ...store,
        read: (work) => (left < 0 ? Promise.reject(new Error("the process is gone")) : store.read(work)),
        write: (work) =>
          store.write((tx) => {
            const count = () => {
              if (left-- <= 0) throw new Error("the process is gone");
            };
            return work({
              all: (sql, params) => (count(), tx.all(sql, params)),
              get: (sql, params) => (count(), tx.get(sql, params)),
              run: (sql, params) => (count(), tx.run(sql, params)),
              afterCommit: (fn) => tx.afterCommit(fn),
            });
          }),
      };
      try {
        await monthEnd(dying).run();
        if (left >= 0) break;
        crashes++;
      } catch (error) {
        assert.match(String(error), /the process is gone/);
        crashes++;
      }
      const given = await invoices();
      assert.deepEqual(
        given.map(({ number }) => number),
        given.map((_, index) => index + 1),
      );
    }
    assert.ok(crashes > 5, `${crashes}`);
    assert.deepEqual(
      (await invoices()).map(({ number }) => number),
      [1, 2],
    );
  });

  it("is exported as lines of JSON, with what eTIMS asks for", async () => {
    const wanjiru = await opened("Wanjiru", 1_000);
    await store.write((tx) =>
      tx.run("UPDATE workspaces SET tax_pin = 'A009876543B' WHERE id = ?", [wanjiru]),
    );
    await call(wanjiru, "+254712345678", 3, 47);
    await monthEnd().run();
    const env = { DATABASE_URL: books.database.url };
    const { code, stdout, stderr } = await sautikit(["invoices", "export", "2026-07"], env);
    assert.equal(code, 0, stderr);
    const [line, ...rest] = stdout.trim().split("\n");
    assert.deepEqual(rest, []);
    const { id, buyer, ...shown } = JSON.parse(line!) as Record<string, unknown>;
    assert.match(String(id), /^stmt_/);
    assert.deepEqual(buyer, { workspace_id: wanjiru, name: "Wanjiru", pin: "A009876543B" });
    assert.deepEqual(shown, {
      kind: "invoice",
      number: 1,
      month: "2026-07",
      issued_at: "2026-07-31T22:00:00Z",
      corrects_number: null,
      seller,
      currency: "KES",
      lines: [
        {
          item_code: "CALL-OUT-KE",
          description: "Calls to KE",
          quantity: 47,
          unit: "second",
          unit_price_kes: "0.050000",
          vat_basis_points: 1_600,
          net_minor: 203,
          vat_minor: 32,
          total_minor: 235,
        },
      ],
      net_minor: 203,
      vat_minor: 32,
      total_minor: 235,
    });
    const wrong = await sautikit(["invoices", "export", "July"], env);
    assert.equal(wrong.code, 1);
  });

  it("is exported whole where it was closed under two PINs, whose numbers are the same", async () => {
    const count = 51;
    // The first number is of the month before, so that a page ends between two that are the same.
    const june = at("2026-06-10T12:00:00Z");
    const older = await opened("Amina", 1_000);
    await store.write((tx) => tx.run("UPDATE workspaces SET created_at_ms = ? WHERE id = ?", [june, older]));
    await rent(older, june);
    for (let n = 0; n < count; n++) await rent(await opened(`Wanjiru ${n}`, 1_000));
    await monthEnd().run();
    const renamed = { name: "Sautikit Kenya Ltd", pin: "P059999999Z" };
    for (let n = 0; n < count; n++) await rent(await opened(`Otieno ${n}`, 1_000));
    await new MonthEnd({ store, clock, ids, seller: renamed, log: silentLog }).run();
    const env = { DATABASE_URL: books.database.url };
    const { stdout } = await sautikit(["invoices", "export", "2026-07"], env);
    const shown = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { number: number; seller: { pin: string } });
    for (const [{ pin }, first] of [[seller, 2] as const, [renamed, 1] as const])
      assert.deepEqual(
        shown.filter((invoice) => invoice.seller.pin === pin).map(({ number }) => number),
        Array.from({ length: count }, (_, index) => first + index),
      );
  });
});
