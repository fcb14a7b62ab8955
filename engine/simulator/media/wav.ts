import { type FileHandle, open, readFile } from "node:fs/promises";
import { sampleRateHz } from "./g711.ts";

const headerBytes = 44;
/** Half a second of stereo is held back before it is written. */
const bufferedSamplesMax = 8000;

export interface WavWriter {
  /** One array a channel, all of one length. */
  write(...channels: readonly Int16Array[]): void;
  /** Writes what is left and the true length into the header; resolves to the length in ms. */
  close(): Promise<number>;
}

/** A 16-bit PCM file that grows while it is written; until it is closed its header says 0 bytes of data. */
export async function createWavWriter(
  path: string,
  { channels, rateHz = sampleRateHz }: { channels: 1 | 2; rateHz?: number },
): Promise<WavWriter> {
  const file = await open(path, "w");
  await file.write(header(channels, rateHz, 0));
  return new FileWavWriter(file, channels, rateHz);
}

class FileWavWriter implements WavWriter {
  readonly #file: FileHandle;
  readonly #channels: number;
  readonly #rateHz: number;
  #waiting: Buffer[] = [];
  #waitingSamples = 0;
  #samples = 0;
  #written: Promise<void> = Promise.resolve();
  #closed: Promise<number> | undefined;

  constructor(file: FileHandle, channels: number, rateHz: number) {
    this.#file = file;
    this.#channels = channels;
    this.#rateHz = rateHz;
  }

  write(...channels: readonly Int16Array[]): void {
    if (this.#closed) return;
    const length = channels[0]?.length ?? 0;
    const bytes = Buffer.allocUnsafe(length * this.#channels * 2);
    for (let i = 0, at = 0; i < length; i += 1) {
      for (let channel = 0; channel < this.#channels; channel += 1, at += 2) {
        bytes.writeInt16LE(channels[channel]?.[i] ?? 0, at);
      }
    }
    this.#samples += length;
    this.#waiting.push(bytes);
    this.#waitingSamples += length * this.#channels;
    if (this.#waitingSamples >= bufferedSamplesMax) this.#flush();
  }

  close(): Promise<number> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingSamples = 0;
    const next = this.#written.then(async () => {
      await this.#file.write(bytes);
    });
    // A full disk is told to whoever closes the file, and is not an unhandled rejection before.
    next.catch(() => undefined);
    this.#written = next;
  }

  async #finish(): Promise<number> {
    this.#flush();
    try {
      await this.#written;
      const dataBytes = this.#samples * this.#channels * 2;
      await this.#file.write(header(this.#channels, this.#rateHz, dataBytes), 0, headerBytes, 0);
    } finally {
      await this.#file.close();
    }
    return Math.round((this.#samples * 1000) / this.#rateHz);
  }
}

function header(channels: number, rateHz: number, dataBytes: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.write("RIFF", 0);
  bytes.writeUInt32LE(headerBytes - 8 + dataBytes, 4);
  bytes.write("WAVEfmt ", 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(channels, 22);
  bytes.writeUInt32LE(rateHz, 24);
  bytes.writeUInt32LE(rateHz * channels * 2, 28);
  bytes.writeUInt16LE(channels * 2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36);
  bytes.writeUInt32LE(dataBytes, 40);
  return bytes;
}

export interface Wav {
  rateHz: number;
  /** One array a channel, all of one length. */
  channels: Int16Array[];
}

/** Throws for what is not 16-bit PCM. A header that was never closed (length 0) means: to the end of the file. */
export async function readWav(path: string): Promise<Wav> {
  return parseWav(await readFile(path));
}

export function parseWav(bytes: Buffer): Wav {
  if (bytes.toString("latin1", 0, 4) !== "RIFF" || bytes.toString("latin1", 8, 12) !== "WAVE") {
    throw new Error("not a WAV file");
  }
  let format: { channels: number; rateHz: number } | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const name = bytes.toString("latin1", at, at + 4);
    const length = bytes.readUInt32LE(at + 4);
    const start = at + 8;
    if (name === "fmt ") format = readFormat(bytes, start);
    if (name === "data" && format) {
      const end = length === 0 ? bytes.length : Math.min(bytes.length, start + length);
      return { rateHz: format.rateHz, channels: split(bytes.subarray(start, end), format.channels) };
    }
    // Chunks are padded to an even length.
    at = start + length + (length % 2);
  }
  throw new Error("a WAV file without sound");
}

function readFormat(bytes: Buffer, at: number): { channels: number; rateHz: number } {
  const channels = bytes.readUInt16LE(at + 2);
  if (bytes.readUInt16LE(at + 14) !== 16 || channels < 1 || channels > 2) {
    throw new Error("only 16-bit PCM of one or two channels is read");
  }
  return { channels, rateHz: bytes.readUInt32LE(at + 4) };
}

function split(data: Buffer, channels: number): Int16Array[] {
  const length = Math.floor(data.length / (2 * channels));
  return Array.from({ length: channels }, (_, channel) =>
    Int16Array.from({ length }, (_sample, i) => data.readInt16LE((i * channels + channel) * 2)),
  );
}

/** What a telephone plays of it: its channels mixed into one, at 8 kHz. */
export function toTelephone({ rateHz, channels }: Wav): Int16Array {
  const first = channels[0] ?? new Int16Array(0);
  const mono = first.map(
    (_, i) => channels.reduce((sum, channel) => sum + (channel[i] ?? 0), 0) / channels.length,
  );
  return rateHz === sampleRateHz ? mono : resample(mono, rateHz);
}

/** Windowed sinc, 16 zero crossings to each side, cut off below the lower of the two half rates. */
function resample(samples: Int16Array, rateHz: number): Int16Array {
  const step = rateHz / sampleRateHz;
  const cutoff = 0.94 * Math.min(1, 1 / step);
  const reach = Math.ceil(16 / cutoff);
  return Int16Array.from({ length: Math.floor(samples.length / step) }, (_, i) => {
    const centre = i * step;
    let sum = 0;
    for (let k = Math.ceil(centre - reach); k <= centre + reach; k += 1) {
      const distance = k - centre;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / reach);
      sum += (samples[k] ?? 0) * cutoff * sinc(cutoff * distance) * window;
    }
    return Math.max(-32768, Math.min(32767, Math.round(sum)));
  });
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
