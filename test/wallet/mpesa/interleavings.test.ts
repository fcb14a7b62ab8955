import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { TopUpId, WorkspaceId } from "../../../engine/ids.ts";
import type { Behaviour } from "../../../engine/simulator/daraja/behaviours.ts";
import type { Store } from "../../../engine/store/store.ts";
import { Mpesa } from "../../../engine/wallet/mpesa/mpesa.ts";
import { accountOf, mpesaWorld, phones, type MpesaWorld } from "./world.ts";

/** So many runs at least, however slow the machine; more, up to so many, while there is time. */
const runsMin = 40;
const runsMax = 100;
const limitMs = 45_000;
/** A machine that does not come to the least within this has something wrong with it. */
const failedMs = 300_000;

const behaviours = fc.record({
  push: fc.constantFrom<Behaviour["push"]>(
    "accept",
    "accept",
    "accept",
    "no_answer",
    "html_but_asked",
    "lost",
    "html",
  ),
  result: fc.constantFrom("0", "0", "0", "1032", "1037", "1019"),
  afterMs: fc.constantFrom(0, 1000, 50_000),
  callbacks: fc.constantFrom(0, 1, 2, 3),
  confirmation: fc.constantFrom<Behaviour["confirmation"]>("before", "after", "none"),
  amountOff: fc.constantFrom(0, 0, 0, 1),
  query: fc.constantFrom<Behaviour["query"]>("true", "true", "contradicts", "open"),
  revokesToken: fc.boolean(),
});

const plan = fc.record({
  pushes: fc.array(fc.record({ kes: fc.constantFrom(100, 200), who: fc.nat(1), behaviour: behaviours }), {
    minLength: 1,
    maxLength: 4,
  }),
  byHand: fc.array(
    fc.record({
      kes: fc.constantFrom("100.00", "200.00"),
      account: fc.constantFrom("first", "second", "nobody", "prompt"),
    }),
    { maxLength: 3 },
  ),
  steps: fc.array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant("advance" as const),
          ms: fc.constantFrom(1000, 40_000, 180_000, 4_200_000),
        }),
      },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("deliver" as const), which: fc.nat(30) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("byHand" as const), which: fc.nat(2) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("crash" as const), afterWrites: fc.nat(6) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant("spoil" as const),
          kind: fc.constantFrom("html" as const, "spike" as const, "drop" as const, "stale_token" as const),
        }),
      },
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constantFrom(
            "notices" as const,
            "push" as const,
            "dieSending" as const,
            "queries" as const,
            "list" as const,
            "together" as const,
          ),
        }),
      },
    ),
    { minLength: 5, maxLength: 30 },
  ),
});
type Plan = typeof plan extends fc.Arbitrary<infer P> ? P : never;

describe("M-Pesa, whatever comes in whatever order", function () {
  this.timeout(failedMs + 30_000);
  let here: MpesaWorld;
  let nextPhone: () => string;
  let count = 0;
  before(async () => {
    here = await mpesaWorld({ verifyAboveMinor: 15_000 });
    await here.registerUrls();
    here.book.holds = true;
    nextPhone = phones(here.ids);
  });
  after(() => here.end());

  it("each receipt is credited once, to whom it belongs, and no phone rings twice", async () => {
    const startedMs = performance.now();
    const property = fc.asyncProperty(plan, (chosen) => play(chosen));
    await fc.assert(property, {
      ...{ numRuns: runsMin, interruptAfterTimeLimit: failedMs, markInterruptAsFailure: true },
      endOnFailure: true,
    });
    const leftMs = limitMs - (performance.now() - startedMs);
    if (leftMs <= 0) return;
    await fc.assert(property, {
      ...{ numRuns: runsMax - runsMin, interruptAfterTimeLimit: leftMs, endOnFailure: true },
    });
  });

  async function play({ pushes, byHand, steps }: Plan): Promise<void> {
    const { book } = here;
    book.prompts.length = book.payments.length = book.deliveries.length = book.spoilt.length = 0;
    here.restart();
    const workspaces: Awaited<ReturnType<MpesaWorld["api"]["workspace"]>>[] = [];
    for (const name of ["first", "second"])
      workspaces.push(
        await here.api.workspace({ balanceMinor: 0, name, number: `+2542${String(10_000_000 + count++)}` }),
      );
    const accounts: Record<string, string> = { nobody: "NOBODY" };
    for (const [index, name] of ["first", "second"].entries())
      accounts[name] = await accountOf(here.store, workspaces[index]!.id);
    const asked: { id: TopUpId; who: WorkspaceId; kes: number; msisdn: string }[] = [];
    for (const { kes, who, behaviour } of pushes) {
      const phone = nextPhone();
      here.behave(phone, behaviour);
      const workspace = workspaces[who]!;
      const id = await here.ask(workspace, { kes, phone, send: false });
      asked.push({ id, who: workspace.id, kes, msisdn: phone.slice(1) });
    }
    const typed: { receipt: string; whose: WorkspaceId | "nobody" | "prompt" }[] = [];

    for (const step of steps) await take(step).catch(crashed);
    // Whatever was under way dies, and the next one has two hours.
    await here.mpesa.pushes.settled();
    book.spoilt.length = 0;
    here.restart();
    for (const ms of [0, 61_000, 60_000, 3_600_000, 601_000, 3_600_000]) {
      here.clock.advance(ms);
      await here.run();
    }
    await check();

    async function take(step: Plan["steps"][number]): Promise<void> {
      switch (step.do) {
        case "advance":
          return here.clock.advance(step.ms);
        case "deliver":
          if (book.deliveries.length > 0) await book.deliver(step.which % book.deliveries.length);
          return;
        case "byHand": {
          const one = byHand[step.which];
          if (!one) return;
          const account = one.account === "prompt" ? book.prompts[0]?.account : accounts[one.account];
          if (account === undefined) return;
          const paid = await book.payBill({ account, amount: one.kes, msisdn: "254733000001" });
          const index = ["first", "second"].indexOf(one.account);
          const whose = index >= 0 ? workspaces[index]!.id : one.account === "prompt" ? "prompt" : "nobody";
          typed.push({ receipt: paid!.receipt, whose });
          return;
        }
        case "crash":
          return workOn(dyingAfter(here.store, step.afterWrites));
        case "spoil":
          book.spoilt.push(step.kind);
          return;
        case "dieSending": {
          const client = here.daraja();
          here.restart({
            push: async (push) => {
              await client.push(push).catch(() => undefined);
              throw new Crash();
            },
          });
          await here.push();
          return here.restart();
        }
        case "notices":
          return here.mpesa.notices.look();
        case "push":
          return here.push();
        case "queries":
          return here.mpesa.queries.look();
        case "list":
          return here.mpesa.reconciliation.look();
        case "together": {
          const other = new Mpesa({ ...here.parts, daraja: here.daraja() });
          await Promise.all([
            here.mpesa.notices.look(),
            other.notices.look(),
            here.mpesa.queries.look(),
            other.queries.look(),
            here.push(),
            other.pushes.look(),
          ]);
          return other.pushes.settled();
        }
      }
    }

    /** A process that dies between two commits, at whichever comes first. */
    async function workOn(store: Store): Promise<void> {
      const dying = new Mpesa({ ...here.parts, store, daraja: here.daraja() });
      try {
        await dying.notices.look();
        await dying.pushes.look();
        await dying.pushes.settled();
        await dying.queries.look();
        await dying.reconciliation.look();
      } finally {
        await dying.pushes.settled();
        here.restart();
      }
    }

    async function check(): Promise<void> {
      await here.books();
      const rows = (await here.payments()).filter(({ receipt }) =>
        book.payments.some((one) => one.receipt === receipt),
      );
      assert.equal(rows.length, book.payments.length, "every payment is known, and none twice");
      for (const payment of book.payments) {
        const row = rows.find(({ receipt }) => receipt === payment.receipt)!;
        assert.equal(row.amountMinor, Math.round(Number(payment.amount) * 100));
        const one = asked.find(({ msisdn }) => msisdn === payment.msisdn);
        const whose = one?.who ?? typed.find(({ receipt }) => receipt === payment.receipt)?.whose;
        if (whose === "nobody") assert.equal(row.workspaceId, null);
        else if (whose === "prompt") assert.ok(row.workspaceId !== null || row.suspenseReason !== null);
        else if (!one || row.amountMinor === one.kes * 100) {
          // A second payment of a prompt that somebody typed by hand may have been taken for the prompt's own.
          const mixedUp = one && typed.some((other) => other.whose === "prompt");
          if (!mixedUp) assert.equal(row.workspaceId, whose, `${payment.receipt}: ${row.suspenseReason}`);
        } else assert.ok(row.workspaceId === null || row.workspaceId === whose);
      }
      for (const workspace of workspaces) {
        const theirs = rows.filter(({ workspaceId }) => workspaceId === workspace.id);
        assert.equal(
          await here.balance(workspace.id),
          theirs.reduce((sum, { amountMinor }) => sum + amountMinor, 0),
        );
      }
      for (const { id, kes, msisdn } of asked) {
        const prompts = book.prompts.filter((prompt) => prompt.msisdn === msisdn);
        assert.ok(prompts.length <= 1, `${id} rang ${prompts.length} times`);
        const paid = book.payments.find((payment) => payment.msisdn === msisdn);
        const { state } = await here.row(id);
        if (paid && Number(paid.amount) === kes && typed.length === 0) assert.equal(state, "succeeded");
        if (!paid && typed.length === 0) assert.notEqual(state, "succeeded");
      }
    }
  }
});

class Crash extends Error {}

function crashed(error: unknown): void {
  if (!(error instanceof Crash)) throw error;
}

function dyingAfter(store: Store, writes: number): Store {
  let left = writes;
  return {
    ...store,
    read: (work) => (left < 0 ? Promise.reject(new Crash()) : store.read(work)),
    write: (work) => (left-- <= 0 ? Promise.reject(new Crash()) : store.write(work)),
  };
}
