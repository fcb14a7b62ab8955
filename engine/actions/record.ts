import { z } from "zod";
import type { RecordingId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import { beep } from "../switch/switch.ts";
import { hangingUpMsMax } from "./hanging-up.ts";
import { httpUrl } from "./http-url.ts";
import { command, done, stay, type Effect, type Scene, type Step, type StepFact, type Verb } from "./verb.ts";
import type { EgressMethod } from "../egress/egress.ts";

export interface RecordSpec {
  action?: string | undefined;
  method?: EgressMethod | undefined;
  timeout?: number | undefined;
  maxLength?: number | undefined;
  finishOnKey?: string | undefined;
  playBeep?: boolean | undefined;
  trim?: "trim-silence" | "do-not-trim" | undefined;
}

/** What ended it, as `call.recorded` tells. */
export const recordedReasons = [
  "silence",
  "max_length",
  "finish_key",
  "hangup",
  "stopped",
  "failed",
] as const;
type Reason = (typeof recordedReasons)[number];

/**
 *   beeping ──▶ recording ──▶ stopping ──▶ asking
 *                   ├── silence, longest time ─┘
 *                   └── hang-up ──▶ hungUp, told, and nobody is asked
 */
interface Recording extends JsonObject {
  phase: "beeping" | "recording" | "stopping" | "hungUp";
  action: string | null;
  method: EgressMethod;
  silenceMs: number;
  maxSeconds: number;
  /** Empty: none. */
  finishOnKey: string;
  trim: boolean;
  recording: RecordingId | null;
  /** When it has been recorded for long enough; told to stop: when the switch's word of it is no longer waited for. ms. */
  untilMs: number;
  /** Why it was told to stop, and by which key. */
  reason: Reason | null;
  digit: string | null;
}

const timeoutDefault = 5;
const maxLengthDefault = 3600;
/** A tone of 300 ms, and the switch's word of its end. */
const beepMsMax = 2_000;
/** A recording that ended while nobody heard the switch is found by then. */
const checkEveryMs = 10_000;
/** Between the command to stop and the switch's word of it; where that is late, it is asked. */
const stoppingMsMax = 5_000;
const stoppingMs = 1_000;

/**
 * `record`: records what the caller says until they are silent, press the finishing key or hang up. The switch itself
 * ends it, by silence or by its longest time, also while no controller is there; what it tells of that may be lost, so
 * that it is asked now and then.
 */
export const record: Verb<RecordSpec, Recording> = {
  name: "record",
  meaning:
    "Records the caller, after a beep, until they have been silent for `timeout`, press `finishOnKey` or hang up. Then " +
    "`action`, or else the voice URL, is asked what comes next (`call.recorded`); without instructions the next action " +
    "runs. Other keys do not end it: they are kept for the next action.",
  needsAnswer: true,
  schema: z.strictObject({
    action: httpUrl.optional().meta({ description: "http(s). Asked in place of the voice URL." }),
    method: z
      .enum(["POST", "GET"])
      .optional()
      .meta({ description: "GET has CallId, From and To in its query, and no body. Default: POST." }),
    timeout: z
      .int()
      .min(1)
      .max(600)
      .optional()
      .meta({
        description:
          "Seconds of silence, from the start or after speech, that end it; they are in the recording. What is quieter than " +
          `about -42 dBFS is silence. Default: ${timeoutDefault}.`,
      }),
    maxLength: z
      .int()
      .min(1)
      .max(14_400)
      .optional()
      .meta({ description: `Seconds after which it ends in any case. Default: ${maxLengthDefault}.` }),
    finishOnKey: z
      .string()
      .regex(/^[0-9*#]?$/, "must be one of 0-9 * #, or empty")
      .optional()
      .meta({
        description:
          "This key ends it; empty: none does. Pressed during the beep it does nothing. Default: #.",
      }),
    playBeep: z
      .boolean()
      .optional()
      .meta({ description: "A beep before it, which is not recorded. Default: true." }),
    trim: z
      .enum(["trim-silence", "do-not-trim"])
      .optional()
      .meta({
        description:
          "trim-silence: what is stored begins and ends with what the caller said, 0.2 s around it left. Both channels are " +
          "cut alike. Default: do-not-trim.",
      }),
  }),
  begin(spec, scene) {
    const state: Recording = {
      phase: "beeping",
      action: spec.action ?? null,
      method: spec.method ?? "POST",
      silenceMs: (spec.timeout ?? timeoutDefault) * 1000,
      maxSeconds: spec.maxLength ?? maxLengthDefault,
      finishOnKey: spec.finishOnKey ?? "#",
      trim: spec.trim === "trim-silence",
      recording: null,
      untilMs: 0,
      reason: null,
      digit: null,
    };
    if (spec.playBeep === false) return recording(state, scene);
    const { leg, token } = scene;
    const play: Effect = command({ kind: "play", leg, file: beep, token, loops: 1 });
    return stay(state, [play], scene.nowMs + beepMsMax);
  },
  on(state, fact, scene) {
    switch (fact.kind) {
      case "recordingEnded":
        return fact.recording === state.recording ? ended(state, fact, scene) : null;
      case "legEnded":
        return fact.leg === scene.leg ? legEnded(state, scene) : null;
      case "digit":
        return fact.leg === scene.leg && fact.digit === state.finishOnKey ? finishKey(state, scene) : null;
      case "playbackEnded":
        return state.phase === "beeping" && fact.token === scene.token ? recording(state, scene) : null;
      case "recordingBegun":
        return stay({ ...state, recording: fact.recording }, [], nextCheckMs(state, scene));
      case "adopted":
        return adopted(state, scene);
      case "wake":
        return woken(state, scene);
      default:
        return null;
    }
  },
  drop(state, scene) {
    const { leg } = scene;
    if (state.phase === "beeping") return { effects: [command({ kind: "stopPlayback", leg })] };
    return { effects: state.phase === "recording" ? toSwitch("stopRecording", state, scene) : [] };
  },
};

function recording(state: Recording, scene: Scene): Step<Recording> {
  const { silenceMs, maxSeconds, trim } = state;
  const untilMs = scene.nowMs + maxSeconds * 1000;
  const next: Recording = { ...state, phase: "recording", untilMs };
  return stay(next, [{ kind: "record", ends: { silenceMs, maxSeconds }, trim }], nextCheckMs(next, scene));
}

/** Pressed before there is a recording, or twice, it does nothing; kept for the next action it would end that one. */
function finishKey(state: Recording, scene: Scene): Step<Recording> {
  switch (state.phase) {
    case "beeping":
      return stay(state, [], scene.nowMs + beepMsMax);
    case "recording":
      return stopping({ ...state, reason: "finish_key", digit: state.finishOnKey }, scene);
    case "stopping":
      return stay(state, [], state.untilMs);
    case "hungUp":
      return stay(state, [], scene.nowMs + hangingUpMsMax);
  }
}

function stopping(state: Recording, scene: Scene): Step<Recording> {
  const untilMs = scene.nowMs + stoppingMsMax;
  const stop = toSwitch("stopRecording", state, scene);
  return stay<Recording>({ ...state, phase: "stopping", untilMs }, stop, scene.nowMs + stoppingMs);
}

const toSwitch = (
  kind: "stopRecording" | "checkRecording",
  { recording }: Recording,
  { leg }: Scene,
): Effect[] => (recording === null ? [] : [command({ kind, leg, recording })]);

function woken(state: Recording, scene: Scene): Step<Recording> {
  switch (state.phase) {
    case "beeping":
      return recording(state, scene);
    case "stopping":
      return scene.nowMs >= state.untilMs
        ? done([told("ask", state, scene, state.reason ?? "stopped", null)])
        : stay(state, toSwitch("checkRecording", state, scene), state.untilMs);
    case "hungUp":
      return done();
    case "recording":
      return scene.nowMs >= state.untilMs
        ? stopping({ ...state, reason: "max_length" }, scene)
        : stay(state, toSwitch("checkRecording", state, scene), nextCheckMs(state, scene));
  }
}

/** That it ended may not have been told: it is asked at once. */
function adopted(state: Recording, scene: Scene): Step<Recording> | null {
  switch (state.phase) {
    case "beeping":
      return stay(state, [], scene.nowMs + beepMsMax);
    case "recording":
      return stay(state, toSwitch("checkRecording", state, scene), nextCheckMs(state, scene));
    case "stopping": {
      const next: Recording = { ...state, untilMs: scene.nowMs + stoppingMsMax };
      return stay(next, toSwitch("checkRecording", state, scene), scene.nowMs + stoppingMs);
    }
    case "hungUp":
      return null;
  }
}

const nextCheckMs = (state: Recording, scene: Scene) =>
  Math.min(scene.nowMs + checkEveryMs, Math.max(state.untilMs, scene.nowMs));

/** It was closed with the leg, whether or not that was heard. */
const legEnded = (state: Recording, scene: Scene): Step<Recording> =>
  done(state.phase === "hungUp" ? [] : [told("event", state, scene, "hangup", null)]);

type Ended = Extract<StepFact, { kind: "recordingEnded" }>;

function ended(state: Recording, { by, lengthMs }: Ended, scene: Scene): Step<Recording> {
  if (state.phase === "hungUp") return stay(state, [], scene.nowMs + hangingUpMsMax);
  // The next action waits for the leg's own end, and then never begins.
  if (by === "hangUp") {
    const hungUp = told("event", state, scene, "hangup", lengthMs);
    return stay<Recording>({ ...state, phase: "hungUp" }, [hungUp], scene.nowMs + hangingUpMsMax);
  }
  return done([told("ask", state, scene, state.reason ?? reasonOf(by, state, scene), lengthMs)]);
}

function reasonOf(by: Exclude<Ended["by"], "hangUp">, { untilMs }: Recording, scene: Scene): Reason {
  switch (by) {
    case "silence":
      return "silence";
    case "nobody":
      return "failed";
    // The switch ended it, while nobody told it to.
    case "unknown":
      return scene.nowMs >= untilMs ? "max_length" : "silence";
    case "other":
      return scene.nowMs >= untilMs ? "max_length" : "stopped";
  }
}

function told(
  kind: "ask" | "event",
  state: Recording,
  scene: Scene,
  reason: Reason,
  lengthMs: number | null,
): Effect {
  const payload: JsonObject = {
    recording_id: state.recording,
    leg_id: scene.leg,
    duration_seconds: lengthMs === null ? null : lengthMs / 1000,
    reason,
    digit: state.digit,
  };
  if (kind === "event") return { kind, event: "call.recorded", payload };
  const { action, method } = state;
  return { kind, event: "call.recorded", payload, method, ...(action === null ? {} : { url: action }) };
}
