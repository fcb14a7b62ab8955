import alawmulaw from "alawmulaw";
import { Resampler } from "../media/resampler.ts";

/** What the switch sends and takes: 16-bit linear PCM at 8 kHz, 20 ms a frame. */
export const frameSamples = 160;
export const frameMs = 20;
export const sampleRateHz = 8000;

export type BotRate = 8000 | 16_000;

/** `mediaFormat` in `start`. What the bot sends back is in the same format. */
export const mediaFormatOf = (rate: BotRate) => ({
  encoding: rate === 8000 ? "audio/x-mulaw" : "audio/x-l16",
  sampleRate: rate,
  channels: 1,
});

/** One direction of one track: what was resampled before is not forgotten between frames. */
export interface Coder {
  encode(pcm: Int16Array): Buffer;
  decode(bytes: Buffer): Int16Array;
}

export function createCoder(rate: BotRate): Coder {
  if (rate === 8000)
    return {
      encode: (pcm) => Buffer.from(alawmulaw.mulaw.encode(pcm)),
      decode: (bytes) => alawmulaw.mulaw.decode(bytes),
    };
  const up = new Resampler(sampleRateHz, rate);
  const down = new Resampler(rate, sampleRateHz);
  // Half a sample at the end of a message belongs to the next.
  let held: Buffer = Buffer.alloc(0);
  return {
    encode: (pcm) => bytesOf(toInts(up.push(toFloats(pcm)))),
    decode(bytes) {
      const all = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      const even = all.length - (all.length % 2);
      held = all.subarray(even);
      return toInts(down.push(toFloats(pcmOf(all.subarray(0, even)))));
    },
  };
}

/** Little-endian. */
export function pcmOf(bytes: Buffer): Int16Array {
  const pcm = new Int16Array(Math.floor(bytes.length / 2));
  for (let i = 0; i < pcm.length; i++) pcm[i] = bytes.readInt16LE(i * 2);
  return pcm;
}

export function bytesOf(pcm: Int16Array): Buffer {
  const bytes = Buffer.allocUnsafe(pcm.length * 2);
  for (let i = 0; i < pcm.length; i++) bytes.writeInt16LE(pcm[i] ?? 0, i * 2);
  return bytes;
}

const toFloats = (pcm: Int16Array) => Float32Array.from(pcm, (sample) => sample / 0x8000);

const toInts = (floats: Float32Array) =>
  Int16Array.from(floats, (value) => Math.max(-0x8000, Math.min(0x7fff, Math.round(value * 0x8000))));
