/** What a prompt is made of. */
export type MediaSource = AudioSource | SpeechSource;

/** http(s), a WAV or MP3 of the customer's. */
export interface AudioSource {
  url: string;
}

export interface SpeechSource {
  text: string;
  /** BCP 47. */
  language: string;
  voice: string;
}

/** A file that the switch can play. */
export interface Prepared {
  /** Absolute path, seen by the switch too. */
  file: string;
  durationMs: number;
  /** Why it is something else than was asked for: the tones that stand in for speech. */
  insteadOf?: string;
}
