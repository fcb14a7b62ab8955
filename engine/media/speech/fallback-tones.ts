import { playedSampleRate, wavHeader } from "../convert.ts";

/** The special information tone, ITU-T E.180 §7: three rising tones of a third of a second. */
const tonesHz = [950, 1400, 1800];
const toneMs = 330;
const gapMs = 30;
/** −12 dBFS: as loud as speech. */
const amplitude = 0.25;
/** Each tone swells and fades for so long, lest it click. */
const fadeMs = 5;

/** What is heard where speech fails: a WAV of 1.05 s, as the switch plays it. */
export function fallbackTones(): Uint8Array {
  const samples = tonesHz.flatMap((hz, index) => [...(index > 0 ? silence() : []), ...tone(hz)]);
  const data = Buffer.from(Int16Array.from(samples).buffer);
  return Buffer.concat([wavHeader(data.length), data]);
}

const samplesIn = (ms: number) => (ms * playedSampleRate) / 1000;

const silence = () => Array<number>(samplesIn(gapMs)).fill(0);

const tone = (hz: number) =>
  Array.from({ length: samplesIn(toneMs) }, (_, at) => {
    const fromEdge = Math.min(at, samplesIn(toneMs) - 1 - at);
    const swell = Math.min(1, fromEdge / samplesIn(fadeMs));
    return 32_767 * amplitude * swell * Math.sin((2 * Math.PI * hz * at) / playedSampleRate);
  });
