import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import type { Store } from "../../../engine/store/store.ts";
import { Mpesa } from "../../../engine/wallet/mpesa/mpesa.ts";
import { Payments } from "../../../engine/wallet/mpesa/payments.ts";
import { databaseKind } from "../../store/test-database.ts";
import { mpesaWorld, wanjirusPhone, type MpesaWorld } from "./world.ts";

/** On SQLite transactions come one after another. */
if (databaseKind === "postgres") {
  describe("M-Pesa's transactions side by side", () => {
    let here: MpesaWorld;
    let wanjiru: Awaited<ReturnType<MpesaWorld["api"]["workspace"]>>;
    /** How often a transaction was begun, and how often one was asked for: a deadlock's victim is run again. */
    let begun: number;
    let asked: number;
    let store: Store;
    beforeEach(async () => {
      here = await mpesaWorld({ verifyAboveMinor: 40_000, pulls: false });
      wanjiru = await here.api.workspace({ balanceMinor: 0 });
      begun = asked = 0;
      store = {
        ...here.store,
        write(work) {
          asked++;
          return here.store.write((tx) => (begun++, work(tx)));
        },
      };
    });
    afterEach(() => here.end());

    /** Keeps a row from everybody for a second. */
    const keep = (table: string, id: string) =>
      here.store.write(async (tx) => {
        await tx.get(`SELECT id FROM ${table} WHERE id = ? FOR NO KEY UPDATE`, [id]);
        await tx.get("SELECT 1 AS one FROM pg_sleep(1)");
      });

    it("a record of a payment and its assignment by hand do not wait for each other in a circle", async () => {
      const id = await here.ask(wanjiru);
      await here.pass(1000);
      await here.mpesa.notices.look();
      const [held] = await here.payments();
      assert.deepEqual([held?.topupId, held?.suspenseReason], [id, "unverified"]);
      const payments = new Payments(here.parts);
      const kept = keep("mpesa_payments", held!.id);
      await sleep(200);
      const record = payments.taking(store, (tx) =>
        payments.take(tx, {
          ...{
            receipt: held!.receipt,
            amountMinor: held!.amountMinor,
            source: "status",
            billReference: null,
          },
          ...{ phone: null, paidAtMs: null, answers: null, toUs: true },
        }),
      );
      await sleep(200);
      const assigned = store.write((tx) => payments.assign(tx, held!.id, wanjiru.id));
      assert.deepEqual([await record, (await assigned).after], ["released", null]);
      await kept;
      assert.equal(await here.balance(wanjiru.id), 50_000);
      assert.deepEqual([asked, begun], [2, 2]);
      await here.books();
    });

    it("a top-up that is asked for while the phone's last one is credited does not, either", async () => {
      here.behave(wanjirusPhone, { push: "no_answer" });
      await here.ask(wanjiru, { kes: 300 });
      await here.pass(1000);
      const mpesa = new Mpesa({ ...here.parts, store, daraja: here.daraja() });
      const kept = keep("workspaces", wanjiru.id);
      await sleep(200);
      const another = store.write((tx) =>
        here.topUps.create(tx, wanjiru.id, { amountMinor: 50_000, phone: wanjirusPhone }),
      );
      const refused = another.then(
        () => "asked",
        () => "busy",
      );
      await sleep(200);
      await mpesa.notices.look();
      assert.ok(["asked", "busy"].includes(await refused));
      await kept;
      assert.equal(await here.balance(wanjiru.id), 30_000);
      assert.equal(begun, asked, "nobody was run again");
      await here.books();
    });
  });
}
