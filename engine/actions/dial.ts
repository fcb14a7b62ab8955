import type { JsonObject } from "../json.ts";
import type { LegId } from "../ids.ts";
import type { Command, DialRequest } from "../calls/command.ts";
import { mostTelling, type FailureCode } from "../calls/leg-state.ts";
import type { LegStatus } from "../store/calls.ts";
import { sipUriText } from "../sip/sip-uri.ts";
import type { HangupCause } from "../switch/switch.ts";
import {
  devicesOf,
  dialSchema,
  nameOf,
  numbersOf,
  timeoutDefault,
  uriOf,
  type DialSpec,
} from "./dial-spec.ts";
import {
  command,
  done,
  stay,
  type DialRefusal,
  type Effect,
  type Scene,
  type Step,
  type StepFact,
  type Verb,
} from "./verb.ts";

/** The switch ends an unanswered leg by itself; so much later we stop believing that it will say so. */
const ringSlackMs = 30_000;
/** How long the waiting leg outlives a controller that does not come back to direct it. */
const idleSecondsMax = 30;
/** A ringback file is played for so much longer than it may ring, lest it end before the switch gives up. */
const ringbackSlackMs = 5_000;
/** A host is found within five seconds, or not. */
const findMsMax = 10_000;
/** The switch takes a list of so many files. */
const ringbackLoopsMax = 100;

interface Dialing extends JsonObject {
  numbers: string[];
  timeout: number;
  hangupOnStar: boolean;
  /** When we stop believing that the switch will end what rings. */
  untilMs: number;
  legs: DialledLeg[];
  answered: boolean;
  /** They hear each other: from the callee's early media on. */
  joined?: true;
  /** What the document says, where that may be a SIP URI, and whether its host is being looked for. */
  uri?: { spec: string; finding: boolean };
  /** `file`: kept for as long as it is named here, since the switch opens it anew for each loop. */
  ringback: { url: string; playing: boolean; file?: string } | null;
}

interface DialledLeg extends JsonObject {
  leg: LegId;
  to: string;
  end: { status: LegStatus; seconds: number; failureCode: FailureCode | null } | null;
}

/**
 * `dial`: rings a second party, or several at once, and joins the first to answer to the caller, who hears ringback
 * meanwhile. The switch picks and joins by itself (`intercept`), so that it happens even if the controller is gone by
 * then. The dial is over when the leg that was joined has ended, or the last of those that could have been.
 */
export const dial: Verb<DialSpec, Dialing> = {
  name: "dial",
  needsAnswer: true,
  meaning:
    "Rings a second party, or up to ten at once of which the first to answer has the call, and joins it to the caller, who " +
    "hears ringback meanwhile, or what the callee's network plays. Afterwards the next action runs; without one the voice " +
    "URL is asked. `call.dial_completed` tells what came of it.",
  schema: dialSchema,
  numbers: ({ number, numbers = [], callerId }) => [
    ...(number === undefined ? [] : [{ field: "number", e164: number, use: "dialled" as const }]),
    ...numbers.map((e164, index) => ({ field: `numbers[${index}]`, e164, use: "dialled" as const })),
    ...(callerId === undefined ? [] : [{ field: "callerId", e164: callerId, use: "presented" as const }]),
  ],
  devices(spec) {
    const [target, uri] = [devicesOf(spec), uriOf(spec)];
    return target === null && uri === null ? [] : [{ field: "sip", target, uri }];
  },
  media: ({ ringback }) => (ringback === undefined ? [] : [{ field: "ringback", url: ringback }]),
  begin(spec, scene) {
    const timeout = spec.timeout ?? timeoutDefault;
    const { ringback, hangupOnStar = false } = spec;
    const numbers = namesOf(spec);
    const untilMs = untilOf(timeout, scene);
    const state: Dialing = {
      ...{ numbers, timeout, hangupOnStar, untilMs, legs: [], answered: false },
      ringback: ringback === undefined ? null : { url: ringback, playing: false },
      ...(uriOf(spec) && { uri: { spec: JSON.stringify(spec), finding: false } }),
    };
    // Fetched while it rings already: nobody waits for it.
    const fetch: Effect[] =
      ringback === undefined
        ? []
        : [command({ kind: "prepareMedia", source: { url: ringback }, token: ringbackToken(scene) })];
    return stay(state, [{ kind: "dial", request: requestOf(spec, scene) }, ...fetch], untilMs);
  },
  on(state, fact, scene) {
    switch (fact.kind) {
      case "dialing": {
        const legs = fact.legs.map(({ leg, to }) => ({ leg, to, end: null }));
        const refused = fact.refused.map((refusal) => refusedEvent(refusal));
        if (legs.length === 0) return done([...refused, refusedOutcome(state, scene)]);
        return stay({ ...state, legs }, refused, state.untilMs);
      }
      case "hostWanted":
        return state.uri ? findHost(state, state.uri, fact.host, scene) : null;
      case "hostFound":
        return state.uri?.finding && fact.token === hostToken(scene)
          ? dialHost(state, state.uri, fact.address, scene)
          : null;
      case "hostRefused":
        return state.uri?.finding && fact.token === hostToken(scene) ? hostRefused(state, fact, scene) : null;
      case "dialRefused": {
        const { code, reason, message } = fact;
        const refused = state.numbers.map((to) => refusedEvent({ to, code, reason, message }));
        return done([...refused, refusedOutcome(state, scene)]);
      }
      case "legAnswered":
        // From here the switch itself holds the time: no wake.
        return isOurs(state, fact.leg) ? talks({ ...state, answered: true }, scene) : null;
      case "legsBridged":
        return fact.legs.some((leg) => isOurs(state, leg)) ? talks(state, scene) : null;
      case "legEnded":
        return isOurs(state, fact.leg) ? legEnded(state, fact, scene) : null;
      case "digit":
        if (!state.hangupOnStar || fact.leg !== scene.leg || fact.digit !== "*") return null;
        if (state.uri?.finding) return done([notDialled(state, scene, "canceled")]);
        return goOn(state, hangUpAll(state, state.answered ? "NORMAL_CLEARING" : "ORIGINATOR_CANCEL"));
      case "mediaReady":
        return fact.token === ringbackToken(scene)
          ? playRingback(state, fact.file, fact.durationMs, scene)
          : null;
      case "mediaFailed":
        return fact.token === ringbackToken(scene)
          ? goOn(state, [ringbackFailed(state, fact.reason, fact.origin)])
          : null;
      case "playbackEnded":
        return fact.token === ringbackToken(scene) && fact.outcome !== "played"
          ? ringbackLost(state, fact.outcome, scene)
          : null;
      case "wake":
        if (state.uri?.finding) return hostRefused(state, hostIsLate, scene);
        return state.legs.length === 0 || state.answered ? null : stay(state, hangUpAll(state, "NO_ANSWER"));
      default:
        return null;
    }
  },
  drop(state, scene) {
    const running = state.legs.filter(({ end }) => end === null);
    return {
      effects: [
        // The caller outlives the talk, whatever followed it in the document that is dropped.
        command(afterBridge(scene.leg, { stays: true })),
        ...hangUpAll(state, state.answered ? "NORMAL_CLEARING" : "ORIGINATOR_CANCEL"),
        ...noLongerWaiting(scene),
      ],
      after: running.map(({ leg }) => leg),
    };
  },
};

/** What they are called, as far as that is known before somebody looks. */
function namesOf(spec: DialSpec): string[] {
  const [devices, uri] = [devicesOf(spec), uriOf(spec)];
  if (devices !== null) return [nameOf(devices)];
  return uri === null ? numbersOf(spec) : [sipUriText(uri)];
}

const untilOf = (timeout: number, scene: Scene): number => scene.nowMs + timeout * 1000 + ringSlackMs;

function requestOf(spec: DialSpec, scene: Scene): DialRequest {
  const { timeout = timeoutDefault, callerId, maxDuration, record } = spec;
  const [devices, uri] = [devicesOf(spec), uriOf(spec)];
  return {
    waiting: scene.leg,
    to: numbersOf(spec),
    ...(devices && { devices }),
    ...(uri && { uri }),
    ...(scene.answered ? {} : { untilAnswer: true }),
    ...(callerId === undefined ? {} : { callerId }),
    ringTimeoutSeconds: timeout,
    ...(maxDuration === undefined ? {} : { maxDurationSeconds: maxDuration }),
    record: record === true ? "from-answer" : record === false ? null : (record ?? null),
    prepare: whileWaiting(scene, timeout),
  };
}

const hostToken = (scene: Scene) => `${scene.token}.host`;

function findHost(
  before: Dialing,
  { spec }: NonNullable<Dialing["uri"]>,
  host: string,
  scene: Scene,
): Step<Dialing> {
  const untilMs = scene.nowMs + findMsMax;
  const state: Dialing = { ...before, untilMs, uri: { spec, finding: true } };
  return stay(state, [command({ kind: "findHost", host, token: hostToken(scene) })], untilMs);
}

function dialHost(
  before: Dialing,
  { spec }: NonNullable<Dialing["uri"]>,
  address: string,
  scene: Scene,
): Step<Dialing> {
  const untilMs = untilOf(before.timeout, scene);
  const request = { ...requestOf(JSON.parse(spec) as DialSpec, scene), address };
  return stay({ ...before, untilMs, uri: { spec, finding: false } }, [{ kind: "dial", request }], untilMs);
}

const hostIsLate = { code: "sip.host_not_allowed", message: "The host was not found in time." };

function hostRefused(
  state: Dialing,
  { code, message }: { code: string; message: string },
  scene: Scene,
): Step<Dialing> {
  const uri = uriOf(JSON.parse(state.uri?.spec ?? "{}") as DialSpec);
  const to = uri === null ? "" : sipUriText(uri);
  return done([refusedEvent({ to, code, reason: null, message }), refusedOutcome(state, scene)]);
}

/** The first talk that is over ends the dial; what still rings then would take the caller out of what follows. */
function legEnded(
  before: Dialing,
  { leg, status, billedSeconds, failureCode }: Extract<StepFact, { kind: "legEnded" }>,
  scene: Scene,
): Step<Dialing> {
  const end = { status, seconds: billedSeconds, failureCode };
  const legs = before.legs.map((dialled) => (dialled.leg === leg ? { ...dialled, end } : dialled));
  const state = { ...before, legs };
  const ended = legs.find((dialled) => dialled.leg === leg);
  const left = legs.filter((dialled) => dialled.end === null);
  if (status === "completed" && ended) {
    const tell = outcome(scene, { to: ended.to, leg, ...end });
    return done([...hangUpAll(state, "ORIGINATOR_CANCEL"), ...noLongerWaiting(scene), tell]);
  }
  if (left.length > 0) return goOn(state, []);
  const [only, ...others] = legs;
  const told = mostTelling(
    legs.map((dialled) => ({ failureCode: dialled.end?.failureCode ?? "other", ...dialled })),
  );
  return done([
    ...noLongerWaiting(scene),
    outcome(scene, {
      to: others.length === 0 ? (only?.to ?? null) : null,
      leg: others.length === 0 ? (only?.leg ?? null) : null,
      status: told?.end?.status ?? "failed",
      seconds: 0,
      failureCode: told?.failureCode ?? null,
    }),
  ]);
}

const isOurs = (state: Dialing, leg: LegId): boolean => state.legs.some((dialled) => dialled.leg === leg);

/** With its alarm for as long as nobody has answered. */
const goOn = (state: Dialing, effects: Effect[]): Step<Dialing> =>
  state.answered ? stay(state, effects) : stay(state, effects, state.untilMs);

/** The switch ends what the caller hears when it joins them; but a file that came in that moment plays into the talk. */
function talks(before: Dialing, scene: Scene): Step<Dialing> {
  const state: Dialing = { ...before, joined: true };
  if (state.ringback?.playing !== true) return goOn(state, []);
  const ringback = { ...state.ringback, playing: false };
  return goOn({ ...state, ringback }, [command({ kind: "stopPlayback", leg: scene.leg })]);
}

function playRingback(state: Dialing, file: string, durationMs: number, scene: Scene): Step<Dialing> {
  if (state.answered || state.joined || state.ringback === null) return goOn(state, []);
  const loops = Math.ceil((state.timeout * 1000 + ringbackSlackMs) / Math.max(durationMs, 1));
  if (loops > ringbackLoopsMax) return goOn(state, [ringbackFailed(state, "too_short")]);
  return goOn({ ...state, ringback: { ...state.ringback, playing: true, file } }, [
    command({ kind: "stopPlayback", leg: scene.leg }),
    command({ kind: "play", leg: scene.leg, file, token: ringbackToken(scene), loops }),
  ]);
}

/** It could not be played, or was lost with a controller: nobody waits in silence. */
function ringbackLost(state: Dialing, reason: string, scene: Scene): Step<Dialing> | null {
  if (state.answered || state.ringback?.playing !== true) return null;
  const ringback = { ...state.ringback, playing: false };
  return goOn({ ...state, ringback }, [
    ringbackFailed(state, reason),
    command({ kind: "playRingback", leg: scene.leg }),
  ]);
}

const ringbackToken = (scene: Scene) => `${scene.token}.ringback`;

const ringbackFailed = (state: Dialing, reason: string, origin: JsonObject = {}): Effect => ({
  kind: "event",
  event: "dial.ringback_failed",
  payload: { url: state.ringback?.url ?? "", reason, ...origin },
});

const hangUpAll = (state: Dialing, cause: HangupCause): Effect[] =>
  state.legs.filter(({ end }) => end === null).map(({ leg }) => command({ kind: "hangUp", leg, cause }));

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
    command({ kind: "stopPlayback", leg: scene.leg }),
    command({ kind: "disarmKill", leg: scene.leg, group: `idle-${scene.leg}` }),
  ];
}

const refusedEvent = ({ to, code, reason, message }: DialRefusal): Effect => ({
  kind: "event",
  event: "dial.refused",
  payload: { to, code, reason, message },
});

const refusedOutcome = (state: Dialing, scene: Scene): Effect => notDialled(state, scene, "failed");

function notDialled({ numbers }: Dialing, scene: Scene, status: "failed" | "canceled"): Effect {
  const [only = null, ...others] = numbers;
  const to = others.length === 0 ? only : null;
  const failureCode = status === "canceled" ? "canceled" : null;
  return outcome(scene, { to, leg: null, status, seconds: 0, failureCode });
}

/** Where another action follows it runs; else the voice URL is asked what does. */
const outcome = (
  scene: Scene,
  end: {
    to: string | null;
    leg: LegId | null;
    status: string;
    seconds: number;
    failureCode: FailureCode | null;
  },
): Effect => ({
  kind: scene.more ? "event" : "ask",
  event: "call.dial_completed",
  payload: {
    to: end.to,
    dial_status: end.status,
    failure_code: end.failureCode,
    dial_duration_seconds: end.seconds,
    leg_id: end.leg,
  },
});
