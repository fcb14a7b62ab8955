/**
 * Why a customer's audio cannot be played. `unsupported`: a WAV of a coding that we do not read; `busy`: too many wait
 * to be converted; `failed`: converting it took too long, or our disk would not have it.
 */
export type MediaFault =
  "fetch_failed" | "too_large" | "too_long" | "not_audio" | "unsupported" | "busy" | "failed";

export class MediaError extends Error {
  override readonly name = "MediaError";
  readonly code: MediaFault;

  constructor(code: MediaFault, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
