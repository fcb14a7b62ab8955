import { z } from "zod";
import type { JsonObject } from "../json.ts";
import type { LegId } from "../ids.ts";
import type { Command } from "../calls/command.ts";
import { done, stay, type Effect, type Scene, type Verb } from "./verb.ts";

/** The switch ends an unanswered leg by itself; so much later we stop believing that it will say so. */
const ringSlackMs = 30_000;
/** How long the waiting leg outlives a controller that does not come back to direct it. */
const idleSecondsMax = 30;
const timeoutDefault = 30;

interface Dialing extends JsonObject {
  number: string;
  timeout: number;
  leg: string | null;
  answered: boolean;
}

const e164 = z.string().regex(/^\+[1-9][0-9]{7,14}$/, "must be E.164: + and 8 to 15 digits");

/**
 * `dial`: rings a second party and joins it to the caller, who hears ringback meanwhile. The switch does the joining
 * itself (`intercept`), so that it happens even if the controller is gone by then.
 */
export const dial: Verb<DialSpec, Dialing> = {
  name: "dial",
  needsAnswer: true,
  meaning:
    "Rings a second party and joins it to the caller, who hears ringback meanwhile, or what the callee's network plays. " +
    "Afterwards the next action runs; without one the voice URL is asked. `call.dial_completed` tells what came of it.",
  schema: z.strictObject({
    number: e164.meta({ description: "Who is dialled, E.164. Its leg is billed as one of its own." }),
    callerId: e164
      .optional()
      .meta({ description: "The number that is shown, one of the workspace. Default: the call's own." }),
    timeout: z
      .int()
      .min(5)
      .max(120)
      .optional()
      .meta({ description: `Seconds that it may ring. Default: ${timeoutDefault}.` }),
    record: z
      .union([z.boolean(), z.enum(["from-answer", "from-ringing"])])
      .optional()
      .meta({ description: 'Records the dialled leg; true is "from-answer". Default: false.' }),
    maxDuration: z
      .int()
      .min(10)
      .max(14_400)
      .optional()
      .meta({
        description:
          "Seconds from the answer, held by the switch; a started second counts, and the end comes up to 1.3 s later, never " +
          "before. Default: the call's max_duration_seconds.",
      }),
  }),
  numbers: ({ number, callerId }) => [
    { field: "number", e164: number, use: "dialled" },
    ...(callerId === undefined ? [] : [{ field: "callerId", e164: callerId, use: "presented" as const }]),
  ],
  begin(spec, scene) {
    const timeout = spec.timeout ?? timeoutDefault;
    const state: Dialing = { number: spec.number, timeout, leg: null, answered: false };
    const request: Effect = {
      kind: "dial",
      request: {
        waiting: scene.leg,
        to: spec.number,
        ...(spec.callerId === undefined ? {} : { callerId: spec.callerId }),
        ringTimeoutSeconds: timeout,
        ...(spec.maxDuration === undefined ? {} : { maxDurationSeconds: spec.maxDuration }),
        record: spec.record === true ? "from-answer" : spec.record === false ? null : (spec.record ?? null),
        prepare: whileWaiting(scene, timeout),
      },
    };
    return stay(state, [request], scene.nowMs + timeout * 1000 + ringSlackMs);
  },
  on(state, fact, scene) {
    switch (fact.kind) {
      case "dialing":
        return stay({ ...state, leg: fact.leg }, [], scene.nowMs + state.timeout * 1000 + ringSlackMs);
      case "dialRefused":
        return done([
          {
            kind: "event",
            event: "dial.refused",
            payload: { to: state.number, code: fact.code, message: fact.message },
          },
          outcome(scene, state, "failed", 0, null),
        ]);
      case "legAnswered":
        // From here the switch itself holds the time: no wake.
        return fact.leg === state.leg ? stay({ ...state, answered: true }, []) : null;
      case "legEnded":
        return fact.leg === state.leg
          ? done([
              ...noLongerWaiting(scene),
              outcome(scene, state, fact.status, fact.billedSeconds, fact.leg),
            ])
          : null;
      case "wake":
        return state.leg === null || state.answered
          ? null
          : stay(state, [
              { kind: "command", command: { kind: "hangUp", leg: state.leg as LegId, cause: "NO_ANSWER" } },
            ]);
      default:
        return null;
    }
  },
  drop(state, scene) {
    const { leg: dialled } = state;
    if (dialled === null) return { effects: [] };
    const leg = dialled as LegId;
    return {
      effects: [
        // The caller outlives the talk, whatever followed it in the document that is dropped.
        { kind: "command", command: afterBridge(scene.leg, { stays: true }) },
        { kind: "command", command: { kind: "hangUp", leg, cause: "NORMAL_CLEARING" } },
        ...noLongerWaiting(scene),
      ],
      after: [leg],
    };
  },
};

export interface DialSpec {
  number: string;
  callerId?: string | undefined;
  timeout?: number | undefined;
  record?: boolean | "from-answer" | "from-ringing" | undefined;
  maxDuration?: number | undefined;
}

/**
 * Before the callee rings: what becomes of the caller after the bridge (it stays for the next action, or ends with the
 * callee), a kill in case nobody directs it any more, and ringback. A park clears park_after_bridge, so each dial sets it.
 */
function whileWaiting(scene: Scene, timeout: number): Command[] {
  const { leg } = scene;
  return [
    afterBridge(leg, { stays: scene.more || scene.asks }),
    {
      kind: "armKill",
      leg,
      group: `idle-${leg}`,
      inSeconds: timeout + idleSecondsMax,
      cause: "ALLOTTED_TIMEOUT",
    },
    { kind: "playRingback", leg },
  ];
}

const afterBridge = (leg: LegId, { stays }: { stays: boolean }): Command => ({
  kind: "afterBridge",
  leg,
  then: stays ? { kind: "park", idleSeconds: idleSecondsMax } : { kind: "end" },
});

function noLongerWaiting(scene: Scene): Effect[] {
  return [
    { kind: "command", command: { kind: "stopPlayback", leg: scene.leg } },
    { kind: "command", command: { kind: "disarmKill", leg: scene.leg, group: `idle-${scene.leg}` } },
  ];
}

/** Where another action follows it runs; else the voice URL is asked what does. */
const outcome = (
  scene: Scene,
  state: Dialing,
  status: string,
  seconds: number,
  leg: LegId | null,
): Effect => ({
  kind: scene.more ? "event" : "ask",
  event: "call.dial_completed",
  payload: { to: state.number, dial_status: status, dial_duration_seconds: seconds, leg_id: leg },
});
