import alawmulaw from "alawmulaw";

/** The two laws of G.711: 160 samples of 16-bit PCM to 160 bytes, and back. */
export interface G711 {
  encode(pcm: Int16Array): Uint8Array;
  decode(bytes: Uint8Array): Int16Array;
}

export const g711: Readonly<Record<"PCMU" | "PCMA", G711>> = {
  PCMU: alawmulaw.mulaw,
  PCMA: alawmulaw.alaw,
};

export const sampleRateHz = 8000;
export const frameMs = 20;
export const frameSamples = 160;
