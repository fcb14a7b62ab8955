import alawmulaw from "alawmulaw";
import type { AudioPiece } from "./audio-source.ts";
import { MediaError } from "./media-error.ts";

const framesPerPiece = 65_536;
const sampleRateMin = 1000;
const sampleRateMax = 192_000;
const channelsMax = 8;

export function isWav(bytes: Uint8Array): boolean {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.toString("latin1", 0, 4) === "RIFF" && view.toString("latin1", 8, 12) === "WAVE";
}

/** A RIFF WAVE of PCM (8, 16, 24, 32 bits), float (32, 64), A-law or µ-law; a file that was cut off plays so far. */
export function* wavSource(bytes: Uint8Array): Generator<AudioPiece> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { format, data } = chunksOf(file);
  const read = readerOf(format);
  const { channels, blockBytes, sampleRate } = format;
  const frames = Math.floor(data.length / blockBytes);
  for (let first = 0; first < frames; first += framesPerPiece) {
    const mono = new Float32Array(Math.min(framesPerPiece, frames - first));
    for (let frame = 0; frame < mono.length; frame++) {
      let sum = 0;
      const at = (first + frame) * blockBytes;
      for (let channel = 0; channel < channels; channel++) {
        sum += read(data, at + channel * format.sampleBytes);
      }
      mono[frame] = sum / channels;
    }
    yield { sampleRate, mono };
  }
}

interface Format {
  /** WAVE_FORMAT_…: 1 PCM, 3 float, 6 A-law, 7 µ-law. */
  tag: number;
  channels: number;
  sampleRate: number;
  blockBytes: number;
  sampleBytes: number;
}

/** RIFF chunks begin at even offsets. A data length of 0 or beyond the end is a stream's, which could not know it. */
function chunksOf(file: Buffer): { format: Format; data: Buffer } {
  let format: Format | undefined;
  for (let at = 12; at + 8 <= file.length;) {
    const name = file.toString("latin1", at, at + 4);
    const length = file.readUInt32LE(at + 4);
    const content = file.subarray(at + 8, at + 8 + length);
    if (name === "fmt ") format = formatOf(content);
    if (name === "data") {
      if (!format) throw new MediaError("not_audio", "The WAV file has data before its format.");
      return { format, data: length === 0 ? file.subarray(at + 8) : content };
    }
    at += 8 + length + (length % 2);
  }
  throw new MediaError("not_audio", "The WAV file has no data.");
}

const waveFormatExtensible = 0xfffe;

function formatOf(chunk: Buffer): Format {
  if (chunk.length < 16) throw new MediaError("not_audio", "The WAV file's format is cut off.");
  const declared = chunk.readUInt16LE(0);
  const channels = chunk.readUInt16LE(2);
  const sampleRate = chunk.readUInt32LE(4);
  const blockBytes = chunk.readUInt16LE(12);
  // The true tag of the extensible form is the start of its sub-format's GUID.
  const tag = declared === waveFormatExtensible && chunk.length >= 26 ? chunk.readUInt16LE(24) : declared;
  if (channels < 1 || channels > channelsMax || blockBytes < channels || blockBytes % channels !== 0) {
    throw new MediaError("unsupported", `A WAV file of ${channels} channels in ${blockBytes} bytes.`);
  }
  if (sampleRate < sampleRateMin || sampleRate > sampleRateMax) {
    throw new MediaError("unsupported", `A WAV file of ${sampleRate} Hz.`);
  }
  return { tag, channels, sampleRate, blockBytes, sampleBytes: blockBytes / channels };
}

type SampleReader = (data: Buffer, at: number) => number;

function readerOf({ tag, sampleBytes }: Format): SampleReader {
  const reader = readers[`${tag}/${sampleBytes}`];
  if (!reader) {
    throw new MediaError("unsupported", `A WAV file of format ${tag} with ${sampleBytes * 8}-bit samples.`);
  }
  return reader;
}

const readers: Record<string, SampleReader | undefined> = {
  "1/1": (data, at) => (data.readUInt8(at) - 128) / 0x80,
  "1/2": (data, at) => data.readInt16LE(at) / 0x8000,
  "1/3": (data, at) => data.readIntLE(at, 3) / 0x80_0000,
  "1/4": (data, at) => data.readInt32LE(at) / 0x8000_0000,
  "3/4": (data, at) => finite(data.readFloatLE(at)),
  "3/8": (data, at) => finite(data.readDoubleLE(at)),
  "6/1": (data, at) => alawmulaw.alaw.decodeSample(data.readUInt8(at)) / 0x8000,
  "7/1": (data, at) => alawmulaw.mulaw.decodeSample(data.readUInt8(at)) / 0x8000,
};

/** One NaN would silence all that the resampler's kernel reaches. */
const finite = (value: number) => (Number.isFinite(value) ? value : 0);
