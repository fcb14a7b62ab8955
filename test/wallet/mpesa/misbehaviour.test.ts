import { strict as assert } from "node:assert";
import { Payments } from "../../../engine/wallet/mpesa/payments.ts";
import { createServer, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Mpesa } from "../../../engine/wallet/mpesa/mpesa.ts";
import { Reconciliation } from "../../../engine/wallet/mpesa/reconciliation.ts";
import { resultCodes } from "../../../engine/wallet/mpesa/result-codes.ts";
import { DarajaError } from "../../../engine/wallet/mpesa/daraja-error.ts";
import { Daraja } from "../../../engine/wallet/mpesa/daraja.ts";
import { mpesaWorld, shortcode, token, wanjirusPhone, type MpesaWorld } from "./world.ts";

const minutes = (count: number) => count * 60_000;
const hours = (count: number) => count * 3_600_000;

describe("M-Pesa as it really is", () => {
  let here: MpesaWorld;
  let wanjiru: Awaited<ReturnType<MpesaWorld["api"]["workspace"]>>;
  beforeEach(async () => {
    here = await mpesaWorld();
    wanjiru = await here.api.workspace({ balanceMinor: 0 });
  });
  afterEach(() => here.end());

  /** Without Safaricom's list, so that what is seen comes from where the test says. */
  async function withoutList() {
    await here.end();
    here = await mpesaWorld({ pulls: false });
    wanjiru = await here.api.workspace({ balanceMinor: 0 });
  }

  it("a callback that comes three times credits once", async () => {
    here.behave(wanjirusPhone, { callbacks: 3, callbackDelayMs: 500 });
    const id = await here.ask(wanjiru);
    await here.pass(1000);
    await here.pass(1500);
    await here.run();
    assert.equal(here.book.deliveries.filter(({ status }) => status === 200).length, 3);
    assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    assert.equal(await here.balance(wanjiru.id), 50_000);
    await here.books();
  });

  for (const confirmation of ["before", "after"] as const)
    it(`a push that is told of as Paybill payment too, ${confirmation} its callback, credits once`, async () => {
      await withoutList();
      await here.registerUrls();
      here.behave(wanjirusPhone, { confirmation, callbackDelayMs: confirmation === "before" ? 1000 : 0 });
      const id = await here.ask(wanjiru);
      await here.pass(1000);
      await here.run();
      assert.equal((await here.view(wanjiru, id)).status, "confirmed", "known by its account number alone");
      await here.pass(2000);
      await here.run();
      assert.equal(await here.balance(wanjiru.id), 50_000);
      assert.equal((await here.payments()).length, 1);
      await here.books();
    });

  it("hours late, after it was shown as expired, a success is credited all the same", async () => {
    await withoutList();
    here.behave(wanjirusPhone, { callbackDelayMs: hours(5), query: "open" });
    const id = await here.ask(wanjiru);
    await here.pass(minutes(61));
    await here.run();
    const expired = await here.view(wanjiru, id);
    assert.equal(expired.status, "expired");
    assert.match(expired.failure_reason, /Should a payment come, it is credited/);
    await here.pass(hours(5));
    await here.run();
    const late = await here.view(wanjiru, id);
    assert.equal(late.status, "confirmed");
    assert.equal(late.failure_reason, null);
    assert.equal(await here.balance(wanjiru.id), 50_000);
    await here.books();
  });

  it("a success that comes after a failure is credited, and a failure after a success changes nothing", async () => {
    here.book.holds = true;
    const id = await here.ask(wanjiru);
    const { callbackKey, checkoutRequestId } = await here.row(id);
    const fail = async () => {
      const stkCallback = {
        MerchantRequestID: "1",
        CheckoutRequestID: checkoutRequestId,
        ResultCode: 1032,
        ResultDesc: "Cancelled",
      };
      const sent = await fetch(here.urls.ofPush(callbackKey), {
        method: "POST",
        body: JSON.stringify({ Body: { stkCallback } }),
      });
      assert.equal(sent.status, 200);
      await here.mpesa.notices.look();
    };
    await fail();
    assert.equal((await here.view(wanjiru, id)).status, "failed");
    await here.pass(1000);
    await here.book.deliver(0);
    await here.mpesa.notices.look();
    assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    await fail();
    const { status, provider_reference } = await here.view(wanjiru, id);
    assert.deepEqual([status, provider_reference], ["confirmed", here.book.payments[0]?.receipt]);
    assert.equal(await here.balance(wanjiru.id), 50_000);
    await here.books();
  });

  it("where no callback ever comes, the query finds that it was paid, and Safaricom's list its receipt", async () => {
    here.behave(wanjirusPhone, { callbacks: 0 });
    const id = await here.ask(wanjiru);
    await here.run();
    await here.pass(minutes(0.5));
    await here.mpesa.queries.look();
    const known = await here.row(id);
    assert.equal(known.resultCode, "0");
    assert.notEqual(known.paidAtMs, null);
    assert.equal(await here.balance(wanjiru.id), 0, "what has no receipt is credited to nobody");
    assert.equal((await here.view(wanjiru, id)).status, "pending");
    await here.mpesa.reconciliation.look();
    assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    assert.equal(await here.balance(wanjiru.id), 50_000);
    await here.books();
  });

  it("a query that says it was paid, and then the callback, the list and the confirmation: credited once", async () => {
    await here.registerUrls();
    here.behave(wanjirusPhone, { callbackDelayMs: minutes(2) });
    here.book.holds = true;
    const id = await here.ask(wanjiru);
    await here.pass(minutes(1));
    await here.mpesa.queries.look();
    assert.equal((await here.row(id)).resultCode, "0");
    await here.mpesa.reconciliation.look();
    for (const index of [0, 1, 1, 0]) {
      await here.book.deliver(index);
      await here.mpesa.notices.look();
    }
    assert.equal((await here.payments()).length, 1);
    assert.equal(await here.balance(wanjiru.id), 50_000);
    await here.books();
  });

  it("a query never overrides a success", async () => {
    here.behave(wanjirusPhone, { query: "contradicts" });
    const id = await here.ask(wanjiru);
    const asked = await here.row(id);
    await here.pass(minutes(1));
    // It asks at the very moment at which the callback comes.
    const { code } = await here.daraja().query(asked.checkoutRequestId!);
    assert.equal(code, "1032");
    here.restart({
      query: async () => (await here.mpesa.notices.look(), { code, description: "Cancelled" }),
    });
    await here.mpesa.queries.look();
    assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    await here.books();
  });

  it("a query that denies a payment that was made: shown as failed, then confirmed by Safaricom's list", async () => {
    here.behave(wanjirusPhone, { query: "contradicts", callbacks: 0 });
    const id = await here.ask(wanjiru);
    await here.run();
    await here.pass(minutes(1));
    await here.mpesa.queries.look();
    assert.equal((await here.view(wanjiru, id)).status, "failed");
    await here.pass(minutes(10));
    await here.run();
    assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    assert.equal(await here.balance(wanjiru.id), 50_000);
    await here.books();
  });

  it("asks with growing pauses while the prompt is open, and no more once it has ended", async () => {
    here.behave(wanjirusPhone, { afterMs: minutes(20), callbacks: 0, result: "1019" });
    const asked: number[] = [];
    const client = here.daraja();
    here.restart({ query: (id) => (asked.push(here.clock.nowMs()), client.query(id)) });
    const id = await here.ask(wanjiru);
    const startedMs = here.clock.nowMs();
    for (let seconds = 0; seconds < minutes(40) / 1000; seconds += 5) {
      here.clock.advance(5000);
      await here.mpesa.queries.look();
    }
    const after = asked.map((ms) => Math.round((ms - startedMs) / 5000) * 5);
    assert.deepEqual(after.slice(0, 7), [30, 45, 60, 90, 150, 270, 570]);
    const pauses = after.slice(1).map((at, index) => at - after[index]!);
    assert.deepEqual(
      pauses,
      [...pauses].sort((a, b) => a - b),
      "ever longer",
    );
    assert.ok(asked.length <= 9, `${asked.length} queries in 40 minutes`);
    await here.pass(hours(1));
    await here.run();
    assert.equal((await here.view(wanjiru, id)).status, "expired");
    assert.equal((await here.row(id)).nextQueryAtMs, null);
  });

  for (const [code, result] of Object.entries(resultCodes))
    it(`result ${code} is told in words, and leaves the money where it was`, async () => {
      here.behave(wanjirusPhone, { result: code, afterMs: 100 });
      const id = await here.ask(wanjiru);
      await here.pass(1000);
      await here.run();
      const { status, failure_reason, provider_reference } = await here.view(wanjiru, id);
      const expected = result.state === "unknown" ? "pending" : result.expired ? "expired" : "failed";
      assert.equal(status, expected);
      assert.equal(failure_reason, result.reason);
      assert.equal(provider_reference, null);
      assert.equal((await here.row(id)).state, result.state);
      assert.equal(await here.balance(wanjiru.id), 0);
    });

  it("unknown is not failed: 1037, and the payment that came of it all the same", async () => {
    here.book.holds = true;
    const id = await here.ask(wanjiru);
    const { callbackKey, checkoutRequestId } = await here.row(id);
    const stkCallback = {
      MerchantRequestID: "1",
      CheckoutRequestID: checkoutRequestId,
      ResultCode: 1037,
      ResultDesc: "DS timeout",
    };
    await fetch(here.urls.ofPush(callbackKey), {
      method: "POST",
      body: JSON.stringify({ Body: { stkCallback } }),
    });
    await here.mpesa.notices.look();
    assert.equal((await here.row(id)).state, "unknown");
    assert.equal((await here.view(wanjiru, id)).status, "pending");
    await here.pass(1000);
    await here.book.deliver(0);
    await here.mpesa.notices.look();
    assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    await here.books();
  });

  it("another amount than was asked for goes to suspense, whichever record comes first", async () => {
    for (const [index, confirmation] of (["after", "before"] as const).entries()) {
      await withoutList();
      await here.registerUrls();
      here.behave(wanjirusPhone, { amountOff: 1, confirmation, callbackDelayMs: index * 1000 });
      const id = await here.ask(wanjiru);
      for (const ms of [1000, 2000]) {
        await here.pass(ms);
        await here.run();
      }
      assert.equal(await here.balance(wanjiru.id), 0);
      assert.equal(await here.suspense(), 50_100, "the amount of the record, not the one that was asked for");
      assert.deepEqual(
        (await here.payments()).map(({ suspenseReason }) => suspenseReason),
        ["amount_mismatch"],
      );
      assert.match((await here.view(wanjiru, id)).failure_reason, /another amount/);
      await here.books();
    }
  });

  it("another amount stays in suspense until the operator assigns it, and the top-up is never told as paid", async () => {
    here.behave(wanjirusPhone, { amountOff: 1 });
    const id = await here.ask(wanjiru);
    await here.pass(1000);
    await here.run();
    await here.pass(hours(2));
    for (let looks = 0; looks < 3; looks++) {
      await here.run();
      await here.pass(minutes(20));
    }
    assert.deepEqual([await here.balance(wanjiru.id), await here.suspense()], [0, 50_100]);
    const [payment] = await here.payments();
    const payments = new Payments(here.parts);
    await here.store.write((tx) => payments.assign(tx, payment!.id, wanjiru.id));
    assert.equal(await here.balance(wanjiru.id), 50_100);
    assert.notEqual((await here.view(wanjiru, id)).status, "confirmed");
    await here.books();
  });

  it("a list that cannot be had is asked for ever more seldom", async () => {
    let asked = 0;
    here.restart({ pull: () => (asked++, Promise.reject(new Error("not turned on"))) });
    for (let seconds = 0; seconds < 3600; seconds += 5) {
      here.clock.advance(5000);
      await here.mpesa.reconciliation.look();
    }
    assert.ok(asked >= 5 && asked <= 12, `${asked} times in an hour`);
  });

  it("an unknown account goes to suspense and is not dropped", async () => {
    await here.registerUrls();
    await here.book.payBill({ account: "RENT", amount: "1200.00", msisdn: "254733000001" });
    await here.pass(1000);
    await here.run();
    await here.run();
    assert.equal(await here.suspense(), 120_000);
    assert.equal((await here.payments())[0]?.suspenseReason, "unknown_account");
    await here.books();
  });

  it("what was paid to somebody else's shortcode is nobody's here", async () => {
    const account = await here.accountOf(wanjiru.id);
    const body = {
      TransID: "SKL1OTHER0",
      TransAmount: "100.00",
      BusinessShortCode: "111111",
      BillRefNumber: account,
      MSISDN: "2547",
    };
    await fetch(here.urls.confirmation, { method: "POST", body: JSON.stringify(body) });
    await here.mpesa.notices.look();
    assert.equal(await here.balance(wanjiru.id), 0);
    assert.equal((await here.payments())[0]?.suspenseReason, "other_shortcode");
    await here.books();
  });

  it("a callback for a request that we never made, or under another's CheckoutRequestID, credits nobody", async () => {
    const id = await here.ask(wanjiru);
    const { callbackKey } = await here.row(id);
    const success = (CheckoutRequestID: string, MpesaReceiptNumber: string) =>
      JSON.stringify({
        Body: {
          stkCallback: {
            ...{ MerchantRequestID: "1", CheckoutRequestID, ResultCode: 0, ResultDesc: "ok" },
            CallbackMetadata: {
              Item: [
                { Name: "Amount", Value: 500 },
                { Name: "MpesaReceiptNumber", Value: MpesaReceiptNumber },
              ],
            },
          },
        },
      });
    await fetch(here.urls.ofPush("0".repeat(32)), { method: "POST", body: success("ws_CO_1", "SKL1FORGE1") });
    await fetch(here.urls.ofPush(callbackKey), { method: "POST", body: success("ws_CO_1", "SKL1FORGE2") });
    await here.mpesa.notices.look();
    assert.equal(await here.balance(wanjiru.id), 0);
    assert.deepEqual(
      new Set((await here.payments()).map(({ suspenseReason }) => suspenseReason)),
      new Set(["unknown_request"]),
    );
    await here.pass(1000);
    await here.run();
    assert.equal(await here.balance(wanjiru.id), 50_000, "the real one");
    await here.books();
  });

  it("a large payment waits until Safaricom, asked by us, says the same", async () => {
    await here.end();
    here = await mpesaWorld({ verifyAboveMinor: 40_000, pulls: false });
    wanjiru = await here.api.workspace({ balanceMinor: 0 });
    const id = await here.ask(wanjiru);
    await here.pass(1000);
    await here.mpesa.notices.look();
    assert.equal(await here.balance(wanjiru.id), 0);
    assert.equal(await here.suspense(), 50_000);
    assert.equal((await here.view(wanjiru, id)).status, "pending");
    await here.mpesa.queries.look();
    assert.equal(await here.balance(wanjiru.id), 50_000);
    assert.equal(await here.suspense(), 0);
    assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    await here.books();
  });

  it("a large payment whose push was not answered is asked about as soon as its callback says how", async () => {
    await here.end();
    here = await mpesaWorld({ verifyAboveMinor: 40_000, pulls: false });
    wanjiru = await here.api.workspace({ balanceMinor: 0 });
    await here.registerUrls();
    here.behave(wanjirusPhone, { push: "no_answer", confirmation: "before", callbackDelayMs: 5_000 });
    const id = await here.ask(wanjiru);
    await here.pass(1000);
    await here.mpesa.notices.look();
    assert.equal(await here.suspense(), 50_000, "by the Paybill's confirmation");
    await here.mpesa.queries.look();
    assert.equal(await here.balance(wanjiru.id), 0, "nobody knows what to ask about");
    await here.pass(5_000);
    await here.mpesa.notices.look();
    await here.mpesa.queries.look();
    assert.equal(await here.balance(wanjiru.id), 50_000);
    assert.equal(await here.suspense(), 0);
    assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    await here.books();
  });

  it("a large payment that Safaricom's list had without an account is credited by its callback", async () => {
    await here.end();
    here = await mpesaWorld({ verifyAboveMinor: 40_000 });
    wanjiru = await here.api.workspace({ balanceMinor: 0 });
    here.restart({
      pull: (_from, _to, offset) =>
        Promise.resolve(
          here.book.payments
            .map(({ receipt, amount, msisdn }) => ({
              transactionId: receipt,
              amount,
              msisdn,
              billreference: "",
            }))
            .slice(offset),
        ),
    });
    here.behave(wanjirusPhone, { confirmation: "none", callbackDelayMs: 5_000 });
    const id = await here.ask(wanjiru);
    await here.pass(1000);
    await here.mpesa.reconciliation.look();
    assert.equal(await here.suspense(), 50_000);
    await here.pass(5_000);
    await here.mpesa.notices.look();
    assert.equal(await here.balance(wanjiru.id), 50_000);
    assert.equal(await here.suspense(), 0);
    assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    await here.books();
  });

  it("a large payment by Paybill waits for Safaricom's list, and a forged one stays in suspense", async () => {
    await here.end();
    here = await mpesaWorld({ verifyAboveMinor: 40_000 });
    wanjiru = await here.api.workspace({ balanceMinor: 0 });
    await here.registerUrls();
    const account = await here.accountOf(wanjiru.id);
    const forged = {
      TransID: "SKL1FORGE3",
      TransAmount: "90000.00",
      BusinessShortCode: shortcode,
      BillRefNumber: account,
      MSISDN: "2547",
    };
    await fetch(here.urls.confirmation, { method: "POST", body: JSON.stringify(forged) });
    await here.book.payBill({ account, amount: "700.00", msisdn: "254733000001" });
    await here.pass(1000);
    await here.mpesa.notices.look();
    assert.equal(await here.balance(wanjiru.id), 0);
    await here.mpesa.reconciliation.look();
    assert.equal(await here.balance(wanjiru.id), 70_000);
    assert.equal(await here.suspense(), 9_000_000);
    await here.books();
  });

  it("without the list Safaricom is asked about each large payment, and only its answer to that counts", async () => {
    await here.end();
    here = await mpesaWorld({ verifyAboveMinor: 40_000, pulls: false });
    wanjiru = await here.api.workspace({ balanceMinor: 0 });
    await here.registerUrls();
    const account = await here.accountOf(wanjiru.id);
    await here.book.payBill({ account, amount: "700.00", msisdn: "254733000001" });
    await here.pass(1000);
    await here.mpesa.notices.look();
    const receipt = here.book.payments[0]!.receipt;
    const complete = [
      { Key: "TransactionStatus", Value: "Completed" },
      { Key: "ReceiptNo", Value: receipt },
      { Key: "Amount", Value: 700 },
      { Key: "CreditPartyName", Value: `${shortcode} - Sautikit` },
    ];
    const answer = (ResultParameter: object[]) =>
      fetch(here.urls.ofStatus("0".repeat(32)), {
        method: "POST",
        body: JSON.stringify({ Result: { ResultCode: 0, ResultParameters: { ResultParameter } } }),
      });
    assert.equal((await answer(complete)).status, 200);
    await here.mpesa.notices.look();
    assert.equal(await here.balance(wanjiru.id), 0, "an answer that nobody asked for");
    await here.mpesa.reconciliation.look();
    await here.mpesa.reconciliation.look();
    assert.equal(
      here.book.deliveries.filter(({ kind }) => kind === "status").length,
      1,
      "asked once an hour",
    );
    await here.pass(1000);
    await here.mpesa.notices.look();
    assert.equal(await here.balance(wanjiru.id), 70_000);
    assert.equal(await here.suspense(), 0);
    await here.books();
  });

  it("the list of payments finds what no callback told of, page by page, once", async () => {
    const account = await here.accountOf(wanjiru.id);
    for (let count = 0; count < 620; count++)
      await here.book.payBill({ account, amount: "1.00", msisdn: "254733000001" });
    await here.mpesa.reconciliation.look();
    assert.equal(await here.balance(wanjiru.id), 62_000);
    here.restart();
    await here.mpesa.reconciliation.look();
    assert.equal(await here.balance(wanjiru.id), 62_000);
    await here.books();
  });

  it("a page of rows that are none, and rows that cannot be read, hold up none of the others, and are told of", async () => {
    const account = await here.accountOf(wanjiru.id);
    for (let count = 0; count < 503; count++) {
      const paid = await here.book.payBill({ account, amount: "1.00", msisdn: "254733000001" });
      if (count < 500) here.book.oddRows.set(paid!.receipt, null);
      if (count === 501)
        here.book.oddRows.set(paid!.receipt, {
          transactionId: paid!.receipt,
          amount: "free",
          msisdn: "254733000001",
        });
    }
    await here.mpesa.reconciliation.look();
    assert.equal(await here.balance(wanjiru.id), 200);
    const [line, ...others] = here.said.filter(({ message }) => message.includes("could not be taken"));
    assert.deepEqual(others, [], "one line a pull");
    assert.deepEqual([line?.level, line?.facts["count"], line?.facts["of"]], ["error", 501, 503]);
    assert.doesNotMatch(JSON.stringify(here.said), /254733000001/);
  });

  it("a payment of the list that cannot be stored leaves the others to be credited", async () => {
    const account = await here.accountOf(wanjiru.id);
    for (const amount of ["100.00", "200.00", "300.00"])
      await here.book.payBill({ account, amount, msisdn: "254733000001" });
    const bad = here.book.payments[1]!.receipt;
    class Failing extends Payments {
      override take(...[tx, record]: Parameters<Payments["take"]>) {
        if (record.receipt === bad) throw new Error("a bug of ours");
        return super.take(tx, record);
      }
    }
    const payments = new Failing(here.parts);
    const list = new Reconciliation({ ...here.parts, daraja: here.daraja(), payments });
    await list.look();
    assert.equal(await here.balance(wanjiru.id), 40_000);
    const told = here.said.find(({ message }) => message.includes("could not be taken"));
    assert.equal((told?.facts["first"] as { receipt: string }[])[0]?.receipt, bad);
    await here.books();
  });

  it("asks for the list every ten minutes, each hour for all of it, and sooner for money that is on its way", async () => {
    const pulls: number[] = [];
    here.restart({
      pull: (fromMs, toMs) => (pulls.push(Math.round((toMs - fromMs) / hours(1))), Promise.resolve([])),
    });
    await here.mpesa.reconciliation.look();
    assert.deepEqual(pulls, [48]);
    for (let count = 0; count < 72; count++) {
      here.clock.advance(minutes(1) + 1000);
      await here.mpesa.reconciliation.look();
    }
    assert.deepEqual(pulls, [48, 2, 2, 2, 2, 2, 48, 2].slice(0, pulls.length));
    assert.ok(pulls.length >= 7 && pulls.length <= 8, `${pulls.length}`);
    here.behave(wanjirusPhone, { push: "no_answer", callbacks: 0 });
    await here.ask(wanjiru);
    pulls.length = 0;
    for (let count = 0; count < 3; count++) {
      here.clock.advance(minutes(0.5));
      await here.mpesa.reconciliation.look();
    }
    assert.equal(pulls.length, 3, "a push without an answer may be paid");
  });

  it("what was told by a clock that is set back since is worked off at once", async () => {
    await here.ask(wanjiru);
    await here.pass(1000);
    here.clock.steppedMs = -hours(1);
    await here.mpesa.notices.look();
    assert.equal(await here.balance(wanjiru.id), 50_000);
    await here.books();
  });

  for (const [which, steppedMs] of [
    ["back", -hours(1)],
    ["forward", hours(1)],
  ] as const)
    it(`asks for the list as before where the clock was set ${which} by an hour, and for what is paid now`, async () => {
      const pulls: { fromMs: number; toMs: number }[] = [];
      here.restart({ pull: (fromMs, toMs) => (pulls.push({ fromMs, toMs }), Promise.resolve([])) });
      await here.mpesa.reconciliation.look();
      here.clock.steppedMs = steppedMs;
      await here.mpesa.reconciliation.look();
      assert.equal(pulls.length, 1, "it was asked for a moment ago");
      here.clock.advance(minutes(10));
      await here.mpesa.reconciliation.look();
      assert.equal(pulls.length, 2);
      const nowMs = here.clock.steadyMs();
      assert.ok(pulls[1]!.fromMs <= nowMs - hours(1) && pulls[1]!.toMs >= nowMs, JSON.stringify(pulls[1]));
    });

  it("a push that nobody answered is unknown, is not sent again, and is credited when it was paid", async () => {
    await withoutList();
    here.behave(wanjirusPhone, { push: "no_answer" });
    const id = await here.ask(wanjiru);
    assert.equal((await here.row(id)).state, "unknown");
    const shown = await here.view(wanjiru, id);
    assert.equal(shown.status, "pending");
    assert.match(shown.failure_reason, /did not say whether the prompt went out/);
    for (let count = 0; count < 5; count++) {
      await here.push();
      here.restart();
    }
    assert.equal(here.book.prompts.length, 1);
    await here.pass(1000);
    await here.run();
    assert.equal(
      (await here.view(wanjiru, id)).status,
      "confirmed",
      "its callback address says which it was",
    );
    await here.books();
  });

  it("a push that was lost and never paid is expired after an hour, and never asked again", async () => {
    here.behave(wanjirusPhone, { push: "lost" });
    const id = await here.ask(wanjiru);
    assert.equal((await here.row(id)).state, "unknown");
    here.clock.advance(minutes(61));
    await here.run();
    assert.equal((await here.view(wanjiru, id)).status, "expired");
    assert.equal(here.book.prompts.length, 0);
  });

  for (const push of ["html", "html_but_asked"] as const)
    it(`a proxy's page in place of an answer (${push}) says nothing: unknown, and not sent again`, async () => {
      here.behave(wanjirusPhone, { push });
      const id = await here.ask(wanjiru);
      assert.equal((await here.row(id)).state, "unknown");
      await here.push();
      assert.equal(here.book.prompts.length, push === "html" ? 0 : 1);
      await here.pass(1000);
      await here.run();
      assert.equal((await here.view(wanjiru, id)).status, push === "html" ? "pending" : "confirmed");
      await here.books();
    });

  for (const [code, message, reason] of [
    [
      "500.001.1001",
      "Unable to lock subscriber, a transaction is already in process",
      /Another M-Pesa request is open/,
    ],
    ["500.001.1001", "Wrong credentials", /does not let us ask/],
    ["500.001.1001", "Merchant does not exist", /does not let us ask/],
    ["500.003.02", "Error Occurred: Spike Arrest Violation", /busy/],
    ["500.003.03", "Quota violation", /busy/],
    ["400.002.02", "Bad Request - Invalid PhoneNumber", /does not know the phone/],
    ["400.002.02", "Bad Request - Invalid Amount", /does not let us ask/],
  ] as const)
    it(`a push refused with ${code}, ${message}: failed, in words, and the phone is free again`, async () => {
      const status = Number(code.slice(0, 3));
      here.behave(wanjirusPhone, { push: "refuse", refusal: { status, code, message } });
      const id = await here.ask(wanjiru);
      const { status: shown, failure_reason } = await here.view(wanjiru, id);
      assert.equal(shown, "failed");
      assert.match(failure_reason, reason);
      await here.ask(wanjiru);
    });

  it("500.001.1001 that says none of its meanings is not taken for a refusal", async () => {
    const refusal = {
      status: 500,
      code: "500.001.1001",
      message: "[MerchantValidate] - System internal error.",
    };
    here.behave(wanjirusPhone, {
      push: "refuse",
      refusal: { ...refusal, message: "System internal error." },
    });
    const id = await here.ask(wanjiru);
    assert.equal((await here.row(id)).state, "unknown");
  });

  it("nothing is sent while Daraja cannot be reached, and a prompt that would come too late is not sent at all", async () => {
    await here.standIn.close();
    const id = await here.ask(wanjiru);
    assert.equal((await here.row(id)).state, "requested");
    assert.equal((await here.row(id)).sentAtMs, null);
    here.clock.advance(31_000);
    await here.push();
    const { status, failure_reason } = await here.view(wanjiru, id);
    assert.equal(status, "failed");
    assert.match(failure_reason, /could not be reached; nothing was sent/);
  });

  it("a prompt that was asked for by a clock ahead is not sent late either", async () => {
    const unreachable = new DarajaError("unreachable", "Daraja cannot be reached");
    here.restart({ ready: () => Promise.reject(unreachable) });
    here.clock.steppedMs = hours(1);
    const id = await here.ask(wanjiru, { send: false });
    here.clock.steppedMs = 0;
    await here.push();
    assert.equal((await here.view(wanjiru, id)).status, "pending");
    here.clock.advance(31_000);
    await here.push();
    assert.equal((await here.view(wanjiru, id)).status, "failed");
  });

  it("a process that stands still once it has marked a prompt sends none after it", async () => {
    const id = await here.ask(wanjiru, { send: false });
    let stoodStill = false;
    const store: MpesaWorld["store"] = {
      ...here.store,
      async write(work) {
        const written = await here.store.write(work);
        if (!stoodStill) here.clock.advance(31_000);
        stoodStill = true;
        return written;
      },
    };
    const mpesa = new Mpesa({ ...here.parts, store, daraja: here.daraja() });
    await mpesa.pushes.look();
    await mpesa.pushes.settled();
    await mpesa.stop();
    assert.ok((await here.row(id)).sentAtMs !== null, "marked");
    assert.equal(here.book.prompts.length, 0);
    const { status, failure_reason } = await here.view(wanjiru, id);
    assert.deepEqual([status, /nothing was sent/.test(failure_reason)], ["failed", true]);
  });

  it("a callback that we answered with 503 is lost, and its money is found", async () => {
    here.book.holds = true;
    const id = await here.ask(wanjiru);
    await here.pass(1000);
    const refusing = createServer((_request, response) => response.writeHead(503).end()).listen(
      0,
      "127.0.0.1",
    );
    await once(refusing, "listening");
    const [delivery] = here.book.deliveries;
    delivery!.url = `http://127.0.0.1:${(refusing.address() as AddressInfo).port}/`;
    assert.equal(await here.book.deliver(0), 503);
    refusing.close();
    await here.run();
    assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    await here.books();
  });

  describe("its tokens", () => {
    it("one token serves everybody, and is refreshed after 50 of its 60 minutes", async () => {
      const client = here.daraja();
      const before = here.book.tokensIssued;
      await Promise.all(Array.from({ length: 20 }, () => client.ready()));
      assert.equal(here.book.tokensIssued - before, 1);
      here.clock.advance(minutes(49));
      await client.ready();
      assert.equal(here.book.tokensIssued - before, 1);
      here.clock.advance(minutes(1.1));
      await Promise.all(Array.from({ length: 20 }, () => client.ready()));
      assert.equal(here.book.tokensIssued - before, 2);
    });

    it("one that another client ended is replaced exactly once, however many find it so", async () => {
      const client = here.daraja();
      await client.ready();
      const before = here.book.tokensIssued;
      here.book.issueToken();
      await Promise.all(Array.from({ length: 10 }, () => client.pull(0, here.clock.nowMs(), 0)));
      assert.equal(here.book.tokensIssued - before, 2, "the other client's, and ours");
    });

    it("a push whose token was ended is sent once more, and rings once", async () => {
      here.behave(wanjirusPhone, { revokesToken: true });
      const id = await here.ask(wanjiru);
      assert.equal(here.book.prompts.length, 1);
      assert.equal(here.book.tokensIssued, 2);
      await here.pass(1000);
      await here.run();
      assert.equal((await here.view(wanjiru, id)).status, "confirmed");
    });

    it("a second refusal is a refusal: no third token is asked for", async () => {
      const client = here.daraja();
      await client.ready();
      const before = here.book.tokensIssued;
      here.book.spoilt.push("stale_token", "stale_token");
      await assert.rejects(
        client.query("ws_CO_1"),
        (error) => error instanceof DarajaError && error.code === "404.001.03",
      );
      assert.equal(here.book.tokensIssued - before, 1);
    });

    it("one that is refused by HTTP's own 401 is replaced once as well", async () => {
      const client = here.daraja();
      await client.ready();
      const before = here.book.tokensIssued;
      here.book.spoilt.push("unauthorised");
      assert.deepEqual(await client.pull(0, here.clock.nowMs(), 0), []);
      assert.equal(here.book.tokensIssued - before, 1);
    });

    it("two processes have one, and the next is asked for by one of them", async () => {
      const clients = [here.daraja(), here.daraja(), here.daraja()];
      const all = () => Promise.all(clients.map((client) => client.pull(0, here.clock.nowMs(), 0)));
      await all();
      assert.deepEqual([here.book.tokensIssued, here.book.tokensRefused], [1, 0]);
      here.clock.advance(minutes(51));
      await all();
      assert.deepEqual([here.book.tokensIssued, here.book.tokensRefused], [2, 0]);
      const kept = await here.store.read((tx) =>
        tx.all<{ sealed: string }>("SELECT sealed FROM daraja_tokens"),
      );
      assert.deepEqual(
        kept.map(({ sealed }) => here.secrets.open(sealed)),
        [here.book.token],
        "sealed, and one",
      );
    });

    it("whoever dies while asking for one holds up the others for a while, and no longer", async () => {
      const silent = createServer(() => undefined).listen(0, "127.0.0.1");
      await once(silent, "listening");
      const { port } = silent.address() as AddressInfo;
      const settings = { consumerKey: "key", consumerSecret: "secret", shortcode, passkey: "pass" };
      const asking = () =>
        new Daraja({
          ...here.parts,
          secrets: here.secrets,
          settings: { ...settings, initiator: null, url: `http://127.0.0.1:${port}` },
        });
      let requests = 0;
      silent.on("request", (_request, response: ServerResponse) => {
        requests++;
        if (requests > 1) response.end(JSON.stringify({ access_token: "t2", expires_in: "3599" }));
      });
      // Never heard of again.
      asking()
        .ready()
        .catch(() => undefined);
      await once(silent, "request");
      const waiting = asking().ready();
      await here.arrived();
      assert.equal(requests, 1, "one asks at a time");
      // Only the lease's time: the dead one's own timer does not run any more.
      here.clock.offsetMs += 15_001;
      await waiting;
      assert.equal(requests, 2);
      silent.closeAllConnections();
      silent.close();
    });

    for (const bare of [false, true])
      it(`secrets that Daraja does not know${bare ? ", which it says without a word," : ""} fail a top-up at once, and are named`, async () => {
        const answers = createServer((_request, response) => response.writeHead(400).end()).listen(
          0,
          "127.0.0.1",
        );
        await once(answers, "listening");
        const url = bare ? `http://127.0.0.1:${(answers.address() as AddressInfo).port}` : here.standIn.url;
        const settings = {
          ...{ consumerKey: "key", consumerSecret: "wrong", shortcode, passkey: "pass" },
          initiator: null,
          url,
        };
        const client = new Daraja({ ...here.parts, secrets: here.secrets, settings });
        here.restart({ ready: () => client.ready() });
        const id = await here.ask(wanjiru);
        answers.close();
        const { status, failure_reason } = await here.view(wanjiru, id);
        assert.equal(status, "failed");
        assert.match(failure_reason, /does not let us ask/);
        const told = here.said.filter(({ message }) => message.includes("DARAJA_CONSUMER_SECRET"));
        assert.deepEqual(
          told.map(({ level }) => level),
          ["error"],
        );
      });

    it("wrong secrets are no reason to ask again and again", async () => {
      const settings = {
        consumerKey: "key",
        consumerSecret: "wrong",
        shortcode,
        passkey: "pass",
        initiator: null,
        url: here.standIn.url,
      };
      const client = new Daraja({ ...here.parts, secrets: here.secrets, settings });
      await assert.rejects(
        client.ready(),
        (error) =>
          error instanceof DarajaError && error.fault === "wrong_secrets" && error.code === "400.008.01",
      );
      assert.deepEqual([here.book.tokensAsked, here.book.tokensIssued], [1, 0]);
    });
  });

  it("what may be asked again is asked three times at most, with pauses between", async () => {
    const client = here.daraja();
    here.book.spoilt.push("html", "spike");
    assert.deepEqual(await client.pull(0, here.clock.nowMs(), 0), []);
    here.book.spoilt.push("drop", "html", "drop", "drop");
    await assert.rejects(client.pull(0, here.clock.nowMs(), 0), DarajaError);
    assert.equal(here.book.spoilt.length, 1);
  });

  it("a Daraja that takes the connection and never answers is given up after 20 s", async () => {
    const silent: Server = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const settings = {
      consumerKey: "key",
      consumerSecret: "secret",
      shortcode,
      passkey: "pass",
      initiator: null,
      url,
    };
    const asked = new Daraja({ ...here.parts, secrets: here.secrets, settings }).query("ws_CO_1");
    const failed = assert.rejects(
      asked,
      (error) => error instanceof DarajaError && error.fault === "no_answer",
    );
    for (let tries = 0; tries < 3; tries++) {
      await once(silent, "request");
      here.clock.advance(20_001);
    }
    await failed;
    silent.closeAllConnections();
    silent.close();
  });

  it("at a stop nothing is waited for any more, and what was asked has no answer", async () => {
    const silent: Server = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const settings = { consumerKey: "key", consumerSecret: "secret", shortcode, passkey: "pass" };
    const client = new Daraja({
      ...here.parts,
      secrets: here.secrets,
      settings: { ...settings, initiator: null, url },
    });
    const failed = assert.rejects(
      client.pull(0, 1, 0),
      (error) => error instanceof DarajaError && error.fault === "no_answer",
    );
    await once(silent, "request");
    client.stop();
    await failed;
    silent.closeAllConnections();
    silent.close();
  });

  it("an operator's assignment carries nothing of another workspace's top-up", async () => {
    const otieno = await here.api.workspace({ balanceMinor: 0, name: "Otieno", number: "+254200000790" });
    await here.api.ask("POST", "/v1/webhooks", {
      key: otieno.key,
      body: { url: "http://93.184.216.34/hook", events: ["wallet.top_up"] },
    });
    here.behave(wanjirusPhone, { amountOff: 1 });
    const id = await here.ask(wanjiru);
    await here.pass(1000);
    await here.run();
    const [held] = await here.payments();
    assert.equal(held?.topupId, id);
    await here.store.write((tx) => new Payments(here.parts).assign(tx, held.id, otieno.id));
    assert.equal(await here.balance(otieno.id), 50_100);
    const told = await here.store.read((tx) =>
      tx.all<{ body: string }>("SELECT body FROM deliveries WHERE workspace_id = ?", [otieno.id]),
    );
    assert.deepEqual(
      told.map(({ body }) => (JSON.parse(body) as { data: { topup_id: unknown } }).data.topup_id),
      [null],
    );
    assert.ok(!JSON.stringify(told).includes(id));
    assert.equal((await here.payments())[0]?.topupId, null);
    await here.books();
  });

  it("registered addresses have none of the words that Daraja forbids, and are refused where they have", async () => {
    assert.match(here.urls.confirmation, new RegExp(`/callbacks/${token}/c2b/confirmation$`));
    for (const url of [here.urls.confirmation, here.urls.validation, here.urls.ofPush("ab")])
      assert.doesNotMatch(url, /mpesa|safaricom|exe|cmd|sql|query/i);
    const answer = await here
      .daraja()
      .registerUrls({ confirmation: here.urls.confirmation, validation: here.urls.validation });
    assert.equal(answer["OriginatorCoversationID"], "sim-1");
    await assert.rejects(
      here
        .daraja()
        .registerUrls({ confirmation: `${here.urls.confirmation}/mpesa`, validation: here.urls.validation }),
      (error) => error instanceof DarajaError && error.code === "400.002.02",
    );
  });
});
