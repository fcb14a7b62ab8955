import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { convert, playedSampleRate, wavHeader, wavHeaderBytes } from "./convert.ts";
import { MediaError, type MediaFault } from "./media-error.ts";

/** What there is to say of the audio. */
export interface Converted {
  /** The loudest sample, of 1. */
  peak: number;
  durationMs: number;
}

/** What the thread is given, and the one message it sends. */
export interface ConvertOrder {
  source: Uint8Array;
  /** Where the finished WAV goes; on disk before the reply. Null: nowhere, it is only looked whether it can be made. */
  file: string | null;
  secondsMax: number;
}
export type ConvertReply = ({ ok: true } & Converted) | { ok: false; code: MediaFault; message: string };

async function run({ source, file, secondsMax }: ConvertOrder): Promise<Converted> {
  const fd = file === null ? null : openSync(file, "wx");
  try {
    let dataBytes = 0;
    let peak = 0;
    for await (const samples of convert(source, secondsMax)) {
      // Typed arrays are little-endian wherever Node runs, as WAV is.
      const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
      if (fd !== null) writeSync(fd, bytes, 0, bytes.length, wavHeaderBytes + dataBytes);
      dataBytes += bytes.length;
      for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    }
    if (fd !== null) {
      writeSync(fd, wavHeader(dataBytes), 0, wavHeaderBytes, 0);
      fsyncSync(fd);
    }
    return { peak: peak / 32_768, durationMs: Math.round((dataBytes / 2 / playedSampleRate) * 1000) };
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

function replyOf(error: unknown): ConvertReply {
  if (error instanceof MediaError) return { ok: false, code: error.code, message: error.message };
  return { ok: false, code: "failed", message: String(error) };
}

const reply: ConvertReply = await run(workerData as ConvertOrder).then(
  (converted) => ({ ok: true, ...converted }),
  (error: unknown) => replyOf(error),
);
parentPort?.postMessage(reply);
