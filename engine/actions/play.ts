import { z } from "zod";
import { httpUrl } from "./http-url.ts";
import { promptFact, silence, startPrompts, type Prompt, type Prompted, type Prompting } from "./prompts.ts";
import { done, stay, type Step, type Verb } from "./verb.ts";

export interface PlaySpec {
  url: string;
  loop?: number | undefined;
}

export const loop = z.int().min(0).max(20).optional().meta({ description: "How often; 0 is 1. Default: 1." });

/** `play`: fetches a WAV or MP3 and plays it, so many times. What cannot be fetched is an event, and the next action runs. */
export const play: Verb<PlaySpec, Prompting> = {
  name: "play",
  meaning:
    "Fetches a WAV or MP3 (at most 10 MiB and an hour) and plays it. What cannot be played is told by `play.failed`, and " +
    "the next action runs.",
  schema: z.strictObject({
    url: httpUrl.meta({ description: "http(s). Fetched anew when its Cache-Control has run out." }),
    loop,
  }),
  media: ({ url }) => [{ field: "url", url }],
  begin: (spec, scene) => prompted(startPrompts([playPrompt(spec)], scene)),
  on(state, fact, scene) {
    const step = promptFact(state, fact, scene);
    return step && prompted(step);
  },
  drop: (state, scene) => ({ effects: silence(state, scene) }),
};

/** A loop of 0 is 1, as published. */
export const loopsOf = (spec: { loop?: number | undefined }) => Math.max(spec.loop ?? 1, 1);

export const playPrompt = (spec: PlaySpec): Prompt => ({ verb: "play", url: spec.url, loops: loopsOf(spec) });

/** The step of an action that is nothing but prompts. */
export const prompted = ({ prompting, effects, wakeAtMs }: Prompted): Step<Prompting> =>
  prompting === null ? done(effects) : stay(prompting, effects, wakeAtMs);
