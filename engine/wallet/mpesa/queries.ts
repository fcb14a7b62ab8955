import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { Store, Tx } from "../../store/store.ts";
import { topUpToChange, topUpsToQuery, updateTopUp, type TopUpRow } from "../../store/topups.ts";
import { isStillOpen } from "./daraja-error.ts";
import type { Daraja } from "./daraja.ts";
import { endTopUp } from "./endings.ts";
import type { Payments } from "./payments.ts";
import { resultOf } from "./result-codes.ts";

export interface QueryParts {
  store: Store;
  clock: Clock;
  log: Log;
  daraja: Pick<Daraja, "query">;
  payments: Payments;
  /** One was paid, says the query, and no record of it has come. */
  paid: () => void;
}

/** Most prompts are answered, and told of by callback, before the first. */
export const firstQueryMs = 30_000;
/** Then growing, a day in all. */
const pausesSeconds = [15, 15, 30, 60, 120, 300, 600, 1800, ...Array<number>(23).fill(3600)];
const atOnce = 8;

/**
 * Asks how a prompt ended where no callback told, ever less often. Its answer names no receipt, so it credits nothing:
 * it says that money is to be looked for. And it never undoes a success, since it was seen to deny real ones.
 */
export class Queries {
  readonly #parts: QueryParts;

  constructor(parts: QueryParts) {
    this.#parts = parts;
  }

  async look(): Promise<void> {
    const { store, clock } = this.#parts;
    const due = await store.read((tx) => topUpsToQuery(tx, clock.nowMs(), atOnce));
    await Promise.all(due.map((topUp) => this.#ask(topUp)));
  }

  async #ask(topUp: TopUpRow): Promise<void> {
    const { store, clock, log, daraja } = this.#parts;
    // The next one is fixed before this is asked, so that no answer, however late, makes it come sooner.
    const taken = await store.write((tx) => this.#postpone(tx, topUp));
    if (!taken || topUp.checkoutRequestId === null) return;
    try {
      const { code, description } = await daraja.query(topUp.checkoutRequestId);
      await store.write((tx) => this.#answer(tx, topUp.id, code, description, clock.nowMs()));
    } catch (error) {
      if (isStillOpen(error)) return;
      log.warn({ err: error, topUp: topUp.id }, "Daraja did not say how a push ended; it is asked again");
    }
  }

  async #postpone(tx: Tx, seen: TopUpRow): Promise<boolean> {
    const now = await topUpToChange(tx, seen.id);
    if (!now || now.nextQueryAtMs !== seen.nextQueryAtMs || now.queries !== seen.queries) return false;
    const pause = pausesSeconds[now.queries];
    const nowMs = this.#parts.clock.nowMs();
    const nextQueryAtMs = pause === undefined ? null : nowMs + pause * 1000;
    await updateTopUp(tx, seen.id, { queries: now.queries + 1, nextQueryAtMs, updatedAtMs: now.updatedAtMs });
    return true;
  }

  async #answer(tx: Tx, id: TopUpRow["id"], code: string, description: string, nowMs: number): Promise<void> {
    const now = await topUpToChange(tx, id);
    if (!now || now.state === "succeeded") return;
    const result = resultOf(code, description);
    if (result) return endTopUp(tx, now, { code, result, nowMs, log: this.#parts.log });
    await updateTopUp(tx, id, {
      ...{ state: "pending", paidAtMs: now.paidAtMs ?? nowMs, resultCode: code, failureReason: null },
      ...{ nextQueryAtMs: null, openPhone: null, updatedAtMs: nowMs },
    });
    await this.#parts.payments.verified(tx, { ...now, paidAtMs: now.paidAtMs ?? nowMs });
    tx.afterCommit(this.#parts.paid);
  }
}
