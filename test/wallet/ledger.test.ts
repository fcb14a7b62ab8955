import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { TransactionId, WorkspaceId } from "../../engine/ids.ts";
import { entriesOf, transactionById, walletBalanceMinor } from "../../engine/store/ledger.ts";
import type { Tx } from "../../engine/store/store.ts";
import type { Entry, Posting } from "../../engine/wallet/ledger.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
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
import { databaseKind } from "../store/test-database.ts";

describe("wallet: the ledger", () => {
  let books: Books;
  let wanjiru: WorkspaceId;
  before(async () => (books = await openBooks()));
  after(() => books.close());
  beforeEach(async () => (wanjiru = await books.store.write((tx) => workspace(tx))));
  afterEach(async () => {
    const findings = await books.store.read(verifyLedger);
    assert.deepEqual(
      findings.filter((finding) => !finding.ok),
      [],
    );
  });

  const wallet = (amountMinor: number): Entry => ({
    account: { kind: "wallet", workspaceId: wanjiru },
    amountMinor,
  });
  const house = (kind: "adjustments" | "promotions", amountMinor: number): Entry => ({
    account: { kind },
    amountMinor,
  });
  const post = (tx: Tx, reference: string, entries: Entry[], more: Partial<Posting> = {}) =>
    ledger.post(tx, {
      reference,
      kind: "credit",
      description: "Test",
      workspaceId: wanjiru,
      createdAtMs: nowMs,
      entries,
      ...more,
    });
  const balance = () => books.store.read((tx) => walletBalanceMinor(tx, wanjiru));

  it("moves the balance of every account in the transaction of the posting", async () => {
    const entries = await books.store.write(async (tx) => {
      const { posted, transactionId } = await post(tx, `a ${wanjiru}`, [
        wallet(700),
        house("adjustments", -500),
        house("promotions", -200),
      ]);
      assert.equal(posted, true);
      return entriesOf(tx, transactionId);
    });

    assert.equal(await balance(), 700);
    assert.deepEqual(
      entries.map((entry) => [entry.accountKind, entry.amountMinor]),
      [
        ["adjustments", -500],
        ["promotions", -200],
        ["wallet", 700],
      ],
    );
  });

  it("posts a reference once, and answers with the first transaction's id", async () => {
    const [first, again] = await Promise.all(
      [500, 900].map((amount) =>
        books.store.write((tx) =>
          post(tx, `once ${wanjiru}`, [wallet(amount), house("adjustments", -amount)]),
        ),
      ),
    );
    assert.deepEqual([first!.posted, again!.posted], [true, false]);
    assert.equal(again!.transactionId, first!.transactionId);
    assert.equal(await balance(), 500);
  });

  it("a posting whose transaction fails leaves no trace, and its reference free", async () => {
    const failing = books.store.write(async (tx) => {
      await post(tx, `retried ${wanjiru}`, [wallet(500), house("adjustments", -500)]);
      throw new Error("the leg's state was lost");
    });
    await assert.rejects(failing, /the leg's state was lost/);
    assert.equal(await balance(), 0);

    const { posted } = await books.store.write((tx) =>
      post(tx, `retried ${wanjiru}`, [wallet(500), house("adjustments", -500)]),
    );
    assert.equal(posted, true);
  });

  const bad: [string, () => Entry[]][] = [
    ["does not balance", () => [wallet(500), house("adjustments", -499)]],
    ["has one side", () => [wallet(0)]],
    ["has no side", () => []],
    ["moves nothing", () => [wallet(0), house("adjustments", 0)]],
    ["moves fractions of a cent", () => [wallet(0.5), house("adjustments", -0.5)]],
    ["names an account twice", () => [wallet(500), wallet(-500)]],
    ["is larger than doubles count", () => [wallet(2 ** 53), house("adjustments", -(2 ** 53))]],
    ["is not a number", () => [wallet(Number.NaN), house("adjustments", Number.NaN)]],
  ];
  for (const [what, entries] of bad)
    it(`throws at a posting that ${what}`, async () => {
      const posting = books.store.write((tx) => post(tx, `bad ${wanjiru}`, entries()));
      await assert.rejects(posting, { name: "AssertionError" });
      assert.equal(await balance(), 0);
    });

  it("takes a transaction back by a new one that names it, once", async () => {
    const { transactionId } = await books.store.write((tx) => giveKes(tx, wanjiru, 50));
    const correct = () =>
      books.store.write((tx) =>
        ledger.correct(tx, {
          corrects: transactionId,
          description: "Achieng: meant for another workspace",
          createdAtMs: nowMs,
        }),
      );
    const first = await correct();
    const again = await correct();

    assert.deepEqual(again, { posted: false, transactionId: first.transactionId });
    assert.equal(await balance(), 0);
    const row = await books.store.read((tx) => transactionById(tx, first.transactionId));
    assert.equal(row?.correctsId, transactionId);
    assert.equal(row.workspaceId, wanjiru);
    assert.equal(row.kind, "correction");
  });

  it("corrects a part, by entries and a reference of its own", async () => {
    const { transactionId } = await books.store.write((tx) => giveKes(tx, wanjiru, 50));
    await books.store.write((tx) =>
      ledger.correct(tx, {
        corrects: transactionId,
        reference: `${transactionId} corrected in part`,
        description: "Achieng: 30 were meant",
        createdAtMs: nowMs,
        entries: [wallet(-2_000), house("adjustments", 2_000)],
      }),
    );
    assert.equal(await balance(), 3_000);
  });

  it("cannot correct what is not there", async () => {
    const correcting = books.store.write((tx) =>
      ledger.correct(tx, { corrects: ids.next("txn"), description: "?", createdAtMs: nowMs }),
    );
    await assert.rejects(correcting, /there is no transaction txn_/);
  });

  describe("in whatever order, and however often it is told", () => {
    const which = fc.nat(3);
    const fails = fc.boolean();
    const step = fc.oneof(
      fc.record({ kind: fc.constant("settle" as const), which, fails, lateSeconds: fc.nat(20) }),
      fc.record({ kind: fc.constant("credit" as const), which, fails, kes: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ kind: fc.constant("correct" as const), which, fails }),
    );

    it("charges each leg, grants each credit and takes it back once", () =>
      fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const ws = await books.store.write((tx) => workspace(tx));
          const legs = await books.store.write((tx) =>
            Promise.all(
              [1, 47, 60, 600].map((talk) =>
                leg(tx, { workspaceId: ws, endedAtUs: startedAtUs + seconds(5 + talk) }),
              ),
            ),
          );
          // What the committed steps came to, by name: the first of a name counts.
          const effects = new Map<string, number>();
          const credits = new Map<number, TransactionId>();

          const run = async (tx: Tx, step: (typeof steps)[number]) => {
            const name = `${step.kind} ${step.which}`;
            const seen = effects.has(name);
            if (step.kind === "settle") {
              const told = legs[step.which]!;
              // The end-of-leg record, say, after the event, and not of one mind with it.
              const endedAtUs = told.endedAtUs + (seen ? seconds(step.lateSeconds) : 0);
              return { name, amountMinor: -(await settle(tx, { ...told, endedAtUs })).costMinor };
            }
            if (step.kind === "credit") {
              const { posted, transactionId } = await giveKes(tx, ws, step.kes, `${ws} ${step.which}`);
              assert.equal(posted, !seen);
              if (!step.fails) credits.set(step.which, transactionId);
              return { name, amountMinor: step.kes * 100 };
            }
            const corrects = credits.get(step.which);
            if (!corrects) return undefined;
            await ledger.correct(tx, { corrects, description: "Achieng", createdAtMs: nowMs });
            return { name, amountMinor: -(effects.get(`credit ${step.which}`) ?? 0) };
          };

          const take = (step: (typeof steps)[number]) =>
            books.store
              .write(async (tx) => {
                const effect = await run(tx, step);
                if (step.fails) throw new Error("undone");
                if (effect && !effects.has(effect.name)) effects.set(effect.name, effect.amountMinor);
              })
              .catch((error: unknown) => assert.equal((error as Error).message, "undone"));
          // At once, and so in shared commits, where the database keeps their order: what counts is the first of a name.
          if (databaseKind === "sqlite") await Promise.all(steps.map(take));
          else for (const step of steps) await take(step);
          // Legs that no step settled end as well: the invariants ask for their CDRs.
          await books.store.write(async (tx) => {
            for (const [index, ended] of legs.entries()) {
              const { costMinor } = await settle(tx, ended);
              assert.equal(effects.get(`settle ${index}`) ?? -costMinor, -costMinor);
              effects.set(`settle ${index}`, -costMinor);
            }
          });

          const expected = [...effects.values()].reduce((sum, amount) => sum + amount, 0);
          assert.equal(await books.store.read((tx) => walletBalanceMinor(tx, ws)), expected);
        }),
        { numRuns: 60 },
      ));
  });

  it("keeps every invariant while five hundred postings to many wallets run at once", async () => {
    const workspaces = await books.store.write((tx) =>
      Promise.all(Array.from({ length: 10 }, () => workspace(tx))),
    );
    const postings = Array.from({ length: 500 }, (_, index) =>
      books.store.write(async (tx) => {
        const ws = workspaces[index % workspaces.length]!;
        if (index % 2 === 0) await giveKes(tx, ws, 5);
        else await settle(tx, await leg(tx, { workspaceId: ws }));
      }),
    );
    await Promise.all(postings);

    const balances = await books.store.read((tx) =>
      Promise.all(workspaces.map((ws) => walletBalanceMinor(tx, ws))),
    );
    // Even ones got 50 credits of KES 5, odd ones made 50 calls of KES 2.35.
    assert.deepEqual(
      balances,
      workspaces.map((_, index) => (index % 2 === 0 ? 25_000 : -11_750)),
    );
  });
});
