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

export class MediaError extends Error {
  override readonly name = "MediaError";
  readonly code: MediaFault;

  constructor(code: MediaFault, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
