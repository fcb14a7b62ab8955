import type { JsonObject } from "../../json.ts";
import { resultWords } from "./behaviours.ts";
import type { Book, PromptSent } from "./book.ts";

/** What is answered; null: nothing, and the connection is closed. */
export type Answer = { status: number; body: JsonObject | string } | null;

const forbidden = /mpesa|m-pesa|safaricom|exe|cmd|sql|query/i;
const page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
const htmlPage: Answer = { status: 502, body: page };
const pageRows = 500;

/** Daraja's own paths, as far as Sautikit uses them. */
export function requestsOf(book: Book) {
  const refuse = (status: number, errorCode: string, errorMessage: string): Answer => ({
    status,
    body: { requestId: `sim-${book.prompts.length}-${book.tokensIssued}`, errorCode, errorMessage },
  });
  const badField = (field: string) => refuse(400, "400.002.02", `Bad Request - Invalid ${field}`);

  return {
    /** `GET /oauth/v1/generate`. */
    token(grantType: string | null, authorization: string | undefined): Answer {
      const { consumerKey, consumerSecret } = book.settings;
      const basic = Buffer.from(`${consumerKey}:${consumerSecret}`).toString("base64");
      if (!authorization?.startsWith("Basic "))
        return refuse(400, "400.008.01", "Invalid Authentication passed");
      if (grantType !== "client_credentials") return refuse(400, "400.008.02", "Invalid grant type passed");
      book.tokensAsked++;
      if (authorization !== `Basic ${basic}`)
        return refuse(400, "400.008.01", "Invalid Authentication passed");
      return { status: 200, body: { access_token: book.issueToken(), expires_in: "3599" } };
    },

    /** Everything else. */
    async post(path: string, authorization: string | undefined, body: JsonObject): Promise<Answer> {
      const spoilt = book.spoilt.shift();
      if (spoilt === "html") return htmlPage;
      if (spoilt === "drop") return null;
      if (spoilt === "spike") return refuse(500, "500.003.02", "Error Occurred: Spike Arrest Violation");
      const { PhoneNumber } = body;
      const msisdn = typeof PhoneNumber === "string" ? PhoneNumber : "";
      const isPush = path === "/mpesa/stkpush/v1/processrequest";
      const revoked = isPush && book.behaviourOf(msisdn).revokesToken && book.tokensIssued === 1;
      if (revoked || spoilt === "stale_token") book.token = null;
      if (spoilt === "unauthorised") book.token = null;
      if (book.token === null || authorization !== `Bearer ${book.token}`) {
        book.tokensRefused++;
        // Its gateway was seen to say it by HTTP as well.
        return spoilt === "unauthorised"
          ? refuse(401, "401.002.01", "Error Occurred - Invalid Access Token")
          : refuse(404, "404.001.03", "Invalid Access Token");
      }
      switch (path) {
        case "/mpesa/stkpush/v1/processrequest":
          return push(body, msisdn);
        case "/mpesa/stkpushquery/v1/query":
          return query(body);
        case "/mpesa/c2b/v2/registerurl":
          return registerUrls(body);
        case "/mpesa/c2b/v2/simulate":
          return simulate(body);
        case "/mpesa/transactionstatus/v1/query":
          return status(body);
        case "/pulltransactions/v1/register":
          return {
            status: 200,
            body: { ResponseRefID: "sim", ResponseStatus: "1000", ResponseDescription: "Registered" },
          };
        case "/pulltransactions/v1/query":
          return pull(body);
        default:
          return refuse(404, "404.001.01", "Resource not found");
      }
    },
  };

  function signed(body: JsonObject): Answer {
    const { shortcode, passkey } = book.settings;
    const { Timestamp } = body;
    if (typeof Timestamp !== "string" || !/^20\d{12}$/.test(Timestamp)) return badField("Timestamp");
    if (body["BusinessShortCode"] !== shortcode)
      return refuse(500, "500.001.1001", "Merchant does not exist");
    const password = Buffer.from(shortcode + passkey + Timestamp).toString("base64");
    return body["Password"] === password ? null : refuse(500, "500.001.1001", "Wrong credentials");
  }

  function push(body: JsonObject, msisdn: string): Answer {
    const unsigned = signed(body);
    if (unsigned) return unsigned;
    const { Amount, AccountReference, TransactionDesc, CallBackURL, PartyA, PartyB, TransactionType } = body;
    if (typeof Amount !== "number" || !Number.isInteger(Amount) || Amount < 1) return badField("Amount");
    if (!/^254[71]\d{8}$/.test(msisdn) || PartyA !== msisdn) return badField("PhoneNumber");
    if (TransactionType !== "CustomerPayBillOnline" || PartyB !== book.settings.shortcode)
      return badField("PartyB");
    if (!isText(AccountReference, 12)) return badField("AccountReference");
    if (!isText(TransactionDesc, 13)) return badField("TransactionDesc");
    if (!isText(CallBackURL, 500) || !isAddress(CallBackURL)) return badField("CallBackURL");
    const { push: how, refusal } = book.behaviourOf(msisdn);
    if (how === "refuse") return refuse(refusal.status, refusal.code, refusal.message);
    if (how === "html") return htmlPage;
    if (how === "lost") return null;
    const sent = book.prompt({ msisdn, amount: Amount, account: AccountReference, callbackUrl: CallBackURL });
    if (how === "no_answer") return null;
    return how === "html_but_asked" ? htmlPage : { status: 200, body: pushAccepted(sent) };
  }

  function query(body: JsonObject): Answer {
    const unsigned = signed(body);
    if (unsigned) return unsigned;
    const sent = book.prompts.find((one) => one.checkoutRequestId === body["CheckoutRequestID"]);
    if (!sent) return badField("CheckoutRequestID");
    const { query: how } = sent.behaviour;
    if (sent.result === null || how === "open")
      return refuse(500, "500.001.1001", "The transaction is being processed");
    const code = how === "true" ? sent.result : sent.result === "0" ? "1032" : "0";
    return {
      status: 200,
      body: {
        ResponseCode: "0",
        ResponseDescription: "The service request has been accepted successsfully",
        MerchantRequestID: sent.merchantRequestId,
        CheckoutRequestID: sent.checkoutRequestId,
        ResultCode: code,
        ResultDesc: resultWords[code] ?? "Failed.",
      },
    };
  }

  function registerUrls(body: JsonObject): Answer {
    const { ShortCode, ResponseType, ConfirmationURL, ValidationURL } = body;
    if (ShortCode !== book.settings.shortcode) return badField("ShortCode");
    if (ResponseType !== "Completed" && ResponseType !== "Cancelled") return badField("ResponseType");
    if (!isText(ConfirmationURL, 500) || !isAddress(ConfirmationURL)) return badField("ConfirmationURL");
    if (!isText(ValidationURL, 500) || !isAddress(ValidationURL)) return badField("ValidationURL");
    book.urls = { confirmation: ConfirmationURL, validation: ValidationURL };
    // Spelt as Daraja spells it.
    return {
      status: 200,
      body: { OriginatorCoversationID: "sim-1", ResponseCode: "0", ResponseDescription: "Success" },
    };
  }

  async function simulate(body: JsonObject): Promise<Answer> {
    const { Amount, Msisdn, BillRefNumber } = body;
    if (typeof Amount !== "number" || !isText(BillRefNumber, 20)) return badField("Amount");
    if (!isText(Msisdn, 12)) return badField("Msisdn");
    await book.payBill({ account: BillRefNumber, amount: Amount.toFixed(2), msisdn: Msisdn });
    return {
      status: 200,
      body: {
        OriginatorCoversationID: "sim-2",
        ResponseCode: "0",
        ResponseDescription: "Accept the service request successfully.",
      },
    };
  }

  function status(body: JsonObject): Answer {
    const { Initiator, SecurityCredential, CommandID, TransactionID, PartyA, IdentifierType, ResultURL } =
      body;
    if (!isText(Initiator, 100) || !isText(SecurityCredential, 1000)) return badField("Initiator");
    if (CommandID !== "TransactionStatusQuery" || IdentifierType !== "4") return badField("CommandID");
    if (PartyA !== book.settings.shortcode) return badField("PartyA");
    if (!isText(TransactionID, 20)) return badField("TransactionID");
    if (!isText(ResultURL, 500) || !isAddress(ResultURL)) return badField("ResultURL");
    book.status(TransactionID, ResultURL);
    const said = { ResponseCode: "0", ResponseDescription: "Accept the service request successfully." };
    return { status: 200, body: { OriginatorConversationID: "sim-3", ConversationID: "sim-4", ...said } };
  }

  function pull(body: JsonObject): Answer {
    const [from, to] = [body["StartDate"], body["EndDate"]].map(readTime);
    const offset = Number(body["OffSetValue"]);
    if (from === undefined || to === undefined || Number.isNaN(from + to)) return badField("StartDate");
    if (!Number.isInteger(offset) || offset < 0) return badField("OffSetValue");
    const reach = book.clock.nowMs() - 48 * 3_600_000;
    const rows = book.payments
      .filter(({ atMs }) => atMs >= Math.max(from, reach) && atMs <= to)
      .slice(offset, offset + pageRows);
    const ResponseRefID = `sim-${offset}`;
    if (rows.length === 0)
      return {
        status: 200,
        body: { ResponseRefID, ResponseCode: "1001", ResponseMessage: "No transactions", Response: [] },
      };
    const Response = rows.map((row) => {
      const odd = book.oddRows.get(row.receipt);
      if (odd !== undefined) return odd;
      return {
        transactionId: row.receipt,
        trxDate: new Date(row.atMs).toISOString(),
        msisdn: row.msisdn,
        sender: "MPESA",
        transactiontype: "c2b-pay-bill-debit",
        billreference: row.account,
        amount: row.amount,
        organizationname: "Sautikit",
      };
    });
    return {
      status: 200,
      body: { ResponseRefID, ResponseCode: "1000", ResponseMessage: "Success", Response: [Response] },
    };
  }
}

const pushAccepted = (sent: PromptSent): JsonObject => ({
  MerchantRequestID: sent.merchantRequestId,
  CheckoutRequestID: sent.checkoutRequestId,
  ResponseCode: "0",
  ResponseDescription: "Success. Request accepted for processing",
  CustomerMessage: "Success. Request accepted for processing",
});

const isText = (value: unknown, max: number): value is string =>
  typeof value === "string" && value !== "" && value.length <= max;

/** Https, but for this machine. */
function isAddress(text: string): boolean {
  const url = URL.parse(text);
  if (!url || forbidden.test(text)) return false;
  return (
    url.protocol === "https:" || (url.protocol === "http:" && /^(127\.|localhost|\[::1\])/.test(url.hostname))
  );
}

/** `2026-11-24 10:15:00` of East Africa. */
const readTime = (text: unknown): number =>
  typeof text === "string" ? Date.parse(`${text.replace(" ", "T")}+03:00`) : NaN;
