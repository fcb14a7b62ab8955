import type { Clock } from "../../clock.ts";
import { invalidField, SautikitError } from "../../errors.ts";
import type { Ids, TopUpId, WorkspaceId } from "../../ids.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import {
  insertTopUp,
  lastReference,
  releasePhone,
  topUpOf,
  topUpOnPhoneToChange,
  topUpsOf,
  topUpsSince,
  type TopUpRow,
} from "../../store/topups.ts";
import { keepWorkspace } from "../../store/workspaces.ts";
import { nextReference } from "./account-number.ts";
import { shillings } from "./amount.ts";
import { mobileOf } from "./phone.ts";
import { holdUnsentMs } from "./pushes.ts";

/** A top-up as its customer sees it. */
export interface TopUp {
  id: TopUpId;
  status: "pending" | "confirmed" | "failed" | "expired";
  amountMinor: number;
  phoneE164: string;
  mpesaAccountRef: string;
  receipt: string | null;
  failureReason: string | null;
  createdAtMs: number;
  updatedAtMs: number;
}

export interface TopUpParts {
  clock: Clock;
  ids: Ids;
  /** Null: M-Pesa is not set up here. */
  amounts: { minMinor: number; maxMinor: number } | null;
  /** How many prompts a workspace may have sent within an hour: each rings at somebody's phone. */
  perHour: number;
  /** After one was stored. */
  wake: () => void;
}

const hourMs = 3_600_000;

/** Requests for money, as the API takes and shows them; they are sent by `Pushes`. */
export class TopUps {
  readonly #parts: TopUpParts;

  constructor(parts: TopUpParts) {
    this.#parts = parts;
  }

  async create(
    tx: Tx,
    workspaceId: WorkspaceId,
    asked: { amountMinor: number; phone: string },
  ): Promise<TopUp> {
    const { clock, ids, wake } = this.#parts;
    this.#checkAmount(asked.amountMinor);
    const phone = mobileOf(asked.phone);
    if (phone === null)
      throw invalidField("phone_e164", "kenyan_mobile", "must be a Kenyan mobile number: +2547… or +2541…");
    const nowMs = clock.nowMs();
    // Somebody else's row perhaps: before our workspace's, as in a payment, which may just now be ending that prompt.
    await releasePhone(tx, phone, nowMs);
    const open = await topUpOnPhoneToChange(tx, phone);
    if (open) throw phoneBusy(open.openUntilMs, nowMs);
    const workspace = await keepWorkspace(tx, workspaceId);
    if (!workspace) throw new SautikitError("not_found");
    if (workspace.frozenAtMs !== null) throw new SautikitError("workspace.frozen");
    await this.#checkRate(tx, workspaceId, nowMs);
    const row = {
      id: ids.next("top"),
      workspaceId,
      amountMinor: asked.amountMinor,
      phoneE164: phone,
      accountReference: nextReference(workspace.mpesaAccountRef, await lastReference(tx, workspaceId)),
      // Hexadecimal has none of the words that Daraja forbids.
      callbackKey: ids.bytes(16).toString("hex"),
      state: "requested" as const,
      openPhone: phone,
      openUntilMs: nowMs + holdUnsentMs,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    };
    // Two who ask at once.
    if (!(await insertTopUp(tx, row)))
      throw phoneBusy((await topUpOnPhoneToChange(tx, phone))?.openUntilMs, nowMs);
    tx.afterCommit(wake);
    return topUpView(
      { ...row, expiredAtMs: null, receipt: null, failureReason: null },
      workspace.mpesaAccountRef,
    );
  }

  async get(
    tx: ReadTx,
    workspace: { id: WorkspaceId; mpesaAccountRef: string },
    id: TopUpId,
  ): Promise<TopUp | null> {
    const row = await topUpOf(tx, workspace.id, id);
    return row ? topUpView(row, workspace.mpesaAccountRef) : null;
  }

  /** Newest first; one more than `limit`, where there is one. */
  async list(
    tx: ReadTx,
    workspace: { id: WorkspaceId; mpesaAccountRef: string },
    page: { limit: number; before: TopUpId | null },
  ): Promise<TopUp[]> {
    const rows = await topUpsOf(tx, workspace.id, { ...page, limit: page.limit + 1 });
    return rows.map((row) => topUpView(row, workspace.mpesaAccountRef));
  }

  #checkAmount(amountMinor: number): void {
    const { amounts } = this.#parts;
    if (!amounts) throw new SautikitError("topups.unavailable");
    const wrong = (code: string, message: string) =>
      new SautikitError("topups.amount_out_of_range", `amount_minor ${message}.`, {
        fields: [{ field: "amount_minor", code, message }],
      });
    const { minMinor, maxMinor } = amounts;
    if (amountMinor < minMinor || amountMinor > maxMinor)
      throw wrong(
        "range",
        `must be from ${minMinor} (${shillings(minMinor)}) to ${maxMinor} (${shillings(maxMinor)})`,
      );
    if (amountMinor % 100 !== 0) throw wrong("whole_shillings", "must be whole shillings: a multiple of 100");
  }

  async #checkRate(tx: ReadTx, workspaceId: WorkspaceId, nowMs: number): Promise<void> {
    const { perHour } = this.#parts;
    const { count, oldestMs } = await topUpsSince(tx, workspaceId, nowMs - hourMs);
    if (count < perHour) return;
    throw new SautikitError(
      "topups.rate_limit",
      `A workspace may ask for ${perHour} top-ups within an hour.`,
      {
        retryAfterSeconds: Math.max(1, Math.ceil((oldestMs + hourMs - nowMs) / 1000)),
      },
    );
  }
}

type Shown = Pick<
  TopUpRow,
  | "id"
  | "state"
  | "amountMinor"
  | "phoneE164"
  | "expiredAtMs"
  | "receipt"
  | "failureReason"
  | "createdAtMs"
  | "updatedAtMs"
>;

const topUpView = (row: Shown, mpesaAccountRef: string): TopUp => ({
  id: row.id,
  status: statusOf(row),
  amountMinor: row.amountMinor,
  phoneE164: row.phoneE164,
  mpesaAccountRef,
  receipt: row.receipt,
  failureReason: row.failureReason,
  createdAtMs: row.createdAtMs,
  updatedAtMs: row.updatedAtMs,
});

function statusOf({ state, expiredAtMs }: Pick<TopUpRow, "state" | "expiredAtMs">): TopUp["status"] {
  if (state === "succeeded") return "confirmed";
  if (expiredAtMs !== null) return "expired";
  return state === "failed" || state === "cancelled" ? "failed" : "pending";
}

function phoneBusy(openUntilMs: number | null | undefined, nowMs: number): SautikitError {
  const waitMs = (openUntilMs ?? nowMs + 1000) - nowMs;
  return new SautikitError("topups.phone_busy", undefined, {
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
  });
}
