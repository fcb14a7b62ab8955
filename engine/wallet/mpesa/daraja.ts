import { z } from "zod";
import type { Clock } from "../../clock.ts";
import type { Ids } from "../../ids.ts";
import type { JsonObject } from "../../json.ts";
import type { Secrets } from "../../secrets.ts";
import type { Store } from "../../store/store.ts";
import { DarajaError, isPassing, isStaleToken } from "./daraja-error.ts";
import { compactTime, spacedTime } from "./daraja-time.ts";
import { SharedToken, tokenAnswerMsMax, type Token } from "./token.ts";

export interface DarajaSettings {
  /** `https://api.safaricom.co.ke`, without a slash at the end. */
  url: string;
  consumerKey: string;
  consumerSecret: string;
  shortcode: string;
  passkey: string;
  /** Who asks about single payments; null: nobody does. The credential is encrypted already, with Safaricom's certificate. */
  initiator: { name: string; securityCredential: string } | null;
}

export interface Push {
  /** Whole shillings. */
  amount: number;
  /** 2547… or 2541…, twelve digits. */
  msisdn: string;
  accountReference: string;
  description: string;
  callbackUrl: string;
}

export interface DarajaParts {
  settings: DarajaSettings;
  clock: Clock;
  ids: Ids;
  /** Where the token is that all processes share. */
  store: Store;
  secrets: Secrets;
}

/** A push that waits for a new token goes out no later than this: its phone is let go after a while, and must not ring then. */
const pushAgainMsMax = 15_000;
/** Longer than Daraja was seen to take; every wait for it ends. */
const answerMsMax = 20_000;
const answerBytesMax = 8 * 1024 * 1024;
/** Between tries of what may be asked again. */
const pausesMs = [500, 2_000] as const;

const tokenAnswer = z.object({ access_token: z.string().min(1), expires_in: z.coerce.number().positive() });
const refusal = z.object({ errorCode: z.string(), errorMessage: z.string().optional() });
const pushAnswer = z.object({
  MerchantRequestID: z.string(),
  CheckoutRequestID: z.string().min(1),
  ResponseCode: z.coerce.string(),
  ResponseDescription: z.string().optional(),
});
const queryAnswer = z.object({ ResultCode: z.coerce.string(), ResultDesc: z.string().default("") });
const pullAnswer = z.object({
  ResponseCode: z.coerce.string(),
  ResponseMessage: z.string().optional(),
  Response: z.unknown().optional(),
});

/** Daraja, as Safaricom's documents and the field describe it, wrong spelling included. Throws DarajaError. */
export class Daraja {
  readonly shortcode: string;
  readonly #settings: DarajaSettings;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #tokens: SharedToken;
  readonly #stopped = new AbortController();

  constructor({ settings, clock, ids, store, secrets }: DarajaParts) {
    this.shortcode = settings.shortcode;
    this.#settings = settings;
    this.#clock = clock;
    this.#ids = ids;
    const { url, consumerKey, consumerSecret } = settings;
    this.#tokens = new SharedToken({
      ...{ store, secrets, clock, ids, stopped: this.#stopped.signal },
      app: [url, consumerKey, consumerSecret],
      issue: () => this.#issueToken(),
    });
  }

  /** Has a token, or gets one. Worth doing before what may be done once only. */
  async ready(): Promise<void> {
    await this.#again(() => this.#tokens.get());
  }

  /** Nothing is waited for any more: what is under way ends with `no_answer`, and so does what is asked from now on. */
  stop(): void {
    this.#stopped.abort();
  }

  /** Asks a phone for money: at most one prompt comes of it. "Asked", not "paid". */
  async push(push: Push): Promise<{ merchantRequestId: string; checkoutRequestId: string }> {
    const { shortcode } = this.#settings;
    const answer = await this.#authorised(
      "/mpesa/stkpush/v1/processrequest",
      {
        ...this.#signed(),
        TransactionType: "CustomerPayBillOnline",
        Amount: push.amount,
        PartyA: push.msisdn,
        PartyB: shortcode,
        PhoneNumber: push.msisdn,
        CallBackURL: push.callbackUrl,
        AccountReference: push.accountReference,
        TransactionDesc: push.description,
      },
      pushAgainMsMax,
    );
    const code = z.object({ ResponseCode: z.coerce.string() }).safeParse(answer).data?.ResponseCode;
    if (code !== undefined && code !== "0")
      throw new DarajaError("refused", wordsOf(answer), { code, status: 200 });
    const read = parsed(pushAnswer, answer);
    return { merchantRequestId: read.MerchantRequestID, checkoutRequestId: read.CheckoutRequestID };
  }

  /** How a push ended; its error `500.001.1001` says "not yet". */
  async query(checkoutRequestId: string): Promise<{ code: string; description: string }> {
    const body = { ...this.#signed(), CheckoutRequestID: checkoutRequestId };
    const answer = await this.#authorised("/mpesa/stkpushquery/v1/query", body);
    const { ResultCode, ResultDesc } = parsed(queryAnswer, answer);
    return { code: ResultCode, description: ResultDesc };
  }

  /** Says where payments by Paybill are told; in production once, later through the portal. */
  async registerUrls(urls: { confirmation: string; validation: string }): Promise<JsonObject> {
    return this.#again(() =>
      this.#authorised("/mpesa/c2b/v2/registerurl", {
        ShortCode: this.shortcode,
        ResponseType: "Completed",
        ConfirmationURL: urls.confirmation,
        ValidationURL: urls.validation,
      }),
    );
  }

  /** Has Safaricom keep the list of payments that `pull` asks for. */
  async registerPull(nominatedNumber: string, callbackUrl: string): Promise<JsonObject> {
    return this.#again(() =>
      this.#authorised("/pulltransactions/v1/register", {
        ShortCode: this.shortcode,
        RequestType: "Pull",
        NominatedNumber: nominatedNumber,
        CallBackURL: callbackUrl,
      }),
    );
  }

  /** What was paid between the two, from that row on, as it came; empty: there are no more. At most 48 hours back. */
  async pull(fromMs: number, toMs: number, offset: number): Promise<unknown[]> {
    const answer = parsed(
      pullAnswer,
      await this.#again(() =>
        this.#authorised("/pulltransactions/v1/query", {
          ShortCode: this.shortcode,
          StartDate: spacedTime(fromMs),
          EndDate: spacedTime(toMs),
          OffSetValue: String(offset),
        }),
      ),
    );
    if (answer.ResponseCode === "1001") return [];
    if (answer.ResponseCode !== "1000")
      throw new DarajaError("refused", answer.ResponseMessage ?? "no rows", {
        code: answer.ResponseCode,
        status: 200,
      });
    // Lists in a list, in what was seen of it.
    const rows: unknown[] = Array.isArray(answer.Response) ? answer.Response.flat() : [];
    return rows;
  }

  /** Asks about one payment, however old; the answer comes to `answerUrl` later. Null: there is nobody to ask as. */
  async askStatus(receipt: string, answerUrl: string): Promise<JsonObject | null> {
    const { initiator } = this.#settings;
    if (!initiator) return null;
    return this.#again(() =>
      this.#authorised("/mpesa/transactionstatus/v1/query", {
        Initiator: initiator.name,
        SecurityCredential: initiator.securityCredential,
        CommandID: "TransactionStatusQuery",
        TransactionID: receipt,
        PartyA: this.shortcode,
        IdentifierType: "4",
        ResultURL: answerUrl,
        // What comes there is no final state, and says so.
        QueueTimeOutURL: answerUrl,
        Remarks: "Reconciliation",
        Occasion: "",
      }),
    );
  }

  #signed(): JsonObject {
    const { shortcode, passkey } = this.#settings;
    const timestamp = compactTime(this.#clock.nowMs());
    const password = Buffer.from(shortcode + passkey + timestamp).toString("base64");
    return { BusinessShortCode: shortcode, Password: password, Timestamp: timestamp };
  }

  /** A refused token was refused before anything was done: the same goes once more, with the next one. */
  async #authorised(path: string, body: JsonObject, againMsMax = Infinity): Promise<JsonObject> {
    const beganMs = this.#clock.monotonicMs();
    const post = (token: string) =>
      this.#exchange(path, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const token = await this.#again(() => this.#tokens.get());
    try {
      return await post(token);
    } catch (error) {
      if (!isStaleToken(error)) throw error;
      const next = await this.#again(() => this.#tokens.instead(token));
      // Refused, and nothing was done: what comes too late for whoever asked is not sent any more.
      if (this.#clock.monotonicMs() - beganMs > againMsMax) throw error;
      return post(next);
    }
  }

  async #issueToken(): Promise<Token> {
    const { consumerKey, consumerSecret } = this.#settings;
    const basic = Buffer.from(`${consumerKey}:${consumerSecret}`).toString("base64");
    const path = "/oauth/v1/generate?grant_type=client_credentials";
    const request = { method: "GET", headers: { authorization: `Basic ${basic}` } };
    const answer = await this.#exchange(path, request, tokenAnswerMsMax).catch((error: unknown) => {
      throw error instanceof DarajaError && isWrongSecrets(error)
        ? new DarajaError("wrong_secrets", "Daraja does not know the consumer key and secret.", {
            ...{ code: error.code, status: error.status, cause: error },
          })
        : error;
    });
    const { access_token: text, expires_in: expiresInSeconds } = parsed(tokenAnswer, answer);
    return { text, expiresInSeconds };
  }

  /** For what changes nothing by being asked twice. */
  async #again<T>(ask: () => Promise<T>): Promise<T> {
    for (const pauseMs of pausesMs) {
      try {
        return await ask();
      } catch (error) {
        if (!isPassing(error) || this.#stopped.signal.aborted) throw error;
        const { signal } = this.#stopped;
        await this.#clock.sleep(pauseMs * (1 + this.#ids.fraction()), signal).catch(() => undefined);
      }
    }
    return ask();
  }

  async #exchange(path: string, init: RequestInit, withinMs = answerMsMax): Promise<JsonObject> {
    const limit = new AbortController();
    const timer = this.#clock.after(withinMs, () => limit.abort());
    try {
      const response = await fetch(this.#settings.url + path, {
        ...init,
        redirect: "manual",
        signal: AbortSignal.any([limit.signal, this.#stopped.signal]),
      });
      const text = await textOf(response);
      return read(text, response.status);
    } catch (error) {
      if (error instanceof DarajaError) throw error;
      if (this.#stopped.signal.aborted)
        throw new DarajaError("no_answer", "Sautikit stops, and waits for Daraja no longer.", {
          cause: error,
        });
      if (limit.signal.aborted)
        throw new DarajaError("no_answer", `Daraja did not answer within ${withinMs} ms.`, {
          cause: error,
        });
      throw lost(error);
    } finally {
      timer.cancel();
    }
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > answerBytesMax) throw new DarajaError("not_json", "Daraja's answer has no end.", response);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function read(text: string, status: number): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new DarajaError(
      "not_json",
      `HTTP ${status}, and no JSON: ${text.replace(/\s+/g, " ").slice(0, 100)}`,
      { status },
    );
  const refused = refusal.safeParse(value).data;
  if (refused) {
    const { errorCode: code, errorMessage = "" } = refused;
    throw new DarajaError("refused", `${code}: ${errorMessage}`.slice(0, 300), { code, status });
  }
  if (status < 200 || status > 299)
    throw new DarajaError("not_json", `HTTP ${status} without Daraja's error code`, { status });
  return value as JsonObject;
}

/** Of the token alone: an error that says so, or, as was seen too, a bare 400, 401 or 403 without a word. */
const isWrongSecrets = ({ fault, code, status }: DarajaError): boolean =>
  fault === "refused"
    ? code === "400.008.01" || status === 401 || status === 403
    : fault === "not_json" && (status === 400 || status === 401 || status === 403);

function parsed<S extends z.ZodType>(schema: S, answer: JsonObject): z.output<S> {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw new DarajaError("not_json", "Daraja's answer is not the one that its documents describe.", {
    status: 200,
  });
}

function wordsOf(answer: JsonObject): string {
  const words = answer["ResponseDescription"] ?? answer["CustomerMessage"];
  return typeof words === "string" ? words.slice(0, 300) : "no words";
}

/** Failed before a byte of the request went out. */
const neverSent = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

function lost(error: unknown): DarajaError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  const code = (first as NodeJS.ErrnoException).code ?? "";
  const sent = !neverSent.has(code) && !code.startsWith("ERR_TLS") && !code.includes("CERT");
  const words = first instanceof Error ? first.message : String(first);
  return sent
    ? new DarajaError("no_answer", `The connection to Daraja ended without an answer: ${words}`, {
        cause: error,
      })
    : new DarajaError("unreachable", `Daraja cannot be reached: ${words}`, { cause: error });
}
