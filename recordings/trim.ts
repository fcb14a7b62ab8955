import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { pcmLayout, type PcmLayout } from "./wav-file.ts";

/** A WAV file without the silence at its ends: which of its bytes are left, behind a header of its own. */
export interface Trimmed {
  /** ms, rounded. */
  durationMs: number;
  trimmedMs: number;
  /** As often as it is asked for, the same bytes: nothing but the untouched file is behind it. */
  read: () => Readable;
}

/** As `record` judges it: quieter than this is silence. −42 dBFS, RMS. */
const loudRmsMin = 32_768 * 10 ** (-42 / 20);
/** One frame of the telephone. */
const windowMs = 20;
/** Left at both ends, so that no soft beginning of a word is lost. Of a file that is silent throughout this is all. */
const marginWindows = 10;
const windowsAtOnce = 500;

/**
 * Looks at the left channel, what the party itself said, and cuts both channels alike. Nothing is written: the file stays
 * as the switch left it until its audio is in the storage. Null: there is nothing to cut, or it is not 16-bit PCM.
 */
export async function trimmed(path: string): Promise<Trimmed | null> {
  const file = await open(path, "r");
  try {
    const layout = await pcmLayout(file);
    if (!layout) return null;
    const windowBytes = Math.floor((layout.framesPerSecond * windowMs) / 1000) * layout.frameBytes;
    const windows = Math.floor(layout.dataBytes / windowBytes);
    if (windows === 0) return null;
    const first = await firstLoud(file, layout, windowBytes, range(0, windows));
    const last = first === null ? null : await firstLoud(file, layout, windowBytes, range(windows - 1, -1));
    const from = first === null ? 0 : Math.max(0, first - marginWindows) * windowBytes;
    const end = last === null ? marginWindows : last + 1 + marginWindows;
    const to = end >= windows ? layout.dataBytes : end * windowBytes;
    return from === 0 && to === layout.dataBytes ? null : cut(path, layout, from, to);
  } finally {
    await file.close();
  }
}

/** Numbers from `from` towards `to`, which is not among them. */
function range(from: number, to: number): { from: number; to: number; step: 1 | -1 } {
  return { from, to, step: from < to ? 1 : -1 };
}

/** Of the windows in that order; silence is passed a few seconds at a time, and nothing else is read. */
async function firstLoud(
  file: FileHandle,
  { dataOffset, frameBytes }: PcmLayout,
  windowBytes: number,
  { from, to, step }: ReturnType<typeof range>,
): Promise<number | null> {
  for (let at = from; at !== to;) {
    const count = Math.min(windowsAtOnce, Math.abs(to - at));
    const lowest = step === 1 ? at : at - count + 1;
    const { buffer } = await file.read({
      buffer: Buffer.alloc(count * windowBytes),
      position: dataOffset + lowest * windowBytes,
    });
    for (let index = 0; index < count; index++, at += step) {
      const start = (at - lowest) * windowBytes;
      if (isLoud(buffer.subarray(start, start + windowBytes), frameBytes)) return at;
    }
  }
  return null;
}

function isLoud(window: Buffer, frameBytes: number): boolean {
  let squares = 0;
  for (let at = 0; at < window.length; at += frameBytes) squares += window.readInt16LE(at) ** 2;
  return Math.sqrt(squares / (window.length / frameBytes)) >= loudRmsMin;
}

function cut(path: string, layout: PcmLayout, from: number, to: number): Trimmed {
  const { dataOffset, dataBytes } = layout;
  const msOf = (bytes: number) => ((bytes / layout.frameBytes) * 1000) / layout.framesPerSecond;
  const durationMs = Math.round(msOf(to - from));
  return {
    durationMs,
    // So that what is left and what is gone are together as long as the file was, to the millisecond.
    trimmedMs: Math.round(msOf(dataBytes)) - durationMs,
    read: () => Readable.from(pieces(path, header(layout, to - from), dataOffset + from, dataOffset + to)),
  };
}

async function* pieces(path: string, head: Buffer, start: number, end: number): AsyncGenerator<Buffer> {
  yield head;
  yield* createReadStream(path, { start, end: end - 1 }) as AsyncIterable<Buffer>;
}

function header({ channels, framesPerSecond, frameBytes }: PcmLayout, dataBytes: number): Buffer {
  const bytes = Buffer.alloc(44);
  bytes.write("RIFF", 0, "latin1");
  bytes.writeUInt32LE(36 + dataBytes, 4);
  bytes.write("WAVEfmt ", 8, "latin1");
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(channels, 22);
  bytes.writeUInt32LE(framesPerSecond, 24);
  bytes.writeUInt32LE(framesPerSecond * frameBytes, 28);
  bytes.writeUInt16LE(frameBytes, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36, "latin1");
  bytes.writeUInt32LE(dataBytes, 40);
  return bytes;
}
