import { z } from "zod";
import type { JsonObject } from "../json.ts";
import { play, playPrompt, type PlaySpec } from "./play.ts";
import { promptFact, silence, startPrompts, type Prompted, type Prompting } from "./prompts.ts";
import { say, sayPrompt, type SaySpec } from "./say.ts";
import { done, stay, type Effect, type Scene, type Step, type Verb } from "./verb.ts";

export interface GetDigitsSpec {
  timeout?: number | undefined;
  numDigits?: number | undefined;
  finishOnKey?: string | undefined;
  nested?: { say?: SaySpec | undefined; play?: PlaySpec | undefined }[] | undefined;
}

interface Collecting extends JsonObject {
  digits: string;
  timeoutMs: number;
  /** 0: until the finish key or the time-out. */
  numDigits: number;
  /** Empty: none. */
  finishOnKey: string;
  /** What is being said; null once it is over, or a digit broke it off. */
  prompting: Prompting | null;
}

const timeoutDefault = 5;
const nestedMax = 10;
/** What is typed without an end is cut into answers of this. */
const digitsMax = 64;

/**
 * `getDigits`: collects digits that the caller types, while prompts are heard or after them. Its timing, row by row, is
 * in docs/get-digits.md.
 */
export const getDigits: Verb<GetDigitsSpec, Collecting> = {
  name: "getDigits",
  needsAnswer: true,
  meaning:
    "Collects digits. With at least one the voice URL is asked what comes next (`call.digits`); with none the next action " +
    "runs, and where there is none the URL is asked with empty `digits`.",
  schema: z.strictObject({
    timeout: z
      .number()
      .min(1)
      .max(60)
      .optional()
      .meta({
        description:
          "Seconds without a digit, after the prompt or after the last digit, that end it. " +
          `Default: ${timeoutDefault}.`,
      }),
    numDigits: z
      .int()
      .min(0)
      .max(digitsMax)
      .optional()
      .meta({ description: "So many digits end it; 0: `finishOnKey` or the time-out does. Default: 0." }),
    finishOnKey: z
      .string()
      .regex(/^[0-9*#]?$/, "must be one of 0-9 * #, or empty")
      .optional()
      .meta({ description: "This key ends it and is not one of the digits; empty: none does. Default: #." }),
    nested: z
      .array(
        z
          .strictObject({ say: say.schema.optional(), play: play.schema.optional() })
          .refine(
            (item) => Object.keys(item).length === 1,
            "must be an object with exactly one of say, play",
          ),
      )
      .max(nestedMax)
      .optional()
      .meta({ description: "Prompts, each a `say` or a `play`; the first digit breaks them off." }),
  }),
  media: ({ nested = [] }) =>
    nested.flatMap(({ play }, index) =>
      play === undefined ? [] : [{ field: `nested[${index}].play.url`, url: play.url }],
    ),
  begin(spec, scene) {
    const state: Collecting = {
      digits: "",
      timeoutMs: (spec.timeout ?? timeoutDefault) * 1000,
      numDigits: spec.numDigits ?? 0,
      finishOnKey: spec.finishOnKey ?? "#",
      prompting: null,
    };
    if (scene.typed !== "") return take(state, scene.typed, scene);
    const prompts = (spec.nested ?? []).flatMap((item) => [
      ...(item.say ? [sayPrompt(item.say)] : []),
      ...(item.play ? [playPrompt(item.play)] : []),
    ]);
    return prompts.length === 0
      ? waiting(state, scene)
      : prompting(state, startPrompts(prompts, scene), scene);
  },
  on(state, fact, scene) {
    if (fact.kind === "digit")
      return fact.leg === scene.leg ? take(state, scene.typed + fact.digit, scene) : null;
    if (state.prompting !== null) {
      const prompted = promptFact(state.prompting, fact, scene);
      return prompted && prompting(state, prompted, scene);
    }
    if (fact.kind === "adopted") return waiting(state, scene);
    return fact.kind === "wake" ? over(state, scene, "") : null;
  },
  drop: (state, scene) => ({ effects: silence(state.prompting, scene) }),
};

const waiting = (
  state: Collecting,
  scene: Scene,
  effects: Effect[] = [],
  typed?: string,
): Step<Collecting> => ({
  ...stay<Collecting>({ ...state, prompting: null }, effects, scene.nowMs + state.timeoutMs),
  ...(typed === undefined ? {} : { typed }),
});

const prompting = (state: Collecting, prompted: Prompted, scene: Scene): Step<Collecting> =>
  prompted.prompting === null
    ? waiting(state, scene, prompted.effects)
    : stay<Collecting>({ ...state, prompting: prompted.prompting }, prompted.effects, prompted.wakeAtMs);

/** Digits, in the order in which they were typed; what is typed behind the end is left for the next action. */
function take(before: Collecting, typed: string, scene: Scene): Step<Collecting> {
  const quiet = silence(before.prompting, scene);
  const state: Collecting = { ...before, prompting: null };
  for (const [index, digit] of Array.from(typed).entries()) {
    const left = typed.slice(index + 1);
    if (digit === state.finishOnKey) return over(state, scene, left, quiet);
    state.digits += digit;
    const wanted = state.numDigits === 0 ? digitsMax : state.numDigits;
    if (state.digits.length >= wanted) return over(state, scene, left, quiet);
  }
  return waiting(state, scene, quiet, "");
}

function over({ digits }: Collecting, scene: Scene, typed: string, effects: Effect[] = []): Step<Collecting> {
  const asks = digits !== "" || !scene.more;
  const told: Effect[] = asks ? [{ kind: "ask", event: "call.digits", payload: { digits } }] : [];
  return { ...done([...effects, ...told]), typed };
}
