import { strict as assert } from "node:assert";
import { isError } from "../../engine/errors.ts";
import type { TransactionId, WorkspaceId } from "../../engine/ids.ts";
import { available, transactions, walletView } from "../../engine/wallet/wallet.ts";
import {
  type Books,
  call,
  giveKes,
  ids,
  leg,
  nowMs,
  openBooks,
  seconds,
  settle,
  startedAtUs,
  wallet,
  workspace,
} from "./books.ts";

describe("wallet", () => {
  let books: Books;
  let wanjiru: WorkspaceId;
  beforeEach(async () => {
    books = await openBooks();
    wanjiru = await books.store.write((tx) => workspace(tx));
  });
  afterEach(() => books.close());

  const availableAt = (nowUs: number) => books.store.read((tx) => available(tx, wanjiru, nowUs));

  it("a wallet that was never touched holds nothing", async () => {
    assert.deepEqual(await availableAt(startedAtUs), {
      balanceMinor: 0,
      accruedMinor: 0,
      availableMinor: 0,
      activeCalls: 0,
    });
  });

  it("what running calls have cost so far is not available, second by second", async () => {
    await books.store.write(async (tx) => {
      await giveKes(tx, wanjiru, 10);
      const callId = await call(tx, wanjiru, { live: true });
      await leg(tx, { workspaceId: wanjiru, callId, answeredAtUs: startedAtUs, endedAtUs: null });
      await leg(tx, { workspaceId: wanjiru, answeredAtUs: null, endedAtUs: null });
      await settle(tx, await leg(tx, { workspaceId: wanjiru }));
    });

    const live = { balanceMinor: 1_000 - 235, activeCalls: 2 };
    assert.deepEqual(await availableAt(startedAtUs), { ...live, accruedMinor: 0, availableMinor: 765 });
    assert.deepEqual(await availableAt(startedAtUs + seconds(47)), {
      ...live,
      accruedMinor: 235,
      availableMinor: 530,
    });
    assert.equal((await availableAt(startedAtUs + seconds(153))).availableMinor, 0);
    assert.equal((await availableAt(startedAtUs + seconds(154))).availableMinor, -5);
  });

  it("another workspace's calls and money are its own", async () => {
    await books.store.write(async (tx) => {
      const otieno = await workspace(tx, "Otieno's garage");
      await giveKes(tx, otieno, 10);
      await leg(tx, { workspaceId: otieno, endedAtUs: null });
    });
    assert.equal((await availableAt(startedAtUs + seconds(100))).availableMinor, 0);
  });

  it("shows itself as GET /v1/wallet tells it", async () => {
    await books.store.write((tx) =>
      tx.run(
        `UPDATE workspaces SET low_balance_threshold_minor = 5000, on_zero_balance = 'hangup',
           mpesa_account_ref = 'WANJIRU' WHERE id = ?`,
        [wanjiru],
      ),
    );
    assert.deepEqual(await books.store.read((tx) => walletView(tx, wanjiru, startedAtUs)), {
      workspaceId: wanjiru,
      currency: "KES",
      balanceMinor: 0,
      accruedMinor: 0,
      availableMinor: 0,
      activeCalls: 0,
      lowBalanceThresholdMinor: 5_000,
      alertEmails: [],
      onZeroBalance: "hangup",
      taxPin: null,
      mpesaAccountRef: "WANJIRU",
    });
  });

  it("is not there without its workspace", async () => {
    const nobody = ids.next("ws");
    const looking = books.store.read((tx) => walletView(tx, nobody, startedAtUs));
    await assert.rejects(looking, (error) => isError(error, "not_found"));
    const giving = books.store.write((tx) => giveKes(tx, nobody, 10));
    await assert.rejects(giving, (error) => isError(error, "not_found"));
  });

  it("a credit is given once for a reference, and never of nothing", async () => {
    const give = (amountMinor: number) =>
      books.store.write((tx) =>
        wallet.credit(tx, {
          workspaceId: wanjiru,
          amountMinor,
          reference: "INV-7",
          description: "Launch gift",
          kind: "promotion",
          createdAtMs: nowMs,
        }),
      );
    const first = await give(500);
    assert.equal(first.posted, true);
    assert.equal((await give(500)).posted, false);
    await assert.rejects(give(0));
    await assert.rejects(give(-500));

    const page = await books.store.read((tx) => transactions(tx, wanjiru, { limit: 25, after: null }));
    assert.deepEqual(page.transactions, [
      {
        id: first.transactionId,
        kind: "promotion",
        amountMinor: 500,
        balanceAfterMinor: 500,
        reference: "credit INV-7",
        description: "Launch gift",
        createdAtMs: nowMs,
      },
    ]);
  });

  it("lists its transactions newest first, each once, while new ones are added", async () => {
    const pageAfter = (after: TransactionId | null) =>
      books.store.read((tx) => transactions(tx, wanjiru, { limit: 2, after }));
    const balancesSeen: number[] = [];
    await books.store.write(async (tx) => {
      for (let count = 0; count < 5; count++) await giveKes(tx, wanjiru, 1);
    });

    let after: TransactionId | null = null;
    do {
      const page = await pageAfter(after);
      balancesSeen.push(...page.transactions.map((row) => row.balanceAfterMinor));
      after = page.nextAfter;
      await books.store.write((tx) => giveKes(tx, wanjiru, 1));
    } while (after);

    assert.deepEqual(balancesSeen, [500, 400, 300, 200, 100]);
  });

  it("shows nothing after a cursor of somebody else's", async () => {
    const foreign = await books.store.write(async (tx) => {
      await giveKes(tx, wanjiru, 1);
      return (await giveKes(tx, await workspace(tx, "Otieno's garage"), 1)).transactionId;
    });
    const page = await books.store.read((tx) => transactions(tx, wanjiru, { limit: 2, after: foreign }));
    assert.deepEqual(page, { transactions: [], nextAfter: null });
  });
});
