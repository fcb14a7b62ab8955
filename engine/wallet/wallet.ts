import { strict as assert } from "node:assert";
import { SautikitError } from "../errors.ts";
import type { TransactionId, WorkspaceId } from "../ids.ts";
import { accruedMinor } from "../metering/accrual.ts";
import { countLiveCalls, talkingLegsOf } from "../store/calls.ts";
import {
  type TransactionFilter,
  type WalletChoices,
  type WalletSettings,
  type WalletTransaction,
  entriesOf,
  updateWalletChoices,
  walletBalanceMinor,
  walletSettings,
  walletTransactions,
} from "../store/ledger.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import type { Ledger, Posted } from "./ledger.ts";

export interface Available {
  balanceMinor: number;
  /** What the live legs would cost if they ended now. */
  accruedMinor: number;
  /** Balance less accrued. A billable call needs more than 0. */
  availableMinor: number;
  activeCalls: number;
}

/**
 * The money of a workspace, in KES cents, at `nowUs`: the ledger's balance less what its live legs have run up. By the steady clock,
 * since their answers are the switch's stamps.
 */
export async function available(tx: ReadTx, workspaceId: WorkspaceId, nowUs: number): Promise<Available> {
  const balanceMinor = await walletBalanceMinor(tx, workspaceId);
  const accrued = accruedMinor(await talkingLegsOf(tx, workspaceId), nowUs);
  return {
    balanceMinor,
    accruedMinor: accrued,
    availableMinor: balanceMinor - accrued,
    activeCalls: await countLiveCalls(tx, workspaceId),
  };
}

/** What GET /v1/wallet shows, but for the Paybill, which is the operator's configuration. */
export async function walletView(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  nowUs: number,
): Promise<WalletSettings & Available> {
  const settings = await walletSettings(tx, workspaceId);
  if (!settings) throw new SautikitError("not_found", `There is no workspace ${workspaceId}.`);
  return { ...settings, ...(await available(tx, workspaceId, nowUs)) };
}

/** What is undefined stays as it is. */
export async function changeWallet(
  tx: Tx,
  workspaceId: WorkspaceId,
  patch: { [Name in keyof WalletChoices]: WalletChoices[Name] | undefined },
): Promise<{ before: WalletChoices; after: WalletChoices }> {
  await keepWorkspace(tx, workspaceId);
  const before = await walletSettings(tx, workspaceId);
  if (!before) throw new SautikitError("not_found", `There is no workspace ${workspaceId}.`);
  const { lowBalanceThresholdMinor, taxPin } = patch;
  const after: WalletChoices = {
    lowBalanceThresholdMinor:
      lowBalanceThresholdMinor === undefined ? before.lowBalanceThresholdMinor : lowBalanceThresholdMinor,
    alertEmails: patch.alertEmails ? [...new Set(patch.alertEmails)] : before.alertEmails,
    onZeroBalance: patch.onZeroBalance ?? before.onZeroBalance,
    taxPin: taxPin === undefined ? before.taxPin : taxPin,
  };
  await updateWalletChoices(tx, workspaceId, after);
  return { before, after };
}

/** Newest first. `nextAfter` is the next page's `after`, and stays right while rows are added; null: no more. */
export async function transactions(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  page: { limit: number; after: TransactionId | null },
  filter: TransactionFilter = {},
): Promise<{ transactions: WalletTransaction[]; nextAfter: TransactionId | null }> {
  const rows = await walletTransactions(
    tx,
    workspaceId,
    { limit: page.limit + 1, after: page.after },
    filter,
  );
  const shown = rows.slice(0, page.limit);
  return { transactions: shown, nextAfter: rows.length > shown.length ? (shown.at(-1)?.id ?? null) : null };
}

export interface Credit {
  workspaceId: WorkspaceId;
  /** KES cents, more than 0. */
  amountMinor: number;
  /** The operator's own; a credit with the same one is given once. Stored as `credit <reference>`. */
  reference: string;
  description: string;
  /** Where the money comes from: mended by hand, or given away. */
  kind: "credit" | "promotion";
  createdAtMs: number;
}

/** What the reference paid, now or before; where that is not what was asked for, it was used for something else. */
export interface Credited extends Posted {
  first: { workspaceId: WorkspaceId | null; amountMinor: number };
}

export interface Wallet {
  /** Money that the operator puts into a wallet. Throws `not_found` for an unknown workspace. */
  credit(tx: Tx, credit: Credit): Promise<Credited>;
}

export function createWallet({ ledger }: { ledger: Ledger }): Wallet {
  return {
    async credit(tx, { workspaceId, amountMinor, reference, ...credit }) {
      assert(amountMinor > 0, "a credit is more than 0");
      if (!(await keepWorkspace(tx, workspaceId)))
        throw new SautikitError("not_found", `There is no workspace ${workspaceId}.`);
      const source = credit.kind === "promotion" ? "promotions" : "adjustments";
      const posted = await ledger.post(tx, {
        ...credit,
        reference: `credit ${reference}`,
        workspaceId,
        entries: [
          { account: { kind: "wallet", workspaceId }, amountMinor },
          { account: { kind: source }, amountMinor: -amountMinor },
        ],
      });
      if (posted.posted) return { ...posted, first: { workspaceId, amountMinor } };
      const paid = (await entriesOf(tx, posted.transactionId)).find(
        (entry) => entry.accountKind === "wallet",
      );
      return {
        ...posted,
        first: { workspaceId: paid?.accountWorkspaceId ?? null, amountMinor: paid?.amountMinor ?? 0 },
      };
    },
  };
}
