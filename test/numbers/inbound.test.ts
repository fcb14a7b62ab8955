import assert from "node:assert/strict";
import { takeInCall } from "../../engine/calls/inbound.ts";
import type { NumberId } from "../../engine/ids.ts";
import { blockNumber } from "../../engine/numbers/block.ts";
import { releaseNumber } from "../../engine/numbers/claims.ts";
import { updateSuspended } from "../../engine/store/numbers.ts";
import type { Store, Tx } from "../../engine/store/store.ts";
import { customer, numbersStore, type Customer } from "./world.ts";

type Change = (tx: Tx, wanjiru: Customer, id: NumberId, e164: string) => Promise<unknown>;

/** What another transaction commits while a caller waits for the workspace's row. */
const meanwhile: [what: string, why: string, change: Change][] = [
  [
    "suspended",
    "suspended_number",
    (tx, _wanjiru, id) => updateSuspended(tx, id, { suspendedAtMs: 1, releaseAtMs: 2, dueAtMs: 2 }),
  ],
  [
    "taken out of service by the operator",
    "suspended_number",
    (tx, { parts }, _id, e164) => blockNumber(tx, parts, e164, true),
  ],
  [
    "released",
    "unknown_number",
    (tx, { parts, workspaceId }, id) => releaseNumber(tx, parts, workspaceId, id, "requested"),
  ],
  [
    "frozen with its workspace",
    "workspace_frozen",
    (tx, { workspaceId }) => tx.run("UPDATE workspaces SET frozen_at_ms = 1 WHERE id = ?", [workspaceId]),
  ],
];

describe("numbers: a call that comes in", () => {
  let store: Store;
  before(async () => {
    store = await numbersStore();
  });
  after(() => store.close());

  for (const [index, [what, why, change]] of meanwhile.entries())
    it(`to a number that is ${what} just then is refused`, async () => {
      const wanjiru = await customer(store, "2027-03-10T09:00:00Z", 500);
      const e164 = `+25420700000${index}`;
      const id = await wanjiru.claim(e164);
      const { clock, ids, outbox } = wanjiru.parts;
      const taken = await store.write((tx) => {
        let changed = false;
        /** Has it done before the workspace's row is had, as if that had been waited for. */
        const waiting: Tx = {
          ...tx,
          get: async <Row>(sql: string, params: Parameters<Tx["get"]>[1]) => {
            if (!changed && sql.startsWith("SELECT * FROM workspaces WHERE id = ? FOR NO KEY UPDATE")) {
              changed = true;
              await change(tx, wanjiru, id, e164);
            }
            return tx.get<Row>(sql, params);
          },
        };
        const arrival = {
          box: "box",
          uuid: ids.next("leg"),
          from: "+254712345678",
          to: e164,
          createdAtUs: 1,
          relay: null,
        };
        const named = { call: ids.next("call"), leg: ids.next("leg") };
        return takeInCall(
          waiting,
          { clock, ids, outbox, ticketed: () => false, drains: { isDraining: () => false } } as never,
          arrival as Parameters<typeof takeInCall>[2],
          named,
          {} as never,
        );
      });
      assert.deepEqual([taken.kind, taken.kind === "refused" && taken.why], ["refused", why]);
    });
});
