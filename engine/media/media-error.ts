import type { EgressFault } from "../egress/egress-error.ts";

/**
 * Why a customer's audio cannot be played. `unsupported`: a WAV of a coding that we do not read; `busy`: too many wait
 * to be fetched or converted; `failed`: converting it took too long, or our disk would not have it; `media_not_found`: a URL of ours
 * that leads to no prompt of the call's workspace; `storage_failed`: the storage would not give the prompt.
 */
export type MediaFault =
  | "fetch_failed"
  | "too_large"
  | "too_long"
  | "not_audio"
  | "unsupported"
  | "busy"
  | "failed"
  | "media_not_found"
  | "storage_failed";

/** What the server that was to give the audio did: its HTTP status, or why there was no answer. */
export interface MediaOrigin {
  status: number | null;
  fault: EgressFault | null;
}

export class MediaError extends Error {
  override readonly name = "MediaError";
  readonly code: MediaFault;
  /** Of `fetch_failed`. */
  readonly origin: MediaOrigin | undefined;

  constructor(
    code: MediaFault,
    message: string,
    { origin, ...options }: { cause?: unknown; origin?: MediaOrigin } = {},
  ) {
    super(message, options);
    this.code = code;
    this.origin = origin;
  }
}
