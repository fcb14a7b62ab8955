import { recordChange } from "../../engine/audit/audit.ts";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { isId, type WorkspaceId } from "../../engine/ids.ts";
import type { JsonObject } from "../../engine/json.ts";
import {
  paymentByReceipt,
  paymentsInSuspense,
  unreadableNotices,
  type PaymentRow,
} from "../../engine/store/mpesa.ts";
import { forbiddenIn } from "../../engine/wallet/mpesa/callback-urls.ts";
import { Payments } from "../../engine/wallet/mpesa/payments.ts";
import { Reconciliation } from "../../engine/wallet/mpesa/reconciliation.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import type { DarajaConfig } from "../config.ts";
import { createLog } from "../log.ts";
import { openLedger } from "../open-ledger.ts";
import { configuredUrls, openDaraja } from "../open-mpesa.ts";
import { openSecrets } from "../secrets-key.ts";
import { print, words, workspaceOf, type Desk } from "./desk.ts";

/** As far back as Safaricom's list goes, less a minute. */
const listReachMs = 48 * 3_600_000 - 60_000;
const listedMax = 1000;

/** Where the money of a receipt is: what support asks with what stands in a customer's SMS. */
export async function topUpFind(desk: Desk, args: string[]): Promise<void> {
  const receipt = (words(args, "RECEIPT")[0] ?? "").trim().toUpperCase();
  if (!/^[A-Z0-9]{6,20}$/.test(receipt)) throw new Error("topup find RECEIPT: it is like SKL1ABCDEF.");
  const find = () => desk.store.read((tx) => paymentByReceipt(tx, receipt));
  const { daraja } = desk.config;
  let found = await find();
  if (!found && daraja?.url != null) {
    const reconciliation = await reconciliationOf(desk, daraja, daraja.url);
    if (daraja.pulls) await reconciliation.pull(listReachMs);
    found = await find();
    if (!found && daraja.initiator !== null && (await reconciliation.askStatus(receipt)))
      throw new Error(
        `No payment with the receipt ${receipt} has come. Safaricom was asked about it: look again in a minute.`,
      );
  }
  if (!found)
    throw new Error(
      `No payment with the receipt ${receipt} has come, and Safaricom's list has none of the last 48 hours.`,
    );
  print(paymentView(found));
}

/** A line for each, oldest first. */
export async function suspenseList({ store }: Desk, args: string[]): Promise<void> {
  words(args);
  for (const payment of await store.read((tx) => paymentsInSuspense(tx, listedMax)))
    print(paymentView(payment));
}

/** What Safaricom told and nobody could read, as it came; oldest first. The list of payments may have its money all the same. */
export async function unreadable({ store }: Desk, args: string[]): Promise<void> {
  words(args);
  for (const notice of await store.read((tx) => unreadableNotices(tx, listedMax)))
    print({
      notice_id: notice.id,
      kind: notice.kind,
      received_at: rfc3339Seconds(notice.receivedAtMs),
      address: notice.address,
      body: notice.body,
    });
}

export async function suspenseAssign(desk: Desk, args: string[]): Promise<void> {
  const { store } = desk;
  const [id, workspace] = words(args, "PAYMENT", "WORKSPACE");
  if (!isId("pay", id)) throw new Error(`"${id ?? ""}" is not a payment's id (pay_…, see suspense list).`);
  const workspaceId = await workspaceOf(store, workspace);
  const payments = paymentsOf(desk, desk.config.daraja?.verifyAboveMinor ?? 0);
  const after = await store.write(async (tx) => {
    const assigned = await payments.assign(tx, id, workspaceId);
    if (!assigned.after)
      throw new Error(
        `${id} is in the wallet of ${String(assigned.before.workspaceId)} already. Nothing was done.`,
      );
    await recordChange(tx, desk, {
      workspaceId,
      actor: { kind: "operator" },
      action: "suspense assign",
      subject: id,
      before: viewFor(workspaceId, assigned.before),
      after: viewFor(workspaceId, assigned.after),
    });
    return assigned.after;
  });
  print(paymentView(after));
}

export async function registerUrls(desk: Desk, args: string[]): Promise<void> {
  words(args);
  const { config } = desk;
  const { daraja } = config;
  if (daraja?.url == null) throw new Error("DARAJA_URL is not set: there is nobody to tell.");
  const shared = { ...desk, secrets: await openSecrets(config, desk.ids) };
  const urls = await configuredUrls(config, daraja, shared);
  const word = forbiddenIn(urls.confirmation);
  if (word !== undefined) throw new Error(`PUBLIC_URL has "${word}" in it, which Safaricom refuses.`);
  const client = openDaraja(shared, daraja, daraja.url);
  const { confirmation, validation } = urls;
  const answer = await client.registerUrls({ confirmation, validation });
  print({ registered: "confirmation and validation", answer });
  if (daraja.nominatedNumber === null) return;
  print({
    registered: "list of payments",
    answer: await client.registerPull(daraja.nominatedNumber, confirmation),
  });
}

async function reconciliationOf(desk: Desk, daraja: DarajaConfig, url: string): Promise<Reconciliation> {
  const { store, clock, ids, config } = desk;
  const shared = { ...desk, secrets: await openSecrets(config, ids) };
  return new Reconciliation({
    ...{ store, clock, ids, log: createLog(config.logLevel, config), pulls: daraja.pulls },
    daraja: openDaraja(shared, daraja, url),
    urls: await configuredUrls(config, daraja, shared),
    payments: paymentsOf(desk, daraja.verifyAboveMinor),
  });
}

/** The running controller, another process, finds what is to be armed and told within a second. */
function paymentsOf({ clock, ids, config }: Desk, verifyAboveMinor: number): Payments {
  return new Payments({
    ...{ clock, ids, verifyAboveMinor, log: createLog(config.logLevel, config) },
    ledger: openLedger({ clock, ids, changed: () => undefined, paybill: config.paybill }),
    outbox: createOutbox({ clock, ids, wake: () => undefined }),
  });
}

/** For the audit log, which the workspace reads: nothing in it is another's. What the payer typed may be. */
function viewFor(workspaceId: WorkspaceId, payment: PaymentRow): JsonObject {
  const { meantForId, topupId } = payment;
  const theirs = meantForId === workspaceId || (meantForId === null && topupId === null);
  return paymentView(
    theirs ? payment : { ...payment, topupId: null, meantForId: null, billReference: null, phone: null },
  );
}

const timeOrNull = (ms: number | null) => (ms === null ? null : rfc3339Seconds(ms));

const paymentView = (payment: PaymentRow): JsonObject => ({
  payment_id: payment.id,
  receipt: payment.receipt,
  amount_minor: payment.amountMinor,
  where: payment.workspaceId === null ? "suspense" : "wallet",
  workspace_id: payment.workspaceId,
  suspense_reason: payment.suspenseReason,
  meant_for: payment.meantForId,
  topup_id: payment.topupId,
  account: payment.billReference,
  phone: payment.phone,
  told_by: payment.source,
  contradicted_by: payment.contradiction,
  paid_at: timeOrNull(payment.paidAtMs),
  created_at: rfc3339Seconds(payment.createdAtMs),
  assigned_at: timeOrNull(payment.assignedAtMs),
});
