import { z } from "zod";
import { loop, loopsOf, prompted } from "./play.ts";
import { promptFact, silence, startPrompts, type Prompt, type Prompting } from "./prompts.ts";
import type { Verb } from "./verb.ts";

export interface SaySpec {
  text: string;
  voice?: string | undefined;
  language?: string | undefined;
  loop?: number | undefined;
}

const textMax = 3000;
const languageDefault = "en-KE";
const voiceDefault = "woman";

/**
 * `say`: speaks a text, so many times. Rendered once and kept. Where it cannot be rendered the caller hears three tones,
 * `say.failed` tells why, and the next action runs.
 */
export const say: Verb<SaySpec, Prompting> = {
  name: "say",
  meaning:
    "Speaks a text. Where the speech engine fails the caller hears three tones, `say.failed` tells why, and the next " +
    "action runs.",
  schema: z.strictObject({
    text: z.string().trim().min(1).max(textMax).meta({ description: "Plain text." }),
    voice: z
      .enum(["woman", "man"])
      .optional()
      .meta({ description: `Default: ${voiceDefault}.` }),
    language: z
      .string()
      .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, "must be a language tag (BCP 47), like en-KE or sw-KE")
      .max(35)
      .optional()
      .meta({ description: `BCP 47. English and Swahili are built in. Default: ${languageDefault}.` }),
    loop,
  }),
  begin: (spec, scene) => prompted(startPrompts([sayPrompt(spec)], scene)),
  on(state, fact, scene) {
    const step = promptFact(state, fact, scene);
    return step && prompted(step);
  },
  drop: (state, scene) => ({ effects: silence(state, scene) }),
};

export const sayPrompt = (spec: SaySpec): Extract<Prompt, { verb: "say" }> => ({
  verb: "say",
  text: spec.text,
  language: spec.language ?? languageDefault,
  voice: spec.voice ?? voiceDefault,
  loops: loopsOf(spec),
});
