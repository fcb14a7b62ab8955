import { SautikitError, type ErrorCode } from "../errors.ts";

/** Every reason for which a leg is not dialled, with the code that tells it. */
export const refusalCodes = {
  draining: "shutting_down",
  frozen: "workspace.frozen",
  address_banned: "sip.address_banned",
  credential_banned: "sip.credential_banned",
  no_rate: "calls.destination_not_allowed",
  caller_id: "calls.caller_id_not_owned",
  destination: "calls.destination_not_allowed",
  country: "calls.destination_not_allowed",
  refused_prefix: "calls.destination_refused",
  sip_destination: "sip.destination_not_allowed",
  rate_too_high: "calls.rate_too_high",
  outside_window: "calls.outside_window",
  insufficient_funds: "wallet.insufficient_funds",
  spend_cap: "calls.spend_cap",
  concurrency: "calls.concurrency_limit",
  calls_per_second: "calls.rate_limit",
  credential_concurrency: "sip.concurrency_limit",
  credential_calls_per_second: "sip.rate_limit",
  short_calls: "calls.velocity",
  number_range: "calls.velocity",
  new_country: "calls.velocity",
} as const satisfies Record<string, ErrorCode>;

export type RefusalReason = keyof typeof refusalCodes;
export const refusalReasons = Object.keys(refusalCodes) as [RefusalReason, ...RefusalReason[]];

/** Whoever asks for a leg: a request, a running call's `dial`, or a device that calls. */
export const refusalSources = ["api", "dial", "device"] as const;
export type RefusalSource = (typeof refusalSources)[number];

export interface RefusedNumber {
  /** What the customer called the number: `to[0]`. */
  field: string;
  /** Or a SIP URI. */
  e164: string;
}

/** That a leg is not dialled, for a reason of the policy; to be noted once the refusing transaction is over. */
export class CallRefused extends SautikitError {
  readonly reason: RefusalReason;
  /** The number at fault; null: it is not about one. */
  readonly number: string | null;

  constructor(
    reason: RefusalReason,
    message?: string,
    options: {
      number?: RefusedNumber;
      /** Of the number at fault. */
      fieldCode?: string;
      fieldMessage?: string;
      retryAfterSeconds?: number;
    } = {},
  ) {
    const { number, fieldCode = reason, fieldMessage = message ?? reason, retryAfterSeconds } = options;
    super(refusalCodes[reason], message, {
      ...(number ? { fields: [{ field: number.field, code: fieldCode, message: fieldMessage }] } : {}),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    });
    this.reason = reason;
    this.number = number?.e164 ?? null;
  }
}

/** The refusal that an error is, or tells in other words. */
export function refusalIn(error: unknown): CallRefused | null {
  if (error instanceof CallRefused) return error;
  return error instanceof SautikitError && error.cause instanceof CallRefused ? error.cause : null;
}
