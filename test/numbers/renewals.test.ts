import assert from "node:assert/strict";
import { dayMs } from "../../engine/clock.ts";
import { isError } from "../../engine/errors.ts";
import type { NumberId } from "../../engine/ids.ts";
import { blockNumber } from "../../engine/numbers/block.ts";
import { routeNumber, rotateSigningSecret } from "../../engine/numbers/numbers.ts";
import { localDay } from "../../engine/east-africa-time.ts";
import { activeNumberOf } from "../../engine/store/numbers.ts";
import type { Store } from "../../engine/store/store.ts";
import { assertBooks, customer, numbersStore, type Customer } from "./world.ts";

describe("numbers: a year of rent", () => {
  let store: Store;
  let numbers = 0;
  const another = () => `+25420700${String(++numbers).padStart(4, "0")}`;
  before(async () => {
    store = await numbersStore();
  });
  after(() => store.close());
  afterEach(() => assertBooks(store));

  /** Looks every hour, as if nobody had been called in between. */
  async function hours(wanjiru: Customer, count: number): Promise<void> {
    for (let hour = 0; hour < count; hour++) {
      wanjiru.clock.advanceTo(wanjiru.clock.nowMs() + 3_600_000);
      await wanjiru.look();
    }
  }
  const days = async (wanjiru: Customer, count: number) => {
    for (let day = 0; day < count; day++) {
      wanjiru.clock.advanceTo(wanjiru.clock.nowMs() + dayMs);
      await wanjiru.look();
    }
  };
  const kinds = async (wanjiru: Customer) => (await wanjiru.events()).map(({ kind }) => kind);

  it("is KES 116.00 a month on the day of the claim: 100.00 and 16 % VAT, each month once", async () => {
    const wanjiru = await customer(store, "2027-01-31T09:00:00Z", 12 * 116 + 50);
    const id = await wanjiru.claim(another());
    await days(wanjiru, 364);

    const rentals = await wanjiru.rentals();
    assert.deepEqual(
      rentals.map(({ beginsAtMs }) => localDay(beginsAtMs)),
      [
        ...["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"],
        ...["2027-07-31", "2027-08-31", "2027-09-30", "2027-10-31", "2027-11-30", "2027-12-31"],
      ],
    );
    assert.equal(await wanjiru.balanceKes(), 50);
    assert.deepEqual(
      [(await wanjiru.number(id)).status, (await wanjiru.number(id)).paidMonths],
      ["active", 12],
    );
    const postings = await store.read((tx) =>
      tx.all<{ kind: string; amountMinor: number }>(
        `SELECT a.kind, e.amount_minor FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
         JOIN ledger_transactions t ON t.id = e.transaction_id WHERE t.reference = ? ORDER BY a.kind`,
        [`${id} month 7`],
      ),
    );
    assert.deepEqual(
      postings.map(({ kind, amountMinor }) => [kind, amountMinor]),
      [
        ["revenue_rental", 10_000],
        ["vat", 1_600],
        ["wallet", -11_600],
      ],
    );
  });

  it("unpaid, suspends the number, and 7 days later releases it for good; the owners are mailed once", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 116 + 115);
    const e164 = another();
    const id = await wanjiru.claim(e164);
    await days(wanjiru, 30);
    await hours(wanjiru, 23);
    assert.equal((await wanjiru.number(id)).status, "active");
    await hours(wanjiru, 1);

    const suspended = await wanjiru.number(id);
    assert.equal(suspended.status, "suspended");
    assert.equal(await store.read((tx) => activeNumberOf(tx, wanjiru.workspaceId, e164)), undefined);
    const [, told] = await wanjiru.events();
    assert.deepEqual(told, {
      ...told!,
      kind: "number.suspended",
      data: {
        ...{ number_id: id, number: e164, reason: "unpaid", owed_minor: 11_600 },
        ...{ suspended_at: "2027-04-10T09:00:00Z", release_at: "2027-04-17T09:00:00Z" },
      },
    });
    await days(wanjiru, 6);
    await hours(wanjiru, 23);
    assert.equal((await wanjiru.number(id)).status, "suspended");
    await hours(wanjiru, 1);
    const released = await wanjiru.number(id);
    assert.deepEqual([released.status, released.releaseReason], ["released", "unpaid"]);
    // Money that comes too late does not bring it back.
    await wanjiru.topUp(1000);
    await days(wanjiru, 40);
    assert.equal((await wanjiru.number(id)).status, "released");
    assert.deepEqual(await kinds(wanjiru), ["number.provisioned", "number.suspended", "number.released"]);
    const mails = await wanjiru.mails();
    assert.deepEqual(
      mails.map(({ recipient }) => recipient),
      ["wanjiru@shop.example"],
    );
    assert.match(mails[0]!.subject, /is suspended/);
    assert.match(mails[0]!.body, /KES 116\.00.*On 2027-04-17/s);
    assert.equal(await wanjiru.balanceKes(), 115 + 1000);
  });

  it("unpaid, is tried again daily, and at each top-up: enough money brings the number back the same moment", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 116);
    const id = await wanjiru.claim(another());
    await days(wanjiru, 31);
    const dueAt = async () => (await wanjiru.number(id)).dueAtMs;
    const first = await dueAt();
    assert.equal(first, wanjiru.clock.nowMs() + dayMs, "tomorrow");
    await days(wanjiru, 1);
    assert.equal(await dueAt(), first + dayMs, "and the day after");
    await wanjiru.topUp(115.99);
    assert.equal(await dueAt(), 0, "at once");
    await wanjiru.look();
    assert.equal((await wanjiru.number(id)).status, "suspended", "a cent is missing");
    await wanjiru.topUp(0.01);
    await wanjiru.look();

    const resumed = await wanjiru.number(id);
    assert.deepEqual([resumed.status, resumed.releaseAtMs], ["active", null]);
    // The day stays that of the claim.
    assert.equal(localDay(resumed.paidUntilMs!), "2027-05-10");
    assert.equal(await wanjiru.balanceKes(), 0);
    assert.deepEqual(await kinds(wanjiru), ["number.provisioned", "number.suspended", "number.resumed"]);
  });

  it("is not charged once it is to be released, whoever looks late and whatever money came since", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 116);
    const id = await wanjiru.claim(another());
    await days(wanjiru, 31);
    const { releaseAtMs } = await wanjiru.number(id);
    // Nobody looks for eight days, and the money comes a second after the seventh.
    wanjiru.clock.advanceTo(releaseAtMs! + 1000);
    await wanjiru.topUp(500);
    wanjiru.clock.advanceTo(releaseAtMs! + dayMs);
    await wanjiru.look();
    const { status, releaseReason, paidMonths } = await wanjiru.number(id);
    assert.deepEqual([status, releaseReason, paidMonths], ["released", "unpaid", 1]);
    assert.equal(await wanjiru.balanceKes(), 500);
    assert.deepEqual(await kinds(wanjiru), ["number.provisioned", "number.suspended", "number.released"]);
  });

  it("is paid with money that came within the seven days, though somebody looks only after them", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 116);
    const id = await wanjiru.claim(another());
    await days(wanjiru, 31);
    const { releaseAtMs } = await wanjiru.number(id);
    wanjiru.clock.advanceTo(releaseAtMs! - 1000);
    await wanjiru.topUp(116);
    wanjiru.clock.advanceTo(releaseAtMs! + dayMs);
    await wanjiru.look();
    assert.equal((await wanjiru.number(id)).status, "active");
    assert.equal(await wanjiru.balanceKes(), 0);
  });

  it("is paid for months in which nobody looked, each by its own date, as far as the money goes", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 116 * 3 + 10);
    const id = await wanjiru.claim(another());
    await store.write((tx) =>
      tx.run("INSERT INTO prices (name, amount, effective_at_ms) VALUES ('vat_basis_points', 1800, ?)", [
        Date.parse("2031-04-15T00:00:00Z"),
      ]),
    );
    await days(wanjiru, 0);
    wanjiru.clock.advanceTo(Date.parse("2027-07-01T00:00:00Z"));
    await wanjiru.look();
    assert.deepEqual(
      (await wanjiru.rentals()).map(({ endsAtMs }) => localDay(endsAtMs)),
      ["2027-04-10", "2027-05-10", "2027-06-10"],
    );
    const unpaid = await wanjiru.number(id);
    assert.equal(unpaid.status, "suspended");
    // They have seven days from when they could have known.
    assert.equal(unpaid.releaseAtMs, wanjiru.clock.nowMs() + 7 * dayMs);
  });

  it("changes with the prices table, by the day on which a month begins", async () => {
    const wanjiru = await customer(store, "2031-03-20T09:00:00Z", 116 + 118);
    await wanjiru.claim(another());
    await days(wanjiru, 31);
    assert.equal((await wanjiru.rentals()).length, 2);
    assert.equal(await wanjiru.balanceKes(), 0);
  });

  it("does not touch money that running calls have used up", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 116 + 116);
    const id = await wanjiru.claim(another());
    wanjiru.clock.advanceTo(Date.parse("2027-04-10T09:00:00Z"));
    const nowUs = wanjiru.clock.nowUs();
    await store.write(async (tx) => {
      const callId = wanjiru.ids.next("call");
      await tx.run(
        `INSERT INTO calls (id, workspace_id, direction, from_e164, to_e164, status, options, created_at_ms, updated_at_ms)
         VALUES (?, ?, 'outbound', '+254200000001', '+254712345678', 'answered', '{}', 0, 0)`,
        [callId, wanjiru.workspaceId],
      );
      await tx.run(
        `INSERT INTO legs (id, call_id, workspace_id, position, kind, direction, from_e164, to_e164, status, box,
           rate_micro_kes_per_minute, max_duration_seconds, cut_after_seconds, created_at_ms, answered_at_us)
         VALUES (?, ?, ?, 0, 'pstn', 'outbound', '+254200000001', '+254712345678', 'answered', 'box', 3000000, 14400,
           14400, 0, ?)`,
        [wanjiru.ids.next("leg"), callId, wanjiru.workspaceId, nowUs - 60_000_000],
      );
    });
    await wanjiru.look();
    assert.equal((await wanjiru.number(id)).status, "suspended");
    await store.write(async (tx) => {
      await tx.run("DELETE FROM legs WHERE workspace_id = ?", [wanjiru.workspaceId]);
      await tx.run("DELETE FROM calls WHERE workspace_id = ?", [wanjiru.workspaceId]);
    });
  });

  it("an operator's suspension is apart from it: paying does not end it, and it costs rent meanwhile", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 116);
    const e164 = another();
    const id = await wanjiru.claim(e164);
    const block = (blocked: boolean) => store.write((tx) => blockNumber(tx, wanjiru.parts, e164, blocked));
    const inService = async () =>
      (await store.read((tx) => activeNumberOf(tx, wanjiru.workspaceId, e164))) !== undefined;
    await block(true);
    await block(true);
    assert.equal(await inService(), false);
    await days(wanjiru, 31);
    assert.equal((await wanjiru.number(id)).status, "suspended");
    await wanjiru.topUp(200);
    await wanjiru.look();
    assert.equal((await wanjiru.number(id)).status, "active");
    assert.equal(await inService(), false, "the operator has not resumed it");
    await block(false);
    assert.equal(await inService(), true);
    const events = await wanjiru.events();
    assert.deepEqual(
      events.map(({ kind, data }) => [kind, data["reason"]]),
      [
        ["number.provisioned", undefined],
        ["number.suspended", "operator"],
        ["number.suspended", "unpaid"],
        ["number.resumed", undefined],
      ],
    );
    assert.equal(await store.write((tx) => blockNumber(tx, wanjiru.parts, "+254200000099", true)), null);
  });

  it("ends with the release; the month that was paid is not given back", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 500);
    const id = await wanjiru.claim(another());
    await wanjiru.release(id);
    assert.equal(await wanjiru.release(id), null, "once");
    await days(wanjiru, 70);
    assert.equal(await wanjiru.balanceKes(), 384);
    assert.deepEqual(await kinds(wanjiru), ["number.provisioned", "number.released"]);
  });

  it("a released number rests for 30 days; then it is another's, with nothing of the first one's", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 500);
    const e164 = another();
    const id = await wanjiru.claim(e164);
    const hersOnly = {
      ...{
        voiceCallbackUrl: "https://wanjiru.example/voice",
        voiceFallbackUrl: "https://wanjiru.example/else",
      },
      ...{ eventsUrl: "https://wanjiru.example/events", record: true },
    };
    await store.write((tx) => routeNumber(tx, wanjiru.workspaceId, id, hersOnly));
    await store.write((tx) => rotateSigningSecret(tx, wanjiru.parts, wanjiru.workspaceId, id));
    await store.write((tx) => blockNumber(tx, wanjiru.parts, e164, true));
    await wanjiru.release(id);
    const otieno = await customer(store, "2027-04-09T08:59:59Z", 500);
    await assert.rejects(otieno.claim(e164), (error) => isError(error, "numbers.resting"));
    otieno.clock.advanceTo(otieno.clock.nowMs() + 1000);
    const his = await otieno.number(await otieno.claim(e164));
    const hers = await wanjiru.number(id);
    assert.equal(his.e164, hers.e164);
    assert.notEqual(his.id, hers.id);
    assert.notEqual(his.voiceSigningSecret, hers.voiceSigningSecret);
    assert.deepEqual(
      [hers.voiceCallbackUrl, hers.voiceFallbackUrl, hers.eventsUrl, hers.record],
      [...Object.values(hersOnly).slice(0, 3), 1],
      "hers stay on her row",
    );
    assert.deepEqual(
      [his.voiceCallbackUrl, his.voiceFallbackUrl, his.eventsUrl, his.record],
      [null, null, null, 0],
    );
    assert.deepEqual([his.previousSigningSecret, his.blockedAtMs, his.paidMonths], [null, null, 1]);
    assert.ok(await store.read((tx) => activeNumberOf(tx, otieno.workspaceId, e164)), "it can be called");
    wanjiru.clock.advanceTo(otieno.clock.nowMs());
    await assert.rejects(wanjiru.claim(e164), (error) => isError(error, "numbers.already_claimed"));
    assert.equal(await wanjiru.balanceKes(), 384);
  });

  it("two controllers at once look at each month once", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 116 * 4);
    const ids: NumberId[] = [];
    for (let count = 0; count < 2; count++) ids.push(await wanjiru.claim(another()));
    wanjiru.clock.advanceTo(Date.parse("2027-04-10T09:00:00Z"));
    await Promise.all(Array.from({ length: 4 }, () => wanjiru.look()));
    assert.equal((await wanjiru.rentals()).length, 4);
    assert.equal(await wanjiru.balanceKes(), 0);
  });

  it("one number that cannot be looked at keeps no other from its month, nor its workspace's", async () => {
    const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 116 * 4);
    const broken = await wanjiru.claim(another());
    await wanjiru.claim(another());
    wanjiru.clock.advanceTo(Date.parse("2027-04-10T09:00:00Z"));
    // Its second month was posted by a hand in the database.
    const { ledger } = wanjiru.parts;
    const { transactionId } = await store.write((tx) =>
      ledger.post(tx, {
        ...{ reference: `${broken} month 2`, kind: "credit", description: "", createdAtMs: 0 },
        workspaceId: wanjiru.workspaceId,
        entries: [
          { account: { kind: "wallet", workspaceId: wanjiru.workspaceId }, amountMinor: 1 },
          { account: { kind: "adjustments" }, amountMinor: -1 },
        ],
      }),
    );
    assert.ok(transactionId);
    await wanjiru.look();
    assert.equal((await wanjiru.rentals()).length, 3);
  });
});

describe("numbers: a crash between any two steps", function () {
  this.timeout(60_000);
  let store: Store;
  before(async () => {
    store = await numbersStore("+254 20 700 0000-0299");
  });
  after(() => store.close());

  /** Four months of one number: paid, late, paid again, never again. What came of it, without ids. */
  async function story(e164: string, crash: { at: number; when: "before" | "after" } | null) {
    const wanjiru = await customer(store, "2027-03-31T09:00:00Z", 116 * 2 + 5);
    const id = await wanjiru.claim(e164);
    let writes = 0;
    const crashing: Store = {
      ...{ read: (work) => store.read(work), close: () => store.close() },
      async write(work) {
        const mine = ++writes === crash?.at;
        if (mine && crash.when === "before") throw new Error("crashed before the commit");
        const result = await store.write(work);
        if (mine) throw new Error("crashed after the commit");
        return result;
      },
    };
    const until = async (day: string) => {
      const endMs = Date.parse(`${day}T09:00:00Z`);
      while (wanjiru.clock.nowMs() < endMs) {
        wanjiru.clock.advanceTo(wanjiru.clock.nowMs() + dayMs);
        await wanjiru.look(crashing);
        // Whoever comes back looks at once.
        await wanjiru.look(crashing);
      }
    };
    await until("2027-06-02");
    await wanjiru.topUp(111);
    await until("2027-07-31");
    const { status, paidMonths, releaseReason, releasedAtMs } = await wanjiru.number(id);
    return {
      writes,
      outcome: {
        ...{ status, paidMonths, releaseReason, releasedAtMs },
        balanceKes: await wanjiru.balanceKes(),
        rentals: await wanjiru.rentals(),
        events: (await wanjiru.events()).map(({ kind, data }) => ({
          kind,
          at: data["suspended_at"] ?? data["resumed_at"] ?? data["released_at"],
        })),
        mails: (await wanjiru.mails()).map(({ subject }) => subject.replace(e164, "")),
      },
    };
  }

  it("repeats nothing and leaves nothing out", async () => {
    let numbers = 0;
    const another = () => `+25420700${String(numbers++).padStart(4, "0")}`;
    const undisturbed = await story(another(), null);
    assert.deepEqual(
      undisturbed.outcome.events.map(({ kind }) => kind),
      [
        ...["number.provisioned", "number.suspended", "number.resumed", "number.suspended"],
        "number.released",
      ],
    );
    assert.equal(undisturbed.outcome.paidMonths, 3);
    assert.ok(undisturbed.writes > 10, `${undisturbed.writes} steps`);
    for (let at = 1; at <= undisturbed.writes; at++)
      for (const when of ["before", "after"] as const) {
        const { outcome } = await story(another(), { at, when });
        assert.deepEqual(outcome, undisturbed.outcome, `${when} step ${at}`);
      }
    await assertBooks(store);
  });
});
