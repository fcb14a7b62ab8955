import { sampleRateHz } from "./g711.ts";

/** Below this a party is silent: G.711's own noise lies under it. */
const silenceDbfs = -50;

/** Level of one frequency in dB against a full-scale sine. */
export const levelDbfs = (samples: Int16Array, hz: number, rateHz = sampleRateHz): number =>
  goertzelDbfs(hann(samples), hz, rateHz);

/**
 * The loudest frequency between 100 and 3,400 Hz, to 2 Hz, or null in silence. Looks coarsely at the loudest tenth of
 * a second, then finely at the quarter of a second that begins there: under 1 ms of work for a second of sound.
 */
export function dominantTone(
  samples: Int16Array,
  rateHz = sampleRateHz,
): { hz: number; levelDbfs: number } | null {
  const start = loudest(samples, rateHz / 10);
  const coarse = hann(samples.subarray(start, start + rateHz / 10));
  const rough = strongest(coarse, { fromHz: 100, toHz: 3400, stepHz: 10, rateHz });
  if (rough.levelDbfs < silenceDbfs) return null;
  const fineStart = Math.max(0, Math.min(start, samples.length - rateHz / 4));
  const fine = hann(samples.subarray(fineStart, fineStart + rateHz / 4));
  return strongest(fine, { fromHz: rough.hz - 10, toHz: rough.hz + 10, stepHz: 1, rateHz });
}

/** Fades both ends of the stretch, so that one tone does not spill over all frequencies. */
function hann(samples: Int16Array): Float64Array {
  const turn = (2 * Math.PI) / samples.length;
  return Float64Array.from(samples, (sample, i) => sample * (0.5 - 0.5 * Math.cos(turn * i)));
}

function goertzelDbfs(windowed: Float64Array, hz: number, rateHz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / rateHz);
  let before = 0;
  let last = 0;
  for (const sample of windowed) {
    const next = sample + coefficient * last - before;
    before = last;
    last = next;
  }
  const power = last * last + before * before - coefficient * last * before;
  // Half of the weight is lost to the window, half of a sine's amplitude to its mirror image.
  const amplitude = (4 * Math.sqrt(Math.max(0, power))) / windowed.length;
  return 20 * Math.log10(Math.max(amplitude, 1e-3) / 32767);
}

function strongest(
  windowed: Float64Array,
  { fromHz, toHz, stepHz, rateHz }: { fromHz: number; toHz: number; stepHz: number; rateHz: number },
): { hz: number; levelDbfs: number } {
  let best = { hz: fromHz, levelDbfs: -Infinity };
  for (let hz = fromHz; hz <= toHz; hz += stepHz) {
    const level = goertzelDbfs(windowed, hz, rateHz);
    if (level > best.levelDbfs) best = { hz, levelDbfs: level };
  }
  return best;
}

/** Where the stretch of `length` samples with the most energy begins. */
function loudest(samples: Int16Array, length: number): number {
  let best = { start: 0, energy: -1 };
  for (let start = 0; start + length <= samples.length; start += length) {
    let energy = 0;
    for (const sample of samples.subarray(start, start + length)) energy += sample * sample;
    if (energy > best.energy) best = { start, energy };
  }
  return best.start;
}
