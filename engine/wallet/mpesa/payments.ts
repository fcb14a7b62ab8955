import { strict as assert } from "node:assert";
import type { Clock } from "../../clock.ts";
import { SautikitError } from "../../errors.ts";
import type { Ids, PaymentId, WorkspaceId } from "../../ids.ts";
import type { Log } from "../../log.ts";
import {
  insertPayment,
  paymentById,
  paymentByReceipt,
  paymentByReceiptToChange,
  paymentToChange,
  unverifiedPaymentOf,
  updatePayment,
  workspaceByAccount,
  type PaymentRow,
  type SuspenseReason,
} from "../../store/mpesa.ts";
import type { Store, Tx } from "../../store/store.ts";
import { topUpByReferenceToChange, topUpToChange, updateTopUp, type TopUpRow } from "../../store/topups.ts";
import { keepWorkspace } from "../../store/workspaces.ts";
import type { Outbox } from "../../webhooks/outbox.ts";
import type { Ledger } from "../ledger.ts";
import { tellTopUp } from "../top-up-event.ts";
import { typedAccount } from "./account-number.ts";
import { shillings } from "./amount.ts";
import { pushFailures } from "./result-codes.ts";

/** Money that Safaricom says has come, by one of its records. */
export interface Record {
  receipt: string;
  amountMinor: number;
  source: PaymentRow["source"];
  /** The account number that the payer typed, or that the push named. */
  billReference: string | null;
  phone: string | null;
  paidAtMs: number | null;
  /** Which of our requests it answers; null: the record does not say, or it says one that we never made. */
  answers: { topUp: TopUpRow | null } | null;
  /** False: it was paid to somebody else's shortcode. */
  toUs: boolean;
}

export interface PaymentParts {
  clock: Clock;
  ids: Ids;
  log: Log;
  ledger: Ledger;
  outbox: Outbox;
  /** KES cents; what is above is credited once we asked Safaricom ourselves: anybody may send us a callback. */
  verifyAboveMinor: number;
}

interface Destination {
  topUp: TopUpRow | null;
  workspaceId: WorkspaceId | null;
  reason: SuspenseReason | null;
}

/** Out of suspense by another record of the receipt; for the rest somebody has to look. */
const releasedByRecord: ReadonlySet<SuspenseReason> = new Set([
  "unknown_account",
  "unknown_request",
  "other_shortcode",
  "unverified",
]);

/** So long after it was asked for, an account number with a request's two characters still means that request. */
const requestMeantMs = 3_600_000;

/**
 * Where money comes in: each receipt is one row and one posting, whichever record of it comes first, twice, late or out
 * of order. What nobody can be credited with is in suspense, and leaves it once: by a record that says more, or by hand.
 */
export class Payments {
  readonly #parts: PaymentParts;

  constructor(parts: PaymentParts) {
    this.#parts = parts;
  }

  /** A transaction in which something is taken; once more where somebody stored the same receipt at the same moment. */
  async taking<T>(store: Store, work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await store.write(work);
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error;
      return store.write(work);
    }
  }

  /**
   * What came of it, in a word. Whatever it keeps, it keeps in one order: top-ups, the payment, the workspace, accounts.
   * Throws Overtaken, which `taking` answers.
   */
  async take(tx: Tx, record: Record): Promise<"credited" | "suspense" | "known" | "released"> {
    const destination = await this.#destination(tx, record);
    const { topUp, workspaceId, reason } = destination;
    const linked = await linkedTopUp(tx, await paymentByReceipt(tx, record.receipt), topUp);
    const row: PaymentRow = {
      id: this.#parts.ids.next("pay"),
      receipt: record.receipt,
      amountMinor: record.amountMinor,
      source: record.source,
      topupId: topUp?.id ?? null,
      billReference: record.billReference,
      phone: record.phone,
      paidAtMs: record.paidAtMs,
      workspaceId: reason === null ? workspaceId : null,
      suspenseReason: reason,
      meantForId: reason === null ? null : workspaceId,
      assignedAtMs: null,
      contradiction: null,
      createdAtMs: this.#parts.clock.nowMs(),
    };
    // Its unique receipt is the lock: who comes second waits here, and then finds the first one's row.
    if (!(await insertPayment(tx, row))) return this.#takeAgain(tx, record, destination, linked);
    if (reason !== null || workspaceId === null) {
      await this.#post(tx, row, null);
      if (topUp) await this.#holdUp(tx, topUp, row);
      this.#tellOperator(tx, row, "M-Pesa money is in suspense");
      return "suspense";
    }
    await keepWorkspace(tx, workspaceId);
    if (topUp) await this.#succeed(tx, topUp, row.receipt);
    await this.#post(tx, row, workspaceId);
    return "credited";
  }

  /** Safaricom, asked by us, says that this request was paid: what waited for that is credited. */
  async verified(tx: Tx, topUp: TopUpRow): Promise<void> {
    const payment = await unverifiedPaymentOf(tx, topUp.id);
    if (payment?.meantForId) await this.#release(tx, payment, payment.meantForId, topUp);
  }

  /** Out of suspense, by hand. Throws `not_found`; null: it is in a wallet already, whose is in `payment`. */
  async assign(
    tx: Tx,
    id: PaymentId,
    workspaceId: WorkspaceId,
  ): Promise<{ before: PaymentRow; after: PaymentRow | null }> {
    const topUp = await linkedTopUp(tx, await paymentById(tx, id), null);
    const seen = await paymentToChange(tx, id);
    if (!seen) throw new SautikitError("not_found", `There is no payment ${id}.`);
    if (seen.workspaceId !== null) return { before: seen, after: null };
    const after = await this.#release(tx, seen, workspaceId, topUp);
    return { before: seen, after };
  }

  async #destination(tx: Tx, record: Record): Promise<Destination> {
    const found = record.answers
      ? answered(record.answers.topUp, record)
      : await this.#byAccount(tx, record.billReference ?? "", record.amountMinor);
    if (!record.toUs) return { ...found, workspaceId: null, reason: "other_shortcode" };
    if (found.reason !== null || record.amountMinor <= this.#parts.verifyAboveMinor) return found;
    const askedOurselves =
      record.source === "pull" || record.source === "status" || (found.topUp?.paidAtMs ?? null) !== null;
    return askedOurselves ? found : { ...found, reason: "unverified" };
  }

  async #byAccount(tx: Tx, billReference: string, amountMinor: number): Promise<Destination> {
    const { account, reference } = typedAccount(billReference);
    const topUp = reference === null ? null : ((await topUpByReferenceToChange(tx, reference)) ?? null);
    const workspaceId = topUp?.workspaceId ?? (await workspaceByAccount(tx, account));
    if (workspaceId === null) return { topUp: null, workspaceId: null, reason: "unknown_account" };
    const meant =
      topUp !== null &&
      topUp.state !== "succeeded" &&
      this.#parts.clock.nowMs() - topUp.createdAtMs < requestMeantMs &&
      topUp.sentAtMs !== null;
    if (!meant) {
      // A late record of a request: it is known by its amount, or else somebody typed an old prompt's account number.
      const late =
        topUp?.state !== "succeeded" && topUp?.amountMinor === amountMinor && topUp.sentAtMs !== null;
      return { topUp: late ? topUp : null, workspaceId, reason: null };
    }
    if (topUp.amountMinor !== amountMinor) return { topUp, workspaceId, reason: "amount_mismatch" };
    return { topUp, workspaceId, reason: null };
  }

  /** Another record of a receipt that we have: it may say whose the money is, or otherwise than the first. */
  async #takeAgain(
    tx: Tx,
    record: Record,
    { topUp, workspaceId, reason }: Destination,
    linked: TopUpRow | null,
  ): Promise<"known" | "released"> {
    const payment = await paymentByReceiptToChange(tx, record.receipt);
    assert(payment, `${record.receipt} is taken, yet not there`);
    // It came between our look and now, and the top-up that it answers may not be kept behind it.
    if (payment.topupId !== null && payment.topupId !== linked?.id && payment.topupId !== topUp?.id)
      throw new Overtaken();
    if (payment.amountMinor !== record.amountMinor) {
      const contradiction = `${record.source}: ${shillings(record.amountMinor)}`;
      await updatePayment(tx, payment.id, { contradiction });
      this.#tellOperator(
        tx,
        { ...payment, contradiction },
        "M-Pesa's records of a payment contradict each other",
      );
      return "known";
    }
    if (payment.workspaceId === null) {
      const { suspenseReason, meantForId } = payment;
      // Asked by us, Safaricom says the same as the callback; whose it is, the callback has said.
      const isConfirmed = suspenseReason === "unverified" && record.source === "status" && record.toUs;
      if (isConfirmed && meantForId !== null) {
        await this.#release(tx, payment, meantForId, linked);
        return "released";
      }
      const leavesByItself = suspenseReason !== null && releasedByRecord.has(suspenseReason);
      // Asked by us, Safaricom has told of it before, and could not say whose it is.
      const wasConfirmed = payment.source === "pull" || payment.source === "status";
      const isClear = reason === null || (reason === "unverified" && wasConfirmed);
      if (leavesByItself && isClear && workspaceId !== null) {
        await this.#release(tx, payment, workspaceId, topUp ?? linked);
        return "released";
      }
    }
    const unnamed = payment.topupId === null || payment.topupId === topUp?.id;
    const pays = topUp?.workspaceId === payment.workspaceId && topUp.amountMinor === payment.amountMinor;
    if (topUp && topUp.state !== "succeeded" && pays && unnamed) {
      await this.#succeed(tx, topUp, payment.receipt);
      await updatePayment(tx, payment.id, { topupId: topUp.id });
    }
    // What it waits for could not be asked, since nobody had told under which id.
    if (
      payment.workspaceId === null &&
      payment.suspenseReason === "unverified" &&
      topUp?.id === payment.topupId
    )
      await this.#askSoon(tx, topUp);
    return "known";
  }

  /** Where it is known what to ask about, and nobody is going to. */
  async #askSoon(tx: Tx, topUp: TopUpRow | null): Promise<void> {
    if (!topUp || topUp.state === "succeeded" || topUp.paidAtMs !== null) return;
    if (topUp.checkoutRequestId === null || topUp.nextQueryAtMs !== null) return;
    const nowMs = this.#parts.clock.nowMs();
    await updateTopUp(tx, topUp.id, { nextQueryAtMs: nowMs, updatedAtMs: nowMs });
  }

  async #release(
    tx: Tx,
    payment: PaymentRow,
    workspaceId: WorkspaceId,
    topUp: TopUpRow | null,
  ): Promise<PaymentRow> {
    if (!(await keepWorkspace(tx, workspaceId)))
      throw new SautikitError("not_found", `There is no workspace ${workspaceId}.`);
    const nowMs = this.#parts.clock.nowMs();
    const own = topUp?.workspaceId === workspaceId ? topUp : null;
    // What it answered of another's is none of theirs.
    const after = { ...payment, workspaceId, assignedAtMs: nowMs, topupId: own?.id ?? null };
    await updatePayment(tx, payment.id, { workspaceId, assignedAtMs: nowMs, topupId: after.topupId });
    const { amountMinor } = payment;
    // One that asked for another amount was not paid by this.
    if (own?.amountMinor === amountMinor && own.state !== "succeeded")
      await this.#succeed(tx, own, payment.receipt);
    const posted = await this.#parts.ledger.post(tx, {
      reference: `${payment.id} assigned`,
      kind: "top_up",
      description: `M-Pesa ${payment.receipt}`,
      workspaceId,
      createdAtMs: nowMs,
      entries: [
        { account: { kind: "wallet", workspaceId }, amountMinor },
        { account: { kind: "suspense" }, amountMinor: -amountMinor },
      ],
    });
    assert(posted.posted, `${payment.id} left suspense twice`);
    await this.#tell(tx, after, workspaceId, posted.transactionId);
    return after;
  }

  /** The receipt's one posting: into that wallet, or into suspense. */
  async #post(tx: Tx, payment: PaymentRow, workspaceId: WorkspaceId | null): Promise<void> {
    const { amountMinor, receipt } = payment;
    const posted = await this.#parts.ledger.post(tx, {
      reference: `mpesa ${receipt}`,
      kind: workspaceId === null ? "suspense" : "top_up",
      description: `M-Pesa ${receipt}`,
      workspaceId,
      createdAtMs: payment.createdAtMs,
      entries: [
        {
          account: workspaceId === null ? { kind: "suspense" } : { kind: "wallet", workspaceId },
          amountMinor,
        },
        { account: { kind: "mpesa_clearing" }, amountMinor: -amountMinor },
      ],
    });
    assert(posted.posted, `${receipt} was posted before it had a row`);
    if (workspaceId !== null) await this.#tell(tx, payment, workspaceId, posted.transactionId);
  }

  async #tell(tx: Tx, payment: PaymentRow, workspaceId: WorkspaceId, transactionId: string): Promise<void> {
    const { topupId, receipt: providerReference, amountMinor } = payment;
    const topped = { workspaceId, topupId, providerReference, amountMinor, transactionId };
    await tellTopUp(tx, this.#parts, { ...topped, provider: "mpesa" });
  }

  /** Whatever it was before: a late success counts. */
  async #succeed(tx: Tx, topUp: TopUpRow, receipt: string): Promise<void> {
    await updateTopUp(tx, topUp.id, {
      state: "succeeded",
      receipt,
      failureReason: null,
      expiredAtMs: null,
      nextQueryAtMs: null,
      openPhone: null,
      updatedAtMs: this.#parts.clock.nowMs(),
    });
  }

  /** Its money came, and is in suspense. */
  async #holdUp(tx: Tx, topUp: TopUpRow, { suspenseReason }: PaymentRow): Promise<void> {
    if (topUp.state === "succeeded") return;
    const nowMs = this.#parts.clock.nowMs();
    const common = { openPhone: null, updatedAtMs: nowMs };
    await updateTopUp(
      tx,
      topUp.id,
      suspenseReason === "unverified"
        ? { ...common, ...(topUp.checkoutRequestId === null ? {} : { nextQueryAtMs: nowMs }) }
        : { ...common, state: "unknown", nextQueryAtMs: null, failureReason: pushFailures.mismatch },
    );
  }

  #tellOperator(tx: Tx, { id, receipt, suspenseReason, contradiction }: PaymentRow, what: string): void {
    tx.afterCommit(() => this.#parts.log.warn({ payment: id, receipt, suspenseReason, contradiction }, what));
  }
}

/** Of a callback, which says itself what it answers. */
function answered(topUp: TopUpRow | null, record: Record): Destination {
  if (!topUp) return { topUp: null, workspaceId: null, reason: "unknown_request" };
  const { workspaceId } = topUp;
  if (topUp.amountMinor !== record.amountMinor) return { topUp, workspaceId, reason: "amount_mismatch" };
  // A prompt is paid once.
  const another = topUp.state === "succeeded" && topUp.receipt !== record.receipt;
  return { topUp, workspaceId, reason: another ? "second_receipt" : null };
}

/** The request that a payment is known to answer, kept for this transaction, and before the payment; `kept` is already. */
async function linkedTopUp(
  tx: Tx,
  payment: Pick<PaymentRow, "topupId"> | undefined,
  kept: TopUpRow | null,
): Promise<TopUpRow | null> {
  const id = payment?.topupId ?? null;
  if (id === null) return null;
  return id === kept?.id ? kept : ((await topUpToChange(tx, id)) ?? null);
}

/** Nothing is kept; at the next look the receipt is there from the start. */
class Overtaken extends Error {}
