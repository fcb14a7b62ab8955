import type { JsonObject } from "../json.ts";
import type { MediaSource } from "../media/media-source.ts";
import { command, type Effect, type Scene, type StepFact } from "./verb.ts";

/** Fetching, rendering and converting have their own limits; this is the last resort, so that a lost answer is not dead air. */
const prepareMsMax = 20_000;
/** How much later than its own length a prompt may end before we stop waiting for the switch to say so. */
const playbackSlackMs = 5_000;

/** Something that is said or played, so many times. */
export type Prompt = { loops: number } & (
  { verb: "play"; url: string } | { verb: "say"; text: string; language: string; voice: string }
);

/** Where a row of prompts stands; part of a step's state. */
export interface Prompting extends JsonObject {
  prompts: (Prompt & JsonObject)[];
  index: number;
  phase: "preparing" | "playing";
  /** How long what is played takes, all its loops. */
  playMs?: number;
  /** What is played: kept for as long as it is named here, since the switch opens it anew for each loop. */
  file?: string;
  /** The index of the prompt in whose place something else is played: that it failed has been told. */
  standIn?: number;
}

export interface Prompted {
  /** Null: all have been heard, or could not be. */
  prompting: Prompting | null;
  effects: Effect[];
  wakeAtMs?: number;
}

const kinds = {
  play: { started: "play.started", finished: "play.finished", failed: "play.failed" },
  say: { started: "say.started", finished: "say.finished", failed: "say.failed" },
} as const;

/** One after another, from the first. */
export const startPrompts = (prompts: readonly Prompt[], scene: Scene): Prompted =>
  prepare({ prompts: [...prompts], index: 0, phase: "preparing" }, scene);

/** Null: the fact is nothing to the prompt that is running. */
export function promptFact(prompting: Prompting, fact: StepFact, scene: Scene): Prompted | null {
  const prompt = prompting.prompts[prompting.index];
  if (!prompt) return null;
  const token = tokenOf(prompting, scene);
  switch (fact.kind) {
    case "mediaReady": {
      if (fact.token !== token || prompting.phase !== "preparing") return null;
      const playMs = fact.durationMs * prompt.loops;
      return {
        prompting: {
          ...prompting,
          phase: "playing",
          playMs,
          file: fact.file,
          ...(fact.insteadOf !== undefined && { standIn: prompting.index }),
        },
        effects: [
          fact.insteadOf === undefined
            ? {
                kind: "event",
                event: kinds[prompt.verb].started,
                payload: { ...shown(prompt), loops: prompt.loops },
              }
            : failed(prompt, fact.insteadOf),
          ...unansweredMedia(scene),
          command({ kind: "play", leg: scene.leg, file: fact.file, token, loops: prompt.loops }),
        ],
        wakeAtMs: scene.nowMs + playMs + playbackSlackMs,
      };
    }
    case "mediaFailed":
      return fact.token === token ? next(prompting, scene, failed(prompt, fact.reason, fact.origin)) : null;
    case "playbackEnded":
      if (fact.token !== token) return null;
      if (prompting.standIn === prompting.index) return next(prompting, scene);
      return next(
        prompting,
        scene,
        fact.outcome === "played"
          ? { kind: "event", event: kinds[prompt.verb].finished, payload: shown(prompt) }
          : failed(prompt, fact.outcome),
      );
    case "wake": {
      const reason = prompting.phase === "preparing" ? "fetch_timed_out" : "playback_timed_out";
      const stop = command({ kind: "stopPlayback", leg: scene.leg });
      return next(prompting, scene, failed(prompt, reason), stop);
    }
    case "adopted": {
      // It is fetched again; or it plays, or will, from some moment on.
      const msMax =
        prompting.phase === "preparing" ? prepareMsMax : (prompting.playMs ?? 0) + playbackSlackMs;
      return { prompting, effects: [], wakeAtMs: scene.nowMs + msMax };
    }
    default:
      return null;
  }
}

/** A prompt that is still being made is never played: nobody takes it up. */
export const silence = (prompting: Prompting | null, scene: Scene): Effect[] =>
  prompting?.phase === "playing" ? [command({ kind: "stopPlayback", leg: scene.leg })] : [];

/** Before the answer the caller's network has to be told that there is something to hear. */
const unansweredMedia = ({ answered, leg }: Scene): Effect[] =>
  answered ? [] : [command({ kind: "preAnswer", leg })];

function next(prompting: Prompting, scene: Scene, ...effects: Effect[]): Prompted {
  const index = prompting.index + 1;
  if (index >= prompting.prompts.length) return { prompting: null, effects };
  const prompted = prepare({ prompts: prompting.prompts, index, phase: "preparing" }, scene);
  return { ...prompted, effects: [...effects, ...prompted.effects] };
}

function prepare(prompting: Prompting, scene: Scene): Prompted {
  const prompt = prompting.prompts[prompting.index];
  if (!prompt) return { prompting: null, effects: [] };
  const source: MediaSource =
    prompt.verb === "play"
      ? { url: prompt.url }
      : { text: prompt.text, language: prompt.language, voice: prompt.voice };
  return {
    prompting,
    effects: [command({ kind: "prepareMedia", source, token: tokenOf(prompting, scene) })],
    wakeAtMs: scene.nowMs + prepareMsMax,
  };
}

const tokenOf = (prompting: Prompting, scene: Scene) => `${scene.token}.${prompting.index}`;

const shown = (prompt: Prompt): JsonObject =>
  prompt.verb === "play" ? { url: prompt.url } : { text: prompt.text, language: prompt.language };

const failed = (prompt: Prompt, reason: string, origin: JsonObject = {}): Effect => ({
  kind: "event",
  event: kinds[prompt.verb].failed,
  payload: { ...shown(prompt), reason, ...origin },
});
