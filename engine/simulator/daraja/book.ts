import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { JsonObject } from "../../json.ts";
import { magicPhones, pays, resultWords, type Behaviour } from "./behaviours.ts";

export interface StandInSettings {
  consumerKey: string;
  consumerSecret: string;
  shortcode: string;
  passkey: string;
}

export interface PromptSent {
  merchantRequestId: string;
  checkoutRequestId: string;
  msisdn: string;
  amount: number;
  account: string;
  callbackUrl: string;
  behaviour: Behaviour;
  /** Null: it is open on the phone. */
  result: string | null;
  receipt: string | null;
}

/** Money that moved, as M-Pesa's own books have it. */
export interface Payment {
  receipt: string;
  /** Shillings, as text with two decimals. */
  amount: string;
  msisdn: string;
  account: string;
  atMs: number;
}

/** A message on its way to us. */
export interface Delivery {
  kind: "stk" | "confirmation" | "status";
  url: string;
  body: JsonObject;
  /** Null: it is held, or not there yet; 0: nobody answered. It is sent once, whatever comes of it. */
  status: number | null;
}

const aheadMs = 3 * 3_600_000;
const compact = (ms: number) => new Date(ms + aheadMs).toISOString().slice(0, 19).replace(/[-T:]/g, "");
/** People are masked in what merchants are told. */
const masked = (msisdn: string) => `${msisdn.slice(0, 4)}*****${msisdn.slice(-3)}`;
const postMsMax = 10_000;

/** What the stand-in knows: tokens, prompts, payments, and what it tells whom when. In memory alone. */
export class Book {
  readonly clock: Clock;
  readonly settings: StandInSettings;
  readonly prompts: PromptSent[] = [];
  readonly payments: Payment[] = [];
  readonly deliveries: Delivery[] = [];
  readonly behaviours = new Map<string, Behaviour>();
  tokensIssued = 0;
  /** How often one was asked for with credentials of some sort, and how often one was refused. */
  tokensAsked = 0;
  tokensRefused = 0;
  token: string | null = null;
  urls: { confirmation: string; validation: string } | null = null;
  /** Safaricom turns it on, or not. */
  validates = false;
  /** True: what is to be told waits until the control page says which goes when. */
  holds = false;
  /** Requests of its own that are not answered yet. */
  posting = 0;
  /** What the list of payments has in place of a receipt's row. */
  readonly oddRows = new Map<string, JsonObject | null>();
  /** So many of the next requests are answered like that. */
  readonly spoilt: ("html" | "spike" | "drop" | "stale_token" | "unauthorised")[] = [];
  readonly #ids: Ids;

  constructor(parts: { clock: Clock; ids: Ids; settings: StandInSettings }) {
    this.clock = parts.clock;
    this.#ids = parts.ids;
    this.settings = parts.settings;
  }

  /** Ends the one before. */
  issueToken(): string {
    this.tokensIssued++;
    this.token = this.#ids.bytes(21).toString("base64url");
    return this.token;
  }

  behaviourOf(msisdn: string): Behaviour {
    const phone = `+${msisdn}`;
    return this.behaviours.get(phone) ?? magicPhones[phone] ?? pays;
  }

  /** Puts the prompt on the phone; how it ends is told by itself. */
  prompt(asked: Pick<PromptSent, "msisdn" | "amount" | "account" | "callbackUrl">): PromptSent {
    const number = this.#ids.bytes(5).toString("hex");
    const sent: PromptSent = {
      ...asked,
      merchantRequestId: `${number.slice(0, 5)}-${number.slice(5)}-1`,
      checkoutRequestId: `ws_CO_${compact(this.clock.nowMs())}${number}${asked.msisdn.slice(3)}`,
      behaviour: this.behaviourOf(asked.msisdn),
      result: null,
      receipt: null,
    };
    this.prompts.push(sent);
    this.clock.after(sent.behaviour.afterMs, () => this.#end(sent));
    return sent;
  }

  /** Somebody pays by Paybill. Null: the merchant's validation refused it. */
  async payBill(paid: { account: string; amount: string; msisdn: string }): Promise<Payment | null> {
    const payment = this.#record(paid);
    if (this.validates && this.urls) {
      const answer = await this.#post(this.urls.validation, this.#confirmationOf(payment));
      if (answer.verdict !== "0") return null;
    }
    this.payments.push(payment);
    this.#confirm(payment, 0);
    return payment;
  }

  /** Sends one that is held, once more if it was sent; its status. */
  async deliver(index: number): Promise<number | null> {
    const delivery = this.deliveries[index];
    if (!delivery) return null;
    const { status } = await this.#post(delivery.url, delivery.body);
    delivery.status = status;
    return status;
  }

  /** Answers what was asked of one payment, in a while. */
  status(receipt: string, url: string): void {
    const payment = this.payments.find((one) => one.receipt === receipt);
    const found = payment && [
      { Key: "DebitPartyName", Value: `${payment.msisdn} - WANJIRU` },
      { Key: "CreditPartyName", Value: `${this.settings.shortcode} - Sautikit` },
      { Key: "TransactionStatus", Value: "Completed" },
      { Key: "Amount", Value: payment.amount },
      { Key: "ReceiptNo", Value: payment.receipt },
      { Key: "FinalisedTime", Value: Number(compact(payment.atMs)) },
    ];
    const Result = {
      ...{
        ResultType: 0,
        ResultCode: found ? 0 : 2032,
        ResultDesc: found ? "Success." : "No such transaction.",
      },
      ResultParameters: { ResultParameter: found ?? [] },
    };
    this.#tell({ kind: "status", url, body: { Result }, status: null }, 1000);
  }

  #end(prompt: PromptSent): void {
    const { behaviour } = prompt;
    prompt.result = behaviour.result;
    if (prompt.result !== "0") return this.#callBack(prompt, null);
    const amount = (prompt.amount + behaviour.amountOff).toFixed(2);
    const payment = this.#record({ account: prompt.account, amount, msisdn: prompt.msisdn });
    this.payments.push(payment);
    prompt.receipt = payment.receipt;
    if (behaviour.confirmation === "before") this.#confirm(payment, 0);
    this.#callBack(prompt, payment);
    if (behaviour.confirmation === "after") this.#confirm(payment, 200);
  }

  #record(paid: { account: string; amount: string; msisdn: string }): Payment {
    const receipt = `S${this.#ids.bytes(6).toString("hex").toUpperCase().slice(0, 9)}`;
    return { ...paid, receipt, atMs: this.clock.nowMs() };
  }

  #callBack(prompt: PromptSent, payment: Payment | null): void {
    const { callbacks, callbackDelayMs, result } = prompt.behaviour;
    const metadata = payment && {
      Item: [
        // Not in the order of the documents, which nobody may count on.
        { Name: "MpesaReceiptNumber", Value: payment.receipt },
        { Name: "Balance" },
        { Name: "Amount", Value: Number(payment.amount) },
        { Name: "TransactionDate", Value: Number(compact(payment.atMs)) },
        { Name: "PhoneNumber", Value: Number(prompt.msisdn) },
      ],
    };
    const body = {
      Body: {
        stkCallback: {
          MerchantRequestID: prompt.merchantRequestId,
          CheckoutRequestID: prompt.checkoutRequestId,
          ResultCode: /^\d+$/.test(result) ? Number(result) : result,
          ResultDesc: resultWords[result] ?? "Failed.",
          ...(metadata ? { CallbackMetadata: metadata } : {}),
        },
      },
    };
    for (let copy = 1; copy <= callbacks; copy++)
      this.#tell({ kind: "stk", url: prompt.callbackUrl, body, status: null }, callbackDelayMs * copy);
  }

  #confirm(payment: Payment, delayMs: number): void {
    if (!this.urls) return;
    const body = this.#confirmationOf(payment);
    this.#tell({ kind: "confirmation", url: this.urls.confirmation, body, status: null }, delayMs);
  }

  #confirmationOf(payment: Payment): JsonObject {
    return {
      TransactionType: "Pay Bill",
      TransID: payment.receipt,
      TransTime: compact(payment.atMs),
      TransAmount: payment.amount,
      BusinessShortCode: this.settings.shortcode,
      BillRefNumber: payment.account,
      InvoiceNumber: "",
      OrgAccountBalance: "49197.00",
      ThirdPartyTransID: "",
      MSISDN: masked(payment.msisdn),
      FirstName: "WANJIRU",
      MiddleName: "",
      LastName: "",
    };
  }

  #tell(delivery: Delivery, delayMs: number): void {
    const index = this.deliveries.push(delivery) - 1;
    if (!this.holds) this.clock.after(delayMs, () => void this.deliver(index));
  }

  async #post(url: string, body: JsonObject): Promise<{ status: number; verdict: string | null }> {
    this.posting++;
    const limit = new AbortController();
    const timer = this.clock.after(postMsMax, () => limit.abort());
    try {
      const headers = { "content-type": "application/json" };
      const request = { method: "POST", headers, body: JSON.stringify(body), signal: limit.signal };
      const response = await fetch(url, { ...request, redirect: "manual" });
      const answer = (await response.json().catch(() => ({}))) as { ResultCode?: string | number };
      return { status: response.status, verdict: String(answer.ResultCode) };
    } catch {
      return { status: 0, verdict: null };
    } finally {
      timer.cancel();
      this.posting--;
    }
  }
}
