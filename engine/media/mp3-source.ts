import { MPEGDecoder } from "mpg123-decoder";
import type { AudioPiece } from "./audio-source.ts";

const bytesPerPiece = 16_384;
/** How far in, after tags, the first frame may be. */
const searchBytes = 65_536;
/** So many frames in a row are no coincidence. */
const framesInARow = 3;

/** Whether there is an MPEG Layer III stream: frames that follow on one another, after ID3 tags if any. */
export function isMp3(bytes: Uint8Array): boolean {
  const start = afterTags(bytes);
  const last = Math.min(bytes.length - 4, start + searchBytes);
  for (let at = start; at <= last; at++) if (isRow(bytes, at)) return true;
  return false;
}

export async function* mp3Source(bytes: Uint8Array): AsyncGenerator<AudioPiece> {
  const decoder = new MPEGDecoder();
  await decoder.ready;
  try {
    for (let at = afterTags(bytes); at < bytes.length; at += bytesPerPiece) {
      const { channelData, samplesDecoded, sampleRate } = decoder.decode(
        bytes.subarray(at, at + bytesPerPiece),
      );
      if (samplesDecoded === 0) continue;
      const [left = new Float32Array(), right = left] = channelData;
      yield { sampleRate, mono: left.map((sample, index) => (sample + (right[index] ?? 0)) / 2) };
    }
  } finally {
    decoder.free();
  }
}

/** ID3v2 §3.1: ten bytes, the last four a length of seven bits each. */
function afterTags(bytes: Uint8Array): number {
  let at = 0;
  while (bytes[at] === 0x49 && bytes[at + 1] === 0x44 && bytes[at + 2] === 0x33) {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at + 6, at + 10);
    at += 10 + ((a & 0x7f) << 21) + ((b & 0x7f) << 14) + ((c & 0x7f) << 7) + (d & 0x7f);
  }
  return at;
}

function isRow(bytes: Uint8Array, start: number): boolean {
  let at = start;
  for (let frame = 0; frame < framesInARow; frame++) {
    const length = frameBytes(bytes, at);
    if (length === null) return false;
    at += length;
    if (at === bytes.length) return true;
  }
  return true;
}

const kbpsOfMpeg1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const kbpsOfMpeg2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const ratesOfMpeg1 = [44_100, 48_000, 32_000];

/** ISO 11172-3 §2.4.1.3: the length of the Layer III frame whose header is here; null: there is none. */
function frameBytes(bytes: Uint8Array, at: number): number | null {
  const [sync = 0, second = 0, third = 0] = bytes.subarray(at, at + 3);
  const version = (second >> 3) & 3;
  const isLayer3 = (second & 6) === 2;
  if (sync !== 0xff || (second & 0xe0) !== 0xe0 || version === 1 || !isLayer3) return null;
  const isMpeg1 = version === 3;
  const kbps = (isMpeg1 ? kbpsOfMpeg1 : kbpsOfMpeg2)[third >> 4];
  const rate = ratesOfMpeg1[(third >> 2) & 3];
  if (!kbps || !rate) return null;
  // MPEG-2 halves the rates, MPEG-2.5 quarters them.
  const sampleRate = rate / (isMpeg1 ? 1 : version === 2 ? 2 : 4);
  return Math.floor(((isMpeg1 ? 144 : 72) * kbps * 1000) / sampleRate) + ((third >> 1) & 1);
}
