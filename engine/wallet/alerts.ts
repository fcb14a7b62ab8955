import { strict as assert } from "node:assert";
import type { Clock } from "../clock.ts";
import type { Ids, WorkspaceId } from "../ids.ts";
import type { MailQueue } from "../mail/mail-queue.ts";
import { walletSettings, type WalletSettings } from "../store/ledger.ts";
import { ownersOf } from "../store/members.ts";
import type { Tx } from "../store/store.ts";
import { workspaceById } from "../store/workspaces.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import { tellWorkspace } from "../webhooks/workspace-events.ts";
import type { WalletMove } from "./ledger.ts";
import { kes } from "./money.ts";

export interface AlertParts {
  outbox: Outbox;
  mails: MailQueue;
  ids: Ids;
  clock: Clock;
  /** Of M-Pesa; null: there is none. */
  paybill: string | null;
}

/**
 * Tells, in the posting's transaction, that it took the balance below the threshold, or to zero and below. The balance
 * before and after decide, so that each fall is told once, and again only after the balance was back above.
 */
export async function tellOfLowBalance(tx: Tx, parts: AlertParts, move: WalletMove): Promise<void> {
  const { beforeMinor, afterMinor, workspaceId } = move;
  if (afterMinor >= beforeMinor) return;
  const settings = await walletSettings(tx, workspaceId);
  assert(settings, `a wallet of ${workspaceId}, which is not there`);
  const { lowBalanceThresholdMinor: thresholdMinor } = settings;
  if (thresholdMinor !== null && beforeMinor >= thresholdMinor && afterMinor < thresholdMinor) {
    const data = { balance_minor: afterMinor, threshold_minor: thresholdMinor };
    await tellWorkspace(tx, parts, { workspaceId, kind: "wallet.low_balance", data });
    await mail(tx, parts, move, settings, {
      key: "low balance",
      subject: `Your balance is low: ${kes(afterMinor)}`,
      what: `is ${kes(afterMinor)}, below the ${kes(thresholdMinor)} at which you asked to be told.`,
    });
  }
  if (beforeMinor > 0 && afterMinor <= 0) {
    const data = { balance_minor: afterMinor };
    await tellWorkspace(tx, parts, { workspaceId, kind: "wallet.exhausted", data });
    const running =
      settings.onZeroBalance === "hangup"
        ? "Running calls are ended."
        : "Running calls go on until they end, and the next top-up covers what they cost.";
    await mail(tx, parts, move, settings, {
      key: "balance exhausted",
      subject: `Your balance is used up: ${kes(afterMinor)}`,
      what: `is ${kes(afterMinor)}. No new call starts until you top up. ${running}`,
    });
  }
}

async function mail(
  tx: Tx,
  { mails, paybill }: AlertParts,
  { workspaceId, transactionId }: { workspaceId: WorkspaceId; transactionId: string },
  { alertEmails, mpesaAccountRef }: WalletSettings,
  { key, subject, what }: { key: string; subject: string; what: string },
): Promise<void> {
  const to = alertEmails.length > 0 ? alertEmails : await ownersOf(tx, workspaceId);
  if (to.length === 0) return;
  const name = (await workspaceById(tx, workspaceId))?.name ?? workspaceId;
  const text =
    `The balance of the workspace "${name}" (${workspaceId}) ${what}\n\n` +
    `${paybill === null ? "To top up by M-Pesa Paybill," : `To top up by M-Pesa: Paybill ${paybill},`} account number ${mpesaAccountRef}.\n`;
  await mails.send(tx, { key: `${key} ${transactionId}`, workspaceId, to, subject, text });
}
