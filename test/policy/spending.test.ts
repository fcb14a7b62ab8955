import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { CallId } from "../../engine/ids.ts";
import { databaseKind } from "../store/test-database.ts";
import { december, hours, policyWorld, refused, type Owner, type PolicyWorld } from "./world.ts";

const otieno = "+254712345678";
const midnightMs = (day: number) => december(day, "00:00");

describe(`what calls may cost in a day, on ${databaseKind}`, function () {
  this.timeout(300_000);
  let w: PolicyWorld;
  let wanjiru: Owner;
  beforeEach(async () => {
    w = await policyWorld();
    wanjiru = await w.owner({ balanceMinor: 1_000_000 });
  });
  afterEach(() => w.close());

  const placed = async (to = otieno): Promise<CallId> => {
    const answer = await wanjiru.place(to);
    assert.equal(answer.status, 201, answer.text);
    return answer.body.id as CallId;
  };

  it("once settled calls come to the cap no new one starts until midnight in Nairobi, and running ones go on", async () => {
    await wanjiru.patch({ daily_spend_cap_minor: 600 });
    const runs = await placed();
    await w.talk(await placed(), 119);
    await w.talk(await placed(), 1);
    const answer = await wanjiru.place(otieno);
    assert.deepEqual(refused(answer), [429, "calls.spend_cap"]);
    assert.match(answer.body.message, /cost KES 6\.00 today, of at most KES 6\.00 a day/);
    const untilMs = Number(answer.headers.get("retry-after")) * 1000;
    const leftMs = midnightMs(2) - w.clock.nowMs();
    assert.equal(untilMs, leftMs);
    await w.answer(runs);
    assert.equal((await wanjiru.get(`/v1/calls/${runs}`)).call.status, "answered");
    w.goTo(midnightMs(2) - 1);
    assert.equal(refused(await wanjiru.place(otieno))[1], "calls.spend_cap");
    await w.end(runs, null);
    w.goTo(midnightMs(2));
    await placed();
  });

  it("what running calls have run up counts, by the second", async () => {
    await wanjiru.patch({ daily_spend_cap_minor: 300 });
    const runs = await placed();
    await w.answer(runs);
    w.later(50_000 - 1);
    await placed();
    w.later(10_000);
    assert.equal(refused(await wanjiru.place(otieno))[1], "calls.spend_cap");
  });

  it("top-ups, credits and rents are no calls", async () => {
    await wanjiru.patch({ daily_spend_cap_minor: 300 });
    await w.stock("+254 20 700 0000-0001");
    const claim = { key: wanjiru.key, body: { number: "+254207000000" } };
    assert.equal((await w.ask("POST", "/v1/numbers", claim)).status, 201);
    await w.told("credit", wanjiru.id, "500");
    await w.talk(await placed(), 59);
    await w.talk(await placed(), 1);
    assert.equal(refused(await wanjiru.place(otieno))[1], "calls.spend_cap");
  });

  it("of a workspace without money is told as that, and free of a cap as ever", async () => {
    const poor = await w.owner({ number: "+254200000002", balanceMinor: 0 });
    await poor.patch({ daily_spend_cap_minor: 0 });
    assert.deepEqual(refused(await poor.place(otieno)), [402, "wallet.insufficient_funds"]);
    await w.talk(await placed(), 3_600);
    await placed();
  });

  it("an owner may be stricter than the operator, never looser; the stricter of both counts, at once", async () => {
    const view = await w.told(
      "workspace",
      "limits",
      wanjiru.id,
      "--daily-spend-cap-kes",
      "5",
      "--highest-rate-kes",
      "24.99",
    );
    assert.deepEqual(
      [
        view["daily_spend_cap_max_minor"],
        view["highest_rate_per_minute_max_minor"],
        view["daily_spend_cap_minor"],
      ],
      [500, 2_499, null],
    );
    for (const [field, most] of [
      ["daily_spend_cap_minor", 500],
      ["highest_rate_per_minute_minor", 2_499],
    ] as const) {
      const above = await wanjiru.patch({ [field]: most + 1 });
      assert.deepEqual(refused(above), [400, "validation.invalid", field]);
      assert.equal((await wanjiru.patch({ [field]: most })).status, 200);
    }
    await wanjiru.patch({
      daily_spend_cap_minor: null,
      highest_rate_per_minute_minor: null,
      allowed_countries: ["KE", "UG"],
    });
    assert.equal(refused(await wanjiru.place("+256772123456"))[1], "calls.rate_too_high");
    await w.talk(await placed(), 100);
    assert.equal(refused(await wanjiru.place(otieno))[1], "calls.spend_cap");
    // Lower than what the owner had chosen: the operator's counts.
    await w.told("workspace", "limits", wanjiru.id, "--daily-spend-cap-kes", "none");
    await wanjiru.patch({ daily_spend_cap_minor: 100_000 });
    await placed();
    await w.told("workspace", "limits", wanjiru.id, "--daily-spend-cap-kes", "5.00");
    assert.equal(refused(await wanjiru.place(otieno))[1], "calls.spend_cap");
  });

  /**
   * The bound: a call is placed only while settled and accrued are below the cap. So a day's calls come to at most the cap less a
   * cent, and what those that were under way at its last placing, that one with them, have run up since.
   */
  it("no order of calls comes to more than the cap and what running calls may run up", async () => {
    await w.told("workspace", "limits", wanjiru.id, "--short-calls", "none");
    await credit(1_000_000);
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant({ kind: "place" as const, at: 0 }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("answer" as const), at: fc.nat(9) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("end" as const), at: fc.nat(9) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("wait" as const), at: fc.integer({ min: 1, max: 90 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("credit" as const), at: fc.integer({ min: 1, max: 900 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("night" as const), at: fc.integer({ min: 1, max: 20 }) }),
      },
    );
    let days = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 400 }),
        fc.array(step, { minLength: 10, maxLength: 30 }),
        async (cap, steps) => {
          // A day of its own, from the start.
          w.goTo(midnightMs(2) + (days += 40) * hours(24));
          await wanjiru.patch({ daily_spend_cap_minor: cap });
          const live: { id: CallId; answeredUs: number | null }[] = [];
          let day = dayNow();
          let settled = 0;
          /** At the last placing of the day: what was spent, and what each call under way had run up. */
          let last: { spent: number; ran: Map<CallId, number> } | null = null;
          const costs = new Map<CallId, number>();

          for (const { kind, at } of steps) {
            if (dayNow() !== day) {
              checkDay();
              [day, settled, last] = [dayNow(), 0, null];
            }
            const one = live[at % Math.max(live.length, 1)];
            if (kind === "place") await place();
            else if (kind === "wait") w.later(at * 1000);
            else if (kind === "credit") await credit(at);
            else if (kind === "night") w.later(hours(at));
            else if (one && kind === "answer" && one.answeredUs === null) {
              one.answeredUs = w.clock.nowUs();
              await w.answer(one.id);
            } else if (one && kind === "end") await end(one);
          }
          for (const one of [...live]) await end(one);
          checkDay();

          async function place(): Promise<void> {
            const before = settled + (await accrued());
            const answer = await wanjiru.place(otieno);
            const after = settled + (await accrued());
            if (answer.status === 201) {
              assert.ok(before < cap, `placed at ${before} of ${cap}`);
              live.push({ id: answer.body.id as CallId, answeredUs: null });
              last = { spent: before, ran: new Map() };
              for (const { id } of live)
                last.ran.set(id, (await wanjiru.get(`/v1/calls/${id}`)).call.cost_minor as number);
            } else {
              assert.equal(answer.body.error.code, "calls.spend_cap", answer.text);
              assert.ok(after >= cap, `refused at ${after} of ${cap}`);
            }
          }
          async function end(one: (typeof live)[number]): Promise<void> {
            live.splice(live.indexOf(one), 1);
            await w.end(one.id, one.answeredUs);
            const cost = (await wanjiru.get(`/v1/calls/${one.id}`)).call.cost_minor as number;
            costs.set(one.id, cost);
            settled += cost;
          }
          function checkDay(): void {
            if (last === null) return;
            let may = cap - 1;
            // What is not settled yet counts for another day.
            for (const [id, ran] of last.ran) may += (costs.get(id) ?? ran) - ran;
            // Two cents a call under way: the clock ran on between the looks.
            assert.ok(settled <= may + 2 * last.ran.size, `${settled} settled of ${may}`);
          }
        },
      ),
      { numRuns: 12, endOnFailure: true },
    );

    function dayNow(): number {
      return Math.floor((w.clock.nowMs() + hours(3)) / hours(24));
    }
    async function accrued(): Promise<number> {
      return (await wanjiru.get("/v1/wallet")).accrued_minor as number;
    }
    async function credit(shillings: number): Promise<void> {
      const given = { workspaceId: wanjiru.id, amountMinor: shillings * 100, reference: w.ids.next("txn") };
      await w.store.write((tx) =>
        w.wallet.credit(tx, { ...given, description: "More", kind: "credit", createdAtMs: w.clock.nowMs() }),
      );
    }
  });
});
