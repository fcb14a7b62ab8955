/** What a result means for a top-up, and what the customer is told. */
export interface Result {
  state: "failed" | "cancelled" | "unknown";
  reason: string;
  /** The prompt ran out: shown as expired. */
  expired?: true;
  /** Somebody here has to mend something. */
  alert?: true;
}

const failed = (reason: string): Result => ({ state: "failed", reason });
const ours =
  "M-Pesa does not let us ask for this payment just now; we are looking into it. Pay by Paybill instead.";
const notSent = "M-Pesa could not send the prompt to the phone. Try again in a minute.";

/** Daraja's results of a push, by code; docs/mpesa.md is written from this. */
export const resultCodes: Readonly<Record<string, Result>> = {
  "1": failed("There was not enough money on the M-Pesa account. Add some, or ask for less, and try again."),
  "2": failed("The amount is less than M-Pesa lets this phone pay at once."),
  "3": failed("The amount is more than M-Pesa lets this phone pay at once."),
  "4": failed(
    "The payment would pass the phone's daily M-Pesa limit. Try again tomorrow, or with another phone.",
  ),
  "8": failed("The payment would pass an M-Pesa balance limit. Ask for less, or use another phone."),
  "17": failed("The same amount was paid from this phone a moment ago. Wait two minutes, then try again."),
  "26": failed("M-Pesa is busy. Try again in a few minutes."),
  "1001": failed("Another M-Pesa request is open on the phone. Finish it, wait a minute, then try again."),
  "1019": { state: "failed", reason: "Nobody entered the PIN in time.", expired: true },
  "1025": failed(notSent),
  "1031": { state: "cancelled", reason: "The prompt was cancelled on the phone, or ran out there." },
  "1032": { state: "cancelled", reason: "The prompt was cancelled on the phone, or ran out there." },
  "1037": {
    state: "unknown",
    reason: "The phone could not be reached, or nobody answered. Should the payment come, it is credited.",
  },
  "2001": failed("The M-Pesa PIN was wrong. Try again with the right one."),
  "2028": { ...failed(ours), alert: true },
  "8006": {
    ...failed(
      "M-Pesa has locked this phone's PIN or account. Its owner can call Safaricom, or use another phone.",
    ),
    alert: true,
  },
  SFC_IC0003: { ...failed(ours), alert: true },
  "9999": failed(notSent),
};

/** Null: it was paid. What is not in the table has failed, in Safaricom's own words. */
export function resultOf(code: string, description: string): Result | null {
  if (code === "0") return null;
  const words = description
    .replace(/\p{Cc}/gu, " ")
    .trim()
    .slice(0, 200)
    .replace(/\.$/, "");
  return (
    resultCodes[code] ?? failed(`M-Pesa refused it: ${words === "" ? `code ${code.slice(0, 20)}` : words}.`)
  );
}

/** What the customer is told where a push never got as far as a result; docs/mpesa.md has these too. */
export const pushFailures = {
  ours,
  notSent,
  phone: "M-Pesa does not know the phone, or it cannot be asked.",
  busyPhone: "Another M-Pesa request is open on the phone. Wait a minute, then try again.",
  busy: "M-Pesa is busy. Try again in a few minutes.",
  unreachable: "M-Pesa could not be reached; nothing was sent to the phone. Try again, or pay by Paybill.",
  noAnswer:
    "M-Pesa did not say whether the prompt went out. Should a payment come, it is credited; look at the phone before " +
    "you try again.",
  expired: "M-Pesa never told how it ended. Should a payment come, it is credited.",
  paidWithoutRecord:
    "M-Pesa says that it was paid, and its record has not come yet. It is credited when it does; support can find it by " +
    "the receipt in the confirmation SMS.",
  mismatch: "M-Pesa tells of another amount than was asked for. Support settles it; nothing is lost.",
} as const;
