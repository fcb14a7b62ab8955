import { frameSamples, sampleRateHz } from "./g711.ts";
import type { FrameSource } from "./session.ts";

export interface Tone {
  /** One or more sines, added up. */
  hz: number | readonly number[];
  /** Of each sine, in dB below a full-scale one; -12 is about the loudness of speech. */
  levelDbfs?: number;
  /** On, off, on, off … in ms, over and over; without it the tone is continuous. */
  cadenceMs?: readonly number[];
}

/** An endless source of that tone; silence, not null, in its pauses. */
export function toneSource({ hz, levelDbfs = -12, cadenceMs }: Tone): FrameSource {
  const frequencies = typeof hz === "number" ? [hz] : hz;
  const amplitude = 32767 * 10 ** (levelDbfs / 20);
  const soundsAt = cadence(cadenceMs);
  let sample = 0;
  return () => {
    const pcm = new Int16Array(frameSamples);
    for (let i = 0; i < frameSamples; i += 1, sample += 1) {
      if (!soundsAt(sample)) continue;
      let sum = 0;
      for (const frequency of frequencies) sum += sine(frequency, sample);
      pcm[i] = Math.max(-32768, Math.min(32767, Math.round(amplitude * sum)));
    }
    return pcm;
  };
}

/** Endless white noise, the same at every run. */
export function noiseSource(levelDbfs: number): FrameSource {
  // A uniform distribution's root mean square is its peak over the root of 3.
  const peak = 32767 * 10 ** (levelDbfs / 20) * Math.sqrt(3);
  let state = 1;
  return () =>
    Int16Array.from({ length: frameSamples }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.round((state / 2 ** 31 - 1) * peak);
    });
}

/** The frames of some samples, the last filled up with silence; then null for ever. */
export function samplesSource(samples: Int16Array): FrameSource {
  let start = 0;
  return () => {
    if (start >= samples.length) return null;
    const pcm = new Int16Array(frameSamples);
    pcm.set(samples.subarray(start, start + frameSamples));
    start += frameSamples;
    return pcm;
  };
}

/** Whole frequencies repeat every second, so the phase is kept exact however long the tone lasts. */
const sine = (hz: number, sample: number): number =>
  Math.sin(2 * Math.PI * (((hz * (sample % sampleRateHz)) / sampleRateHz) % 1));

function cadence(stepsMs: readonly number[] | undefined): (sample: number) => boolean {
  if (!stepsMs) return () => true;
  const periodMs = stepsMs.reduce((sum, step) => sum + step, 0);
  return (sample) => {
    let rest = ((sample * 1000) / sampleRateHz) % periodMs;
    for (const [index, step] of stepsMs.entries()) {
      if (rest < step) return index % 2 === 0;
      rest -= step;
    }
    return false;
  };
}
