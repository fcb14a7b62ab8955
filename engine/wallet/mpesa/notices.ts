import { z } from "zod";
import { centsOf } from "./amount.ts";
import { readTime } from "./daraja-time.ts";

/** How a prompt ended, as its callback tells. */
export interface StkResult {
  merchantRequestId: string;
  checkoutRequestId: string;
  code: string;
  description: string;
  /** Null: it was not paid. */
  paid: Paid | null;
}

export interface Paid {
  receipt: string;
  amountMinor: number;
  phone: string | null;
  paidAtMs: number | null;
}

/** A payment by Paybill; a push's is told so too, where the addresses are registered. */
export interface PaybillPayment extends Paid {
  shortcode: string;
  billReference: string;
}

/** Letters and digits, as all that were seen; nothing else gets into a reference of the ledger. */
const receipt = z
  .string()
  .trim()
  .toUpperCase()
  .regex(/^[A-Z0-9]{6,20}$/);
const text = (max: number) => z.coerce.string().transform((value) => value.slice(0, max));
const maybe = z.unknown().optional();

const stkBody = z.object({
  Body: z.object({
    stkCallback: z.object({
      MerchantRequestID: text(100).default(""),
      CheckoutRequestID: text(100),
      ResultCode: text(20),
      ResultDesc: text(300).default(""),
      CallbackMetadata: z.object({ Item: z.array(z.object({ Name: z.string(), Value: maybe })) }).optional(),
    }),
  }),
});

const c2bBody = z.object({
  TransID: receipt,
  TransTime: maybe,
  TransAmount: maybe,
  BusinessShortCode: text(20),
  BillRefNumber: text(40).default(""),
  MSISDN: maybe,
});

/** Null: it is none that we can read. */
export function readStkCallback(body: string): StkResult | null {
  const callback = stkBody.safeParse(json(body)).data?.Body.stkCallback;
  if (!callback) return null;
  const result = {
    merchantRequestId: callback.MerchantRequestID,
    checkoutRequestId: callback.CheckoutRequestID,
    code: callback.ResultCode,
    description: callback.ResultDesc,
  };
  if (callback.ResultCode !== "0") return { ...result, paid: null };
  // By name: their order changes, and Balance may have no value.
  const items = new Map(callback.CallbackMetadata?.Item.map(({ Name, Value }) => [Name, Value]));
  const read = receipt.safeParse(items.get("MpesaReceiptNumber")).data;
  const amountMinor = centsOf(items.get("Amount"));
  if (read === undefined || amountMinor === null) return null;
  const paidAtMs = readTime(items.get("TransactionDate"));
  return {
    ...result,
    paid: { receipt: read, amountMinor, phone: phoneOf(items.get("PhoneNumber")), paidAtMs },
  };
}

export function readPaybillPayment(body: string): PaybillPayment | null {
  const record = c2bBody.safeParse(json(body)).data;
  const amountMinor = centsOf(record?.TransAmount);
  if (!record || amountMinor === null) return null;
  return {
    receipt: record.TransID,
    amountMinor,
    phone: phoneOf(record.MSISDN),
    paidAtMs: readTime(record.TransTime),
    shortcode: record.BusinessShortCode,
    billReference: record.BillRefNumber,
  };
}

const pulledRow = z.object({
  transactionId: receipt,
  trxDate: maybe,
  amount: maybe,
  msisdn: maybe,
  billreference: maybe,
});

/** A row of Safaricom's list of payments. */
export function readPulledRow(row: unknown): (Paid & { billReference: string }) | null {
  const read = pulledRow.safeParse(row).data;
  const amountMinor = centsOf(read?.amount);
  if (!read || amountMinor === null) return null;
  return {
    receipt: read.transactionId,
    amountMinor,
    phone: phoneOf(read.msisdn),
    paidAtMs: readTime(read.trxDate),
    billReference: typeof read.billreference === "string" ? read.billreference.slice(0, 40) : "",
  };
}

/** For the log: what can be said of something unreadable without telling who paid. */
export function sketchOf(told: unknown): { fields: string[]; receipt: string | null; phone: string | null } {
  const facts = z
    .record(z.string(), z.unknown())
    .catch({})
    .parse(typeof told === "string" ? json(told) : told);
  const named = receipt.safeParse(facts["TransID"] ?? facts["transactionId"]).data;
  const phone = phoneOf(facts["MSISDN"] ?? facts["msisdn"]);
  return {
    fields: Object.keys(facts)
      .slice(0, 20)
      .map((name) => name.slice(0, 40)),
    receipt: named ?? null,
    phone: phone === null ? null : `***${phone.slice(-3)}`,
  };
}

const statusBody = z.object({
  Result: z.object({
    ResultParameters: z.object({
      ResultParameter: z.array(z.object({ Key: z.string(), Value: maybe })),
    }),
  }),
});

/** A payment that is complete; null: it is not, or the answer says nothing final (a queue's time-out). */
export function readStatus(body: string): (Paid & { creditedTo: string }) | null {
  const parameters = statusBody.safeParse(json(body)).data?.Result.ResultParameters.ResultParameter;
  const values = new Map(parameters?.map(({ Key, Value }) => [Key, Value]));
  const read = receipt.safeParse(values.get("ReceiptNo")).data;
  const amountMinor = centsOf(values.get("Amount"));
  if (values.get("TransactionStatus") !== "Completed" || read === undefined || amountMinor === null)
    return null;
  const paidAtMs = readTime(values.get("FinalisedTime"));
  // "600999 - Sautikit".
  const creditedTo = /^\d+/.exec(phoneOf(values.get("CreditPartyName")) ?? "")?.[0] ?? "";
  return { receipt: read, amountMinor, phone: phoneOf(values.get("DebitPartyName")), paidAtMs, creditedTo };
}

const phoneOf = (value: unknown): string | null =>
  typeof value === "string" || typeof value === "number" ? String(value).slice(0, 80) : null;

function json(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
