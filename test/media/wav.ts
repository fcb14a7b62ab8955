/** What a test WAV is made of; the tone is 440 Hz at half of full scale. */
export interface WavShape {
  /** 1 PCM, 3 float, 6 A-law, 7 µ-law. */
  tag?: number;
  bits?: number;
  channels?: number;
  sampleRate?: number;
  seconds?: number;
  hz?: number;
  extensible?: boolean;
  /** Put before the data, as editors do; of odd length. */
  extraChunk?: boolean;
  /** What the header says of the data's length. */
  declaredBytes?: number;
  /** Encodes one sample of ±1; by default as `tag` and `bits` say. */
  encode?: (sample: number) => Buffer;
}

export function wav(shape: WavShape = {}): Buffer {
  const { tag = 1, bits = 16, channels = 1, sampleRate = 8000, seconds = 1, hz = 440 } = shape;
  const encode = shape.encode ?? ((sample) => encoded(tag, bits, sample));
  const samples = Array.from({ length: Math.round(seconds * sampleRate) }, (_, index) =>
    encode(0.5 * Math.sin((2 * Math.PI * hz * index) / sampleRate)),
  );
  const data = Buffer.concat(samples.flatMap((sample) => Array<Buffer>(channels).fill(sample)));
  const format = Buffer.alloc(shape.extensible ? 40 : 16);
  format.writeUInt16LE(shape.extensible ? 0xfffe : tag, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(sampleRate, 4);
  format.writeUInt32LE((sampleRate * channels * bits) / 8, 8);
  format.writeUInt16LE((channels * bits) / 8, 12);
  format.writeUInt16LE(bits, 14);
  if (shape.extensible) {
    format.writeUInt16LE(22, 16);
    format.writeUInt16LE(tag, 24);
  }
  const body = Buffer.concat([
    Buffer.from("WAVE"),
    chunk("fmt ", format),
    shape.extraChunk ? chunk("LIST", Buffer.from("odd")) : Buffer.alloc(0),
    chunk("data", data, shape.declaredBytes),
  ]);
  return chunk("RIFF", body);
}

function chunk(name: string, content: Buffer, declaredBytes = content.length): Buffer {
  const head = Buffer.alloc(8);
  head.write(name);
  head.writeUInt32LE(declaredBytes, 4);
  return Buffer.concat([head, content, Buffer.alloc(content.length % 2)]);
}

function encoded(tag: number, bits: number, sample: number): Buffer {
  const buffer = Buffer.alloc(bits / 8);
  if (tag === 3 && bits === 32) buffer.writeFloatLE(sample);
  else if (tag === 3) buffer.writeDoubleLE(sample);
  else if (bits === 8) buffer.writeUInt8(Math.round(sample * 127) + 128);
  else buffer.writeIntLE(Math.round(sample * (2 ** (bits - 1) - 1)), 0, bits / 8);
  return buffer;
}

/** The samples of a WAV as we write them, ±1, with what its header says checked by the way. */
export function played(file: Buffer): Float32Array {
  const header = [
    file.toString("latin1", 0, 4),
    file.readUInt32LE(4),
    file.toString("latin1", 8, 16),
    file.readUInt16LE(20),
    file.readUInt16LE(22),
    file.readUInt32LE(24),
    file.readUInt16LE(34),
    file.readUInt32LE(40),
  ];
  const expected = ["RIFF", file.length - 8, "WAVEfmt ", 1, 1, 8000, 16, file.length - 44];
  if (JSON.stringify(header) !== JSON.stringify(expected))
    throw new Error(`Not as we write: ${String(header)}`);
  return Float32Array.from(
    { length: (file.length - 44) / 2 },
    (_, index) => file.readInt16LE(44 + index * 2) / 32_768,
  );
}

/** Goertzel: the amplitude of one frequency in samples at 8 kHz. */
export function amplitude(samples: Float32Array, hz: number): number {
  const step = 2 * Math.cos((2 * Math.PI * hz) / 8000);
  let [before, last] = [0, 0];
  for (const sample of samples) [before, last] = [last, sample + step * last - before];
  const power = last ** 2 + before ** 2 - step * last * before;
  return (2 * Math.sqrt(power)) / samples.length;
}

export const rms = (samples: Float32Array): number =>
  Math.sqrt(samples.reduce((sum, sample) => sum + sample ** 2, 0) / samples.length);
