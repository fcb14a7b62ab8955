/** How the stand-in, and whoever holds the phone, treat a push. Times in ms. */
export interface Behaviour {
  /** For people: the table of docs/mpesa.md is made of these. */
  readonly description: string;
  /**
   * What the push is answered: `accept`; `refuse`; `html`, a page instead of JSON, and nobody is asked; or, with the prompt
   * on its way, `no_answer` and `html_but_asked`. `lost`: no answer, and nobody is asked.
   */
  readonly push: "accept" | "refuse" | "html" | "html_but_asked" | "no_answer" | "lost";
  readonly refusal: { readonly status: number; readonly code: string; readonly message: string };
  /** The token that came with it was ended by somebody else's. */
  readonly revokesToken: boolean;
  /** How the prompt ends, and after how long. */
  readonly result: string;
  readonly afterMs: number;
  /** How often the callback comes, and how long after the end the first does; the others follow by as much. */
  readonly callbacks: number;
  readonly callbackDelayMs: number;
  /** The payment by Paybill that is told of too, where addresses are registered. */
  readonly confirmation: "after" | "before" | "none";
  /** Shillings that the records have more than was asked for. */
  readonly amountOff: number;
  readonly query: "true" | "contradicts" | "open";
}

export const pays: Behaviour = {
  description: "pays after 1 s",
  push: "accept",
  refusal: {
    status: 500,
    code: "500.001.1001",
    message: "Unable to lock subscriber, a transaction is already in process",
  },
  revokesToken: false,
  result: "0",
  afterMs: 1000,
  callbacks: 1,
  callbackDelayMs: 0,
  confirmation: "after",
  amountOff: 0,
  query: "true",
};

export const resultWords: Readonly<Record<string, string>> = {
  "0": "The service request is processed successfully.",
  "1": "The balance is insufficient for the transaction.",
  "17": "Rule limited.",
  "26": "Traffic blocking condition in place.",
  "1001": "Unable to lock subscriber, a transaction is already in process for the current subscriber",
  "1019": "Transaction has expired.",
  "1025": "An error occurred while sending a push request.",
  "1032": "Request cancelled by user.",
  "1037": "DS timeout user cannot be reached.",
  "2001": "The initiator information is invalid.",
  "2028": "The request is not permitted according to product assignment.",
  "9999": "An error occurred while sending a push request.",
};

const ends = (result: string, description: string): Behaviour => ({ ...pays, result, description });
const does = (description: string, more: Partial<Behaviour>): Behaviour => ({
  ...pays,
  ...more,
  description,
});

/** Phones with a behaviour of their own. The last four digits of those that do not pay are the result's code. */
export const magicPhones: Readonly<Record<string, Behaviour>> = {
  "+254700000001": ends("1", "has not enough money"),
  "+254700000017": ends("17", "has just paid the same amount"),
  "+254700000026": ends("26", "finds M-Pesa busy"),
  "+254700001001": ends("1001", "has another M-Pesa request open"),
  "+254700001019": ends("1019", "does not enter the PIN in time"),
  "+254700001025": ends("1025", "cannot be sent the prompt"),
  "+254700001032": ends("1032", "cancels the prompt"),
  "+254700001037": ends("1037", "cannot be reached"),
  "+254700002001": ends("2001", "enters a wrong PIN"),
  "+254700003001": does("pays; the callback comes three times", { callbacks: 3, callbackDelayMs: 500 }),
  "+254700003002": does("pays; the callback comes two minutes late, and the Paybill's confirmation never", {
    ...{ callbackDelayMs: 120_000, confirmation: "none" },
  }),
  "+254700003003": does("pays; neither callback nor confirmation ever comes", {
    callbacks: 0,
    confirmation: "none",
  }),
  "+254700003004": does("pays; the Paybill's confirmation comes before the callback", {
    ...{ callbackDelayMs: 1000, confirmation: "before" },
  }),
  "+254700003005": does("pays; only the Paybill's confirmation comes", { callbacks: 0 }),
  "+254700003006": does("pays, and the records have KES 1 more than was asked for", { amountOff: 1 }),
  "+254700003007": does("pays; the query says that it was cancelled, and the callback is two minutes late", {
    ...{ query: "contradicts", callbackDelayMs: 120_000, confirmation: "none" },
  }),
  "+254700003008": does("pays; the push finds its token ended by another client's", { revokesToken: true }),
  "+254700003009": does("cannot be asked: the subscriber is locked (500.001.1001)", { push: "refuse" }),
  "+254700003010": does("pays; the push is not answered", { push: "no_answer" }),
  "+254700003011": does("is never asked; a proxy's page answers in place of Daraja", { push: "html" }),
  "+254700003012": does("pays; a proxy's page answers in place of Daraja", { push: "html_but_asked" }),
  "+254700003013": does("is never asked, and nobody answers", { push: "lost" }),
};
