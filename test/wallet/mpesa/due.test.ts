import { strict as assert } from "node:assert";
import { unreadableNotices } from "../../../engine/store/mpesa.ts";
import type { ReadTx, Store } from "../../../engine/store/store.ts";
import { awaitsRecord, overdueTopUps, unansweredTopUps } from "../../../engine/store/topups.ts";
import { databaseKind, openTestStore } from "../../store/test-database.ts";

/** What is looked for each second finds what is due without a look at what no longer is. */
describe(`M-Pesa's looks, on ${databaseKind}`, () => {
  let store: Store;
  before(async () => (store = await openTestStore()));
  after(() => store.close());

  const looks: [what: string, index: string, look: (tx: ReadTx) => Promise<unknown>][] = [
    ["top-ups that are overdue", "topups_overdue", (tx) => overdueTopUps(tx, 1, 100)],
    ["top-ups that may have been paid", "topups_overdue", (tx) => awaitsRecord(tx)],
    ["pushes that were not answered", "topups_unanswered", (tx) => unansweredTopUps(tx, 1, 16)],
    ["what could not be read", "mpesa_notices_unreadable", (tx) => unreadableNotices(tx, 100)],
  ];
  for (const [what, index, look] of looks)
    it(`${what} are found by ${index}`, async () => {
      assert.match(await planOf(look), new RegExp(`(USING|using|on) (COVERING )?(INDEX )?${index}\\b`));
    });

  async function planOf(look: (tx: ReadTx) => Promise<unknown>): Promise<string> {
    let plan: object[] = [];
    await store.write(async (tx) => {
      // So few rows that PostgreSQL would rather read them all.
      if (databaseKind === "postgres") await tx.run("SET LOCAL enable_seqscan = off");
      const explain = databaseKind === "postgres" ? "EXPLAIN" : "EXPLAIN QUERY PLAN";
      const explained = async <Row>(sql: string, params = [] as Parameters<ReadTx["all"]>[1]) => {
        plan = await tx.all<object>(`${explain} ${sql}`, params);
        return [] as Row[];
      };
      await look({ all: explained, get: async (sql, params) => (await explained(sql, params), undefined) });
    });
    return JSON.stringify(plan);
  }
});
