import { levelDbfs } from "../../engine/simulator/media/goertzel.ts";
import { parseWav } from "../../engine/simulator/media/wav.ts";

export interface Expected {
  /** What the leg's party sends, Hz: in the left channel. */
  ownHz: number;
  /** What the other party sends: in the right channel, while both are joined. */
  otherHz: number;
  /** From the leg's answer to its end, ms. */
  talkMs: number;
  /** When the two were joined, and when they parted, ms after the leg's answer. */
  joinedMs: [from: number, to: number];
}

export interface Proof {
  ok: boolean;
  line: string;
}

/** The wrong party's tone must be so much weaker. */
const apartDbMin = 30;
const lengthErrorMsMax = 100;
/** Joining and parting take a moment each; no tone is measured there. */
const marginMs = 300;

/** Measures a leg's recording: who is heard in which channel, and whether it is as long as the talk was. */
export function proveRecording(bytes: Buffer, expected: Expected): Proof {
  const { rateHz, channels } = parseWav(bytes);
  const [left, right] = channels;
  if (!left || !right) return { ok: false, line: "is not stereo" };
  const lengthMs = Math.round((left.length * 1000) / rateHz);
  const [from, to] = expected.joinedMs;
  const joined = (samples: Int16Array) =>
    samples.subarray(((from + marginMs) * rateHz) / 1000, ((to - marginMs) * rateHz) / 1000);
  const apart = (samples: Int16Array, right: number, wrong: number) =>
    levelDbfs(joined(samples), right, rateHz) - levelDbfs(joined(samples), wrong, rateHz);
  const leftDb = apart(left, expected.ownHz, expected.otherHz);
  const rightDb = apart(right, expected.otherHz, expected.ownHz);
  const ok =
    leftDb >= apartDbMin && rightDb >= apartDbMin && Math.abs(lengthMs - expected.talkMs) <= lengthErrorMsMax;
  return {
    ok,
    line:
      `${(lengthMs / 1000).toFixed(2)} s for ${(expected.talkMs / 1000).toFixed(2)} s of talk; ` +
      `left ${expected.ownHz} Hz, the other ${Math.round(leftDb)} dB down; ` +
      `right ${expected.otherHz} Hz, the other ${Math.round(rightDb)} dB down`,
  };
}
