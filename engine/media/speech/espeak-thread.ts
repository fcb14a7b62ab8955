import { parentPort } from "node:worker_threads";
import createEspeak, { type EspeakVoice } from "@echogarden/espeak-ng-emscripten";

/** What the process is asked, one after another, and what it answers to each. */
export interface EspeakOrder {
  text: string;
  /** BCP 47. */
  language: string;
  voice: string;
}
export type EspeakReply =
  | { ok: true; sampleRate: number; pcm: Uint8Array }
  | { ok: false; code: "unsupported_language" | "too_long" }
  /** The process ends with this: why, in a word that has no text in it. */
  | { ok: false; code: "failed"; why: string };

/** 3,000 characters take three to four minutes; a text of symbols, each read out by its name, could take for ever. */
const secondsMax = 300;
/** The engine's own 175 are too many for numbers heard once, over a telephone. */
const wordsPerMinute = 150;

const { eSpeakNGWorker } = await createEspeak();
const espeak = new eSpeakNGWorker();
parentPort?.on("message", (order: EspeakOrder) => {
  parentPort?.postMessage(render(espeak, order));
});

function render(espeak: EspeakVoice, { text, language, voice }: EspeakOrder): EspeakReply {
  if (!chooseVoice(espeak, language, voice === "man" ? "m3" : "f2"))
    return { ok: false, code: "unsupported_language" };
  espeak.set_rate(wordsPerMinute);
  const sampleRate = espeak.get_samplerate();
  const pieces: Buffer[] = [];
  let samples = 0;
  espeak.synthesize(ssmlOf(text), (piece) => {
    if (piece) pieces.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    return (samples += piece?.length ?? 0) > secondsMax * sampleRate;
  });
  if (samples > secondsMax * sampleRate) return { ok: false, code: "too_long" };
  return { ok: true, sampleRate, pcm: Buffer.concat(pieces) };
}

/** The language as it was asked for, else a more general one: sw-KE is spoken by `sw`. */
function chooseVoice(espeak: EspeakVoice, language: string, variant: string): boolean {
  const subtags = language.toLowerCase().split("-");
  for (; subtags.length > 0; subtags.pop())
    if (espeak.set_voice(`${subtags.join("-")}+${variant}`) === 0) return true;
  return false;
}

/** The engine reads SSML, and phonemes in double brackets; a customer's text is neither, and said as it stands. */
const ssmlOf = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("[[", "[ [");
