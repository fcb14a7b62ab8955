import { dayMs, type Clock } from "../../clock.ts";
import { isError } from "../../errors.ts";
import type { Ids } from "../../ids.ts";
import type { Log } from "../../log.ts";
import {
  awaitsVerification,
  insertStatusRequest,
  paymentByReceipt,
  sweepNotices,
  unverifiedNotAsked,
} from "../../store/mpesa.ts";
import type { Store } from "../../store/store.ts";
import { awaitsRecord, overdueTopUps, topUpToChange, updateTopUp } from "../../store/topups.ts";
import type { CallbackUrls } from "./callback-urls.ts";
import type { Daraja } from "./daraja.ts";
import { readPulledRow, sketchOf } from "./notices.ts";
import type { Payments } from "./payments.ts";
import { pushFailures } from "./result-codes.ts";

export interface ReconciliationParts {
  store: Store;
  clock: Clock;
  log: Log;
  ids: Ids;
  daraja: Pick<Daraja, "pull" | "askStatus">;
  urls: Pick<CallbackUrls, "ofStatus">;
  payments: Payments;
  /** Whether Safaricom keeps the list of payments for this shortcode. */
  pulls: boolean;
}

/** As far back as the list goes, and a little less, since its clock is not ours. */
const reachMs = 48 * 3_600_000 - 60_000;
const recentMs = 2 * 3_600_000;
/** The whole list, and what is recent of it; sooner where somebody's money is known to be on its way. */
const wholeEveryMs = 3_600_000;
const recentEveryMs = 600_000;
const wantedEveryMs = 20_000;
/** After a pull that failed, doubled with each one more: Daraja counts how often it is asked. */
const failedPauseMsMin = 20_000;
const failedPauseMsMax = 600_000;
/** Safaricom stamps a payment by its own clock. */
const slackMs = 300_000;
const pagesMax = 200;
/** Of what could not be taken, so many are in the log. */
const badToldMax = 5;

/** Shown as expired once so old; its money is credited whenever it comes. */
const expiredAfterMs = 3_600_000;
const noticesKeptMs = 90 * dayMs;
const atOnce = 100;

/**
 * Compares what came with Safaricom's own list of payments, and credits what nobody told us of. Each look is idempotent
 * by receipt, so how much of the list is read twice does not matter.
 */
export class Reconciliation {
  readonly #parts: ReconciliationParts;
  /** Monotonic: how long ago something was asked for, no step of the host's clock tells otherwise. */
  #wholeAtMs = -Infinity;
  #recentAtMs = -Infinity;
  #failedAtMs = -Infinity;
  #failures = 0;

  constructor(parts: ReconciliationParts) {
    this.#parts = parts;
  }

  async look(): Promise<void> {
    await this.#expire();
    const { clock, store, pulls, log } = this.#parts;
    const nowMs = clock.nowMs();
    const atMs = clock.monotonicMs();
    const whole = atMs - this.#wholeAtMs >= wholeEveryMs;
    if (whole) await store.write((tx) => sweepNotices(tx, nowMs - noticesKeptMs, 1000));
    if (!pulls) await this.#askAboutUnverified(nowMs);
    if (!pulls || !(whole || (await this.#isDue(atMs)))) {
      if (whole) this.#wholeAtMs = atMs;
      return;
    }
    const pauseMs = Math.min(failedPauseMsMin * 2 ** (this.#failures - 1), failedPauseMsMax);
    if (this.#failures > 0 && atMs - this.#recentAtMs < pauseMs) return;
    this.#recentAtMs = atMs;
    try {
      await this.pull(whole ? reachMs : recentMs);
      this.#failures = 0;
      if (whole) this.#wholeAtMs = atMs;
    } catch (error) {
      this.#failures++;
      if (atMs - this.#failedAtMs >= wholeEveryMs) {
        this.#failedAtMs = atMs;
        log.warn({ err: error }, "Safaricom's list of payments cannot be had; it is asked for again");
      }
    }
  }

  /** All of the list so far back; what of it cannot be taken is told of, and holds up none of the rest. */
  async pull(reachMs: number): Promise<void> {
    const { clock, daraja, log } = this.#parts;
    // Where the host's clock was set, one of the two is right: not before what is paid now, and never further back than the list.
    const nowMs = Math.max(clock.nowMs(), clock.steadyMs());
    const sinceMs = nowMs - reachMs;
    const untilMs = nowMs + slackMs;
    const bad: object[] = [];
    let offset = 0;
    let ended = false;
    for (let page = 0; page < pagesMax && !ended; page++) {
      const rows = await daraja.pull(sinceMs, untilMs, offset);
      for (const row of rows) {
        const fault = await this.#takeRow(row);
        if (fault) bad.push({ ...sketchOf(row), ...fault });
      }
      offset += rows.length;
      ended = rows.length === 0;
    }
    if (bad.length > 0)
      log.error(
        { count: bad.length, of: offset, first: bad.slice(0, badToldMax) },
        "Rows of Safaricom's list of payments could not be taken: their money is credited by no other record of the list.",
      );
    if (!ended) log.warn({ offset }, "Safaricom's list of payments has no end");
  }

  /** What is wrong with it; null: it was taken, or is known. */
  async #takeRow(row: unknown): Promise<{ err?: unknown } | null> {
    const { store, payments } = this.#parts;
    const paid = readPulledRow(row);
    if (!paid) return {};
    // Most of the list is known; what is in a wallet as the list has it needs no transaction.
    const known = await store.read((tx) => paymentByReceipt(tx, paid.receipt));
    if (known && known.workspaceId !== null && known.amountMinor === paid.amountMinor) return null;
    try {
      await payments.taking(store, (tx) =>
        payments.take(tx, { ...paid, source: "pull", answers: null, toUs: true }),
      );
      return null;
    } catch (error) {
      // Then none can be taken, and all are asked for again.
      if (isError(error, "database.unavailable")) throw error;
      return { err: error };
    }
  }

  /** Asks Safaricom about one payment, in a while; false: there is nobody to ask as. */
  async askStatus(receipt: string): Promise<boolean> {
    const { store, clock, ids, daraja, urls } = this.#parts;
    const key = ids.bytes(16).toString("hex");
    await store.write((tx) => insertStatusRequest(tx, key, receipt, clock.nowMs()));
    return (await daraja.askStatus(receipt, urls.ofStatus(key))) !== null;
  }

  /** Where there is no list: each large payment by itself, every hour. */
  async #askAboutUnverified(nowMs: number): Promise<void> {
    const { store, log } = this.#parts;
    for (const { receipt } of await store.read((tx) => unverifiedNotAsked(tx, nowMs - wholeEveryMs, 10))) {
      try {
        await this.askStatus(receipt);
      } catch (error) {
        log.warn({ err: error, receipt }, "Safaricom could not be asked about a payment; it is asked again");
      }
    }
  }

  async #isDue(atMs: number): Promise<boolean> {
    const { store, clock } = this.#parts;
    const sinceMs = atMs - this.#recentAtMs;
    if (sinceMs >= recentEveryMs) return true;
    if (sinceMs < wantedEveryMs) return false;
    return store.read(
      async (tx) => (await awaitsRecord(tx)) || (await awaitsVerification(tx, clock.nowMs() - wholeEveryMs)),
    );
  }

  async #expire(): Promise<void> {
    const { store, clock, log } = this.#parts;
    const nowMs = clock.nowMs();
    const overdue = await store.read((tx) => overdueTopUps(tx, nowMs - expiredAfterMs, atOnce));
    for (const { id } of overdue) {
      await store.write(async (tx) => {
        const now = await topUpToChange(tx, id);
        if ((now?.state !== "pending" && now?.state !== "unknown") || now.expiredAtMs !== null) return;
        const paid = now.paidAtMs !== null;
        const failureReason = paid
          ? pushFailures.paidWithoutRecord
          : (now.failureReason ?? pushFailures.expired);
        await updateTopUp(tx, id, { expiredAtMs: nowMs, failureReason, openPhone: null, updatedAtMs: nowMs });
        if (paid)
          tx.afterCommit(() =>
            log.error({ topUp: id }, "a top-up was paid, says Daraja, and no record of it came"),
          );
      });
    }
  }
}
