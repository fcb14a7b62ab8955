import type { AudioSource } from "./audio-source.ts";
import { MediaError } from "./media-error.ts";
import { isMp3, mp3Source } from "./mp3-source.ts";
import { Resampler } from "./resampler.ts";
import { isWav, wavSource } from "./wav-source.ts";

/** What the switch plays without converting: 16-bit mono at the rate of the telephone. */
export const playedSampleRate = 8000;
export const wavHeaderBytes = 44;

/** A WAV or MP3, told by its content, as pieces of 16-bit samples. Throws MediaError; the work is the CPU's alone. */
export async function* convert(bytes: Uint8Array, secondsMax: number): AsyncGenerator<Int16Array> {
  let samplesLeft = secondsMax * playedSampleRate;
  let total = 0;
  for await (const piece of resampled(sourceOf(bytes))) {
    if ((samplesLeft -= piece.length) < 0) {
      throw new MediaError("too_long", `The audio is longer than ${secondsMax} s.`);
    }
    total += piece.length;
    yield Int16Array.from(piece, (sample) =>
      Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768))),
    );
  }
  if (total === 0) throw new MediaError("not_audio", "There is not one sample of audio in the file.");
}

function sourceOf(bytes: Uint8Array): AudioSource {
  if (isWav(bytes)) return wavSource(bytes);
  if (isMp3(bytes)) return mp3Source(bytes);
  throw new MediaError("not_audio", "The file is neither WAV nor MP3.");
}

/** A stream of MP3 frames may change its rate. */
async function* resampled(source: AudioSource): AsyncGenerator<Float32Array> {
  let current: { sampleRate: number; resampler: Resampler } | null = null;
  for await (const { sampleRate, mono } of source) {
    if (current && current.sampleRate !== sampleRate) {
      yield current.resampler.end();
      current = null;
    }
    if (sampleRate === playedSampleRate) {
      yield mono;
    } else {
      current ??= { sampleRate, resampler: new Resampler(sampleRate, playedSampleRate) };
      yield current.resampler.push(mono);
    }
  }
  if (current) yield current.resampler.end();
}

/** Of 16-bit mono. */
export function wavHeader(dataBytes: number, sampleRate = playedSampleRate): Buffer {
  const header = Buffer.alloc(wavHeaderBytes);
  header.write("RIFF", 0, "latin1");
  header.writeUInt32LE(36 + dataBytes, 4);
  header.write("WAVEfmt ", 8, "latin1");
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36, "latin1");
  header.writeUInt32LE(dataBytes, 40);
  return header;
}
