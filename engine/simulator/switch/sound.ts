import { readFileSync } from "node:fs";
import { frameMs, frameSamples } from "../media/g711.ts";
import type { FrameSource } from "../media/session.ts";
import { samplesSource, toneSource } from "../media/tone.ts";
import { parseWav, toTelephone } from "../media/wav.ts";
import { readVariables } from "./separate.ts";

/** What `playback` was asked to play. */
export interface Sound {
  /** `{token=t1}` before the path: headers of the PLAYBACK events. */
  parameters: [string, string][];
  /** `tone_stream`, `silence_stream` or `file_string`; null for a file. */
  type: string | null;
  /** Gives null once at its end. */
  source: FrameSource;
}

/** Null: there is no such file, or it cannot be read as one. */
export function openSound(argument: string): Sound | null {
  const read = readVariables(argument, "{}");
  if (read === null) return null;
  const parameters = [...read.variables];
  const [type, rest = ""] = read.rest.split("://", 2);
  if (type === "tone_stream") return { parameters, type, source: toneStream(rest) };
  if (type === "silence_stream") return { parameters, type, source: silence(Number.parseInt(rest, 10)) };
  const strung = type === "file_string";
  const source = files(strung ? rest.split("!") : [read.rest]);
  return source === null ? null : { parameters, type: strung ? type : null, source };
}

/** One file after another (`file_string://a.wav!b.wav`); each is read once, however often it comes. */
function files(paths: readonly string[]): FrameSource | null {
  try {
    const samples = new Map(
      [...new Set(paths)].map((path) => [path, toTelephone(parseWav(readFileSync(path)))]),
    );
    const sources = paths.map((path) => samplesSource(samples.get(path) ?? new Int16Array(0)));
    return () => {
      for (;;) {
        const frame = sources[0]?.() ?? null;
        if (frame !== null || sources.length === 0) return frame;
        sources.shift();
      }
    };
  } catch {
    return null;
  }
}

/** `%(on,off,hz[,hz…])`, one or more, then `;loops=n`; -1 is for ever. Times in ms. */
function toneStream(script: string): FrameSource {
  const loops = Number(/;loops=(-?\d+)/.exec(script)?.[1] ?? 1);
  const tones = [...script.matchAll(/%\((\d+),(\d+),([\d.,]+)\)/g)].map(([, on, off, hz]) => ({
    onFrames: Math.round(Number(on) / frameMs),
    offFrames: Math.round(Number(off) / frameMs),
    hz: (hz ?? "").split(",").map(Number),
  }));
  function* frames(): Generator<Int16Array> {
    if (tones.every((tone) => tone.onFrames + tone.offFrames === 0)) return;
    for (let loop = 0; loops < 0 || loop < Math.max(loops, 1); loop += 1) {
      for (const tone of tones) {
        const source = toneSource({ hz: tone.hz });
        for (let frame = 0; frame < tone.onFrames; frame += 1) yield source() ?? new Int16Array(frameSamples);
        for (let frame = 0; frame < tone.offFrames; frame += 1) yield new Int16Array(frameSamples);
      }
    }
  }
  return sourceOf(frames());
}

/** -1: for ever. */
function silence(lengthMs: number): FrameSource {
  let left = lengthMs < 0 ? Infinity : Math.ceil((lengthMs || 0) / frameMs);
  return () => (left-- > 0 ? new Int16Array(frameSamples) : null);
}

const sourceOf =
  (frames: Iterator<Int16Array>): FrameSource =>
  () => {
    const next = frames.next();
    return next.done === true ? null : next.value;
  };
