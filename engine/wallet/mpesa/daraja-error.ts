/**
 * What came of asking Daraja in vain: it was never reached, so nothing happened; it did not answer, so anything may have;
 * what answered was no JSON (a page of a proxy), so likewise; it refused, in its own words.
 */
export type DarajaFault = "unreachable" | "no_answer" | "not_json" | "refused";

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
  (error.fault !== "refused" || error.code === "500.003.02" || error.code === "500.003.03");

/** The prompt is open on the phone yet. */
export const isStillOpen = (error: unknown): boolean =>
  error instanceof DarajaError && error.code === "500.001.1001" && /process/i.test(error.message);

export const isStaleToken = (error: unknown): boolean =>
  error instanceof DarajaError && error.code === "404.001.03";
