/** Decoded audio, mixed down to one channel, full scale ±1, in pieces of moderate size. */
export interface AudioPiece {
  sampleRate: number;
  mono: Float32Array;
}

export type AudioSource = Iterable<AudioPiece> | AsyncIterable<AudioPiece>;
