import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import { closeNotice, dueNotices, postponeNotice, statusRequest, type NoticeRow } from "../../store/mpesa.ts";
import type { Store, Tx } from "../../store/store.ts";
import { topUpByKeyToChange, updateTopUp } from "../../store/topups.ts";
import { endTopUp } from "./endings.ts";
import { readPaybillPayment, readStatus, readStkCallback, sketchOf, type StkResult } from "./notices.ts";
import type { Payments } from "./payments.ts";
import { resultOf } from "./result-codes.ts";

export interface NoticeParts {
  store: Store;
  clock: Clock;
  log: Log;
  payments: Payments;
  shortcode: string;
}

const atOnce = 50;
/** After a fault of ours; the next notice is not held up by it. */
const againMs = 30_000;

/** Works off what Safaricom told us, in the order in which it came, each in a transaction of its own. */
export class NoticeWork {
  readonly #parts: NoticeParts;

  constructor(parts: NoticeParts) {
    this.#parts = parts;
  }

  async look(): Promise<void> {
    const { store, clock, log, payments } = this.#parts;
    for (;;) {
      const due = await store.read((tx) => dueNotices(tx, clock.nowMs(), atOnce));
      for (const notice of due) {
        try {
          const outcome = await payments.taking(store, async (tx) => {
            const came = await this.#take(tx, notice);
            // Somebody else was faster: what was done here is the same, and is undone.
            if (!(await closeNotice(tx, notice.id, came))) throw new WorkedOff();
            return came;
          });
          if (outcome === "unreadable")
            log.error(
              { notice: notice.id, kind: notice.kind, ...sketchOf(notice.body) },
              "What M-Pesa told cannot be read, so no money was credited by it: see `sautikit mpesa unreadable`.",
            );
        } catch (error) {
          if (error instanceof WorkedOff) continue;
          log.error({ err: error, notice: notice.id }, "what M-Pesa told could not be worked off yet");
          const dueAtMs = clock.nowMs() + againMs * Math.min(notice.attempts + 1, 20);
          await store.write((tx) => postponeNotice(tx, notice.id, dueAtMs, "failed"));
        }
      }
      if (due.length < atOnce) return;
    }
  }

  async #take(tx: Tx, { kind, body, callbackKey }: NoticeRow): Promise<string> {
    if (kind === "stk") {
      const result = readStkCallback(body);
      return result && callbackKey !== null ? this.#takeStk(tx, result, callbackKey) : "unreadable";
    }
    const { payments, shortcode } = this.#parts;
    if (kind === "status") {
      const status = readStatus(body);
      const asked = callbackKey === null ? null : await statusRequest(tx, callbackKey);
      if (!status || status.receipt !== asked) return status ? "unknown request" : "nothing final";
      const { creditedTo, ...paid } = status;
      const toUs = creditedTo === shortcode;
      return payments.take(tx, { ...paid, source: "status", billReference: null, answers: null, toUs });
    }
    const read = readPaybillPayment(body);
    if (!read) return "unreadable";
    const { shortcode: paidTo, ...payment } = read;
    return payments.take(tx, { ...payment, source: "c2b", answers: null, toUs: paidTo === shortcode });
  }

  async #takeStk(tx: Tx, result: StkResult, callbackKey: string): Promise<string> {
    const { clock, log, payments } = this.#parts;
    const named = await topUpByKeyToChange(tx, callbackKey);
    // The key says which request; what Daraja called it must be the same, once that is known.
    const known = named && (named.checkoutRequestId ?? result.checkoutRequestId) === result.checkoutRequestId;
    const topUp = known && named.sentAtMs !== null ? named : null;
    const nowMs = clock.nowMs();
    if (topUp?.checkoutRequestId === null) {
      const { merchantRequestId, checkoutRequestId } = result;
      await updateTopUp(tx, topUp.id, { merchantRequestId, checkoutRequestId, updatedAtMs: nowMs });
      topUp.checkoutRequestId = checkoutRequestId;
    }
    if (result.paid) {
      const { paid } = result;
      const answers = { topUp };
      return payments.take(tx, {
        ...paid,
        source: "stk",
        billReference: topUp?.accountReference ?? null,
        answers,
        toUs: true,
      });
    }
    if (!topUp) return "unknown request";
    const ending = resultOf(result.code, result.description);
    // Zero without a receipt is unreadable, and has been said to be so.
    if (!ending) return "unreadable";
    await endTopUp(tx, topUp, { code: result.code, result: ending, nowMs, log });
    return ending.state;
  }
}

class WorkedOff extends Error {}
