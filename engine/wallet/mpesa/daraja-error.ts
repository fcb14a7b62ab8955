/**
 * What came of asking Daraja in vain: it was never reached, so nothing happened; it did not answer, so anything may have;
 * what answered was no JSON (a page of a proxy), so likewise; it refused, in its own words; it gives us no token, since
 * it does not know the consumer key and secret.
 */
export type DarajaFault = "unreachable" | "no_answer" | "not_json" | "refused" | "wrong_secrets";

export class DarajaError extends Error {
  override readonly name = "DarajaError";
  readonly fault: DarajaFault;
  /** Daraja's `errorCode`, or its `ResponseCode`. */
  readonly code: string | null;
  /** Of HTTP; 0: there was no answer. */
  readonly status: number;

  constructor(
    fault: DarajaFault,
    message: string,
    options: { code?: string | null; status?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.fault = fault;
    this.code = options.code ?? null;
    this.status = options.status ?? 0;
  }
}

/** A later try may do: nothing was decided. */
export const isPassing = (error: unknown): error is DarajaError =>
  error instanceof DarajaError &&
  error.fault !== "wrong_secrets" &&
  (error.fault !== "refused" || error.code === "500.003.02" || error.code === "500.003.03");

/** The prompt is open on the phone yet. */
export const isStillOpen = (error: unknown): boolean =>
  error instanceof DarajaError && error.code === "500.001.1001" && /process/i.test(error.message);

/** The token was refused, so nothing was done: Daraja's own code, or HTTP's (RFC 9110 §15.5.2). */
export const isStaleToken = (error: unknown): boolean =>
  error instanceof DarajaError && (error.code === "404.001.03" || error.status === 401);

/** Which of our settings a refusal of Daraja's names; null: none. One code has three meanings, which only its words tell apart. */
export const refusedSetting = (error: DarajaError): "passkey" | "shortcode" | null => {
  if (error.code !== "500.001.1001") return null;
  if (/credential/i.test(error.message)) return "passkey";
  return /merchant/i.test(error.message) ? "shortcode" : null;
};
