import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { frameSamples } from "../media/g711.ts";

/** As much as the real switch holds back: 64 kB, 2 s of stereo. */
const bufferBytes = 64 * 1024;
const headerBytes = 44;

export interface RecordingFile {
  readonly channels: 1 | 2;
  /** What a full disk does not take is lost, and the rest goes on. */
  write(frames: readonly Int16Array[]): void;
  /** Writes the true length into the header; gives the samples of each channel. */
  close(): number;
}

/**
 * A WAV file written as the real switch writes one: by the time RECORD_STOP is sent it is complete (hence without
 * await), and when the process dies the header says 0 bytes and, where it is buffered, the last 2 s are missing. Null:
 * it cannot be made.
 */
export function createRecordingFile(path: string, channels: 1 | 2, isBuffered = true): RecordingFile | null {
  const file = openFile(path, wavHeader(channels, 0));
  if (file === null) return null;
  const buffer = Buffer.alloc(bufferBytes);
  let held = 0;
  let samples = 0;
  let written = 0;
  const flush = (): void => {
    try {
      for (let from = 0; from < held;) {
        const bytes = writeSync(file, buffer, from, held - from);
        from += bytes;
        written += bytes;
      }
    } catch (error) {
      // The real switch too has no more than a log line for it.
      console.error(`recording ${path} could not be written:`, error);
    }
    held = 0;
  };
  return {
    channels,
    write(frames) {
      if (held + frameSamples * channels * 2 > bufferBytes) flush();
      for (let sample = 0; sample < frameSamples; sample += 1) {
        for (const frame of frames) held = buffer.writeInt16LE(frame[sample] ?? 0, held);
      }
      samples += frameSamples;
      if (!isBuffered) flush();
    },
    close() {
      flush();
      writeSync(file, wavHeader(channels, written), 0, headerBytes, 0);
      closeSync(file);
      return samples;
    },
  };
}

function openFile(path: string, header: Buffer): number | null {
  let file: number | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    file = openSync(path, "w");
    writeSync(file, header);
    return file;
  } catch {
    if (file !== undefined) closeSync(file);
    return null;
  }
}

function wavHeader(channels: number, dataBytes: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.write("RIFF", 0);
  bytes.writeUInt32LE(headerBytes - 8 + dataBytes, 4);
  bytes.write("WAVEfmt ", 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(channels, 22);
  bytes.writeUInt32LE(8000, 24);
  bytes.writeUInt32LE(8000 * channels * 2, 28);
  bytes.writeUInt16LE(channels * 2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36);
  bytes.writeUInt32LE(dataBytes, 40);
  return bytes;
}
