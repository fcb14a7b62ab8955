import { strict as assert } from "node:assert";
import { cdrOfLeg } from "../../engine/store/cdrs.ts";
import { entriesOf, transactionByReference, walletBalanceMinor } from "../../engine/store/ledger.ts";
import { insertPrice } from "../../engine/store/rates.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import {
  type Books,
  giveKes,
  leg,
  nowMs,
  openBooks,
  seconds,
  settle,
  startedAtUs,
  workspace,
} from "../wallet/books.ts";

describe("metering: settlement", () => {
  let books: Books;
  beforeEach(async () => (books = await openBooks()));
  afterEach(() => books.close());

  it("a call of 47 seconds takes KES 2.35 from the wallet: revenue, and the VAT in it", async () => {
    const entries = await books.store.write(async (tx) => {
      const call = await leg(tx, { workspaceId: await workspace(tx) });
      assert.deepEqual(await settle(tx, call), { billedSeconds: 47, costMinor: 235 });

      const posted = await transactionByReference(tx, `${call.legId} settled`);
      assert.equal(posted?.kind, "call");
      assert.equal(posted.description, "Call to +254712345678, 47 s");
      return entriesOf(tx, posted.id);
    });

    assert.deepEqual(
      entries.map((entry) => [entry.accountKind, entry.amountMinor]),
      [
        ["revenue_calls", 203],
        ["vat", 32],
        ["wallet", -235],
      ],
    );
  });

  it("the CDR keeps ring, talk and billed time apart", async () => {
    const cdr = await books.store.write(async (tx) => {
      const call = await leg(tx, {
        workspaceId: await workspace(tx),
        endedAtUs: startedAtUs + seconds(51) + 1,
      });
      await settle(tx, call);
      return cdrOfLeg(tx, call.legId);
    });

    assert.equal(cdr?.ringUs, seconds(3));
    assert.equal(cdr.talkUs, seconds(46) + 1);
    assert.equal(cdr.billedSeconds, 47);
    assert.equal(cdr.costMinor, 235);
    assert.equal(cdr.createdAtMs, nowMs);
  });

  const free = [
    { what: "a leg cancelled while ringing", facts: { answeredAtUs: null }, billed: 0, ringUs: seconds(50) },
    { what: "a leg that never rang", facts: { answeredAtUs: null, ringingAtUs: null }, billed: 0, ringUs: 0 },
    { what: "an inbound call", facts: { rateMicroKesPerMinute: 0 }, billed: 47, ringUs: seconds(3) },
    {
      what: "a leg whose clock was set back",
      facts: { answeredAtUs: startedAtUs + seconds(60) },
      billed: 0,
      ringUs: seconds(58),
    },
  ];
  for (const { what, facts, billed, ringUs } of free)
    it(`${what} costs nothing, and has its CDR`, async () => {
      const { cdr, posted } = await books.store.write(async (tx) => {
        const call = await leg(tx, { workspaceId: await workspace(tx), ...facts });
        assert.deepEqual(await settle(tx, call), { billedSeconds: billed, costMinor: 0 });
        return {
          cdr: await cdrOfLeg(tx, call.legId),
          posted: await transactionByReference(tx, `${call.legId} settled`),
        };
      });

      assert.equal(cdr?.ringUs, ringUs);
      assert.equal(posted, undefined);
    });

  it("told twice, even with other stamps, it answers and charges what it did at first", async () => {
    const [ws, call] = await books.store.write(async (tx) => {
      const ws = await workspace(tx);
      await giveKes(tx, ws, 100);
      return [ws, await leg(tx, { workspaceId: ws })] as const;
    });
    const first = await books.store.write((tx) => settle(tx, call));
    const again = await books.store.write((tx) =>
      settle(tx, { ...call, endedAtUs: call.endedAtUs + seconds(600), endedBy: "end_record" }),
    );

    assert.deepEqual(again, first);
    assert.equal(await books.store.read((tx) => walletBalanceMinor(tx, ws)), 10_000 - 235);
    assert.equal((await books.store.read((tx) => cdrOfLeg(tx, call.legId)))?.endedBy, "event");
  });

  it("the last call may leave the wallet slightly negative", async () => {
    const ws = await books.store.write(async (tx) => {
      const ws = await workspace(tx);
      await giveKes(tx, ws, 1);
      await settle(tx, await leg(tx, { workspaceId: ws }));
      return ws;
    });

    assert.equal(await books.store.read((tx) => walletBalanceMinor(tx, ws)), 100 - 235);
    const findings = await books.store.read(verifyLedger);
    assert.deepEqual(
      findings.filter((finding) => !finding.ok),
      [],
    );
    assert.equal(findings.at(-1)?.detail, "1 below zero, the lowest at -135 cents");
  });

  it("a cent has no tax in it to post", async () => {
    await books.store.write(async (tx) => {
      const call = await leg(tx, { workspaceId: await workspace(tx), rateMicroKesPerMinute: 12_766 });
      assert.equal((await settle(tx, call)).costMinor, 1);
    });
    assert.ok((await books.store.read(verifyLedger)).every((finding) => finding.ok));
  });

  it("the tax is that of the moment the call ended, not of the one we learn of it", async () => {
    const vat = await books.store.write(async (tx) => {
      await insertPrice(tx, "vat_basis_points", { amount: 2_000, effectiveAtMs: nowMs + 60_000 });
      const ws = await workspace(tx);
      const before = await leg(tx, { workspaceId: ws });
      const after = await leg(tx, { workspaceId: ws, endedAtUs: startedAtUs + seconds(65) });
      await settle(tx, after);
      await settle(tx, before);
      const entries = await Promise.all(
        [before, after].map(async ({ legId }) =>
          entriesOf(tx, (await transactionByReference(tx, `${legId} settled`))!.id),
        ),
      );
      return entries.flat().filter((entry) => entry.accountKind === "vat");
    });

    assert.deepEqual(
      vat.map((entry) => entry.amountMinor),
      [32, 50],
    );
    assert.ok((await books.store.read(verifyLedger)).every((finding) => finding.ok));
  });
});
