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
  const [, type = null, rest = read.rest] = /^(\w+):\/\/(.*)$/.exec(read.rest) ?? [];
  const source = sourceNamed(type, rest);
  return source === null ? null : { parameters, type, source };
}

function sourceNamed(type: string | null, rest: string): FrameSource | null {
  switch (type) {
    case "tone_stream":
      return toneStream(rest);
    case "silence_stream":
      return silence(Number.parseInt(rest, 10));
    case "file_string":
      return strung(rest.split("!"));
    default:
      return files([rest]);
  }
}

/** Files, and at their end perhaps a tone. */
function strung(parts: readonly string[]): FrameSource | null {
  const tone =
    parts.at(-1)?.startsWith("tone_stream://") === true
      ? (openSound(parts.at(-1) ?? "")?.source ?? null)
      : null;
  const before = files(tone === null ? parts : parts.slice(0, -1));
  return before && tone ? () => before() ?? tone() : before;
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

/** What the real switch makes of its volume, by the level of one frequency. */
const volumeToDbfs = -3;

/** `%(on,off,hz[,hz…])`, one or more, `v=<dB>;` before them, `;loops=n` behind; -1 is for ever. Times in ms. */
function toneStream(script: string): FrameSource {
  const volume = /^v=(-?\d+);/.exec(script)?.[1];
  const level = volume === undefined ? {} : { levelDbfs: Number(volume) + volumeToDbfs };
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
        const source = toneSource({ hz: tone.hz, ...level });
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
