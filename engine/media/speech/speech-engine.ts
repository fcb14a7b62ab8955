import type { SpeechSource } from "../media-source.ts";

/**
 * What turns a text into sound. Whatever an engine does, it settles: with audio, or with a SpeechError. No text is in a
 * message, a log line or a command line: it may be somebody's one-time password.
 */
export interface SpeechEngine {
  /** With `version` part of a rendered text's name in the cache: the audio of one engine is never taken for another's. */
  readonly name: string;
  readonly version: string;
  /**
   * A WAV or MP3, within a time limit of the engine's own. Once `signal` is aborted nobody waits for it: what has not
   * begun never begins. Throws SpeechError.
   */
  render(speech: SpeechSource, signal: AbortSignal): Promise<Uint8Array>;
  /** Ends what runs, with all its processes; what comes later is refused. */
  close(): Promise<void>;
}

/**
 * Why a text was not spoken. `busy`: too many wait; `too_long`: more audio than anybody listens to; `silent`: there was
 * nothing to be heard in it; `failed`: the engine broke down, or is not there.
 */
export type SpeechFault = "unsupported_language" | "timed_out" | "busy" | "too_long" | "silent" | "failed";

export class SpeechError extends Error {
  override readonly name = "SpeechError";
  readonly code: SpeechFault;

  constructor(code: SpeechFault, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
