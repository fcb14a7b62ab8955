import type { Box } from "../../engine/calls/controller.ts";
import { SautikitError } from "../../engine/errors.ts";
import type { LegId } from "../../engine/ids.ts";
import type {
  Arrival,
  BoxEvent,
  Originate,
  Switch,
  SwitchEvent,
  TakenIn,
} from "../../engine/switch/switch.ts";

/** What is asked of the switch, and may be interfered with. */
const questions = [
  "originate",
  "takeIn",
  "refuse",
  "ringFor",
  "answer",
  "preAnswer",
  "afterBridge",
  "hangUp",
  "setVariable",
  "play",
  "stopPlayback",
  "sendDigits",
  "playRingback",
  "startRecording",
  "stopRecording",
  "maskRecording",
  "isRecording",
  "forkMedia",
  "endFork",
  "enterRoom",
  "leaveRoom",
  "endRoom",
  "roomMembers",
  "announce",
  "armKill",
  "disarmKill",
  "listChannels",
  "channelFacts",
  "arrivals",
] as const satisfies (keyof Switch)[];
export type Question = (typeof questions)[number];

export interface Interference {
  /** Instead of asking the switch; `ask` asks it. `leg` is null where the question is of no leg in particular. */
  question?: (question: Question, leg: LegId | null, ask: () => Promise<unknown>) => Promise<unknown>;
  /** Instead of telling an event; `tell` tells it. */
  event?: (event: SwitchEvent, tell: () => void) => void;
  arrival?: (arrival: Arrival, tell: () => void) => void;
  boxEvent?: (event: BoxEvent, tell: () => void) => void;
  /** Whether the box is there at all. */
  connected?: () => boolean;
}

/** A box between the controller and the switch, which does as the test says. */
export function interferedBox(
  box: Box,
  { question, event, arrival, boxEvent, connected }: Interference,
): Box {
  return new Proxy(box, {
    get(target, name) {
      if (name === "connected") return target.connected && (connected?.() ?? true);
      if (name === "onEvent" && event)
        return (listener: (told: SwitchEvent) => void) =>
          box.onEvent((told) => event(told, () => listener(told)));
      if (name === "onArrival" && arrival)
        return (listener: (told: Arrival) => void) =>
          box.onArrival((told) => arrival(told, () => listener(told)));
      if (name === "onBoxEvent" && boxEvent)
        return (listener: (told: BoxEvent) => void) =>
          box.onBoxEvent((told) => boxEvent(told, () => listener(told)));
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const method = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
      const asked = questions.find((known) => known === name);
      if (!asked || !question) return method;
      return (...args: unknown[]) => question(asked, legOf(args[0]), () => method(...args));
    },
  });
}

/** By the first argument: a leg, a kill group of a leg, an originate, or a call that is taken in. */
function legOf(subject: unknown): LegId | null {
  if (typeof subject === "object") {
    const asked = subject as Originate | TakenIn;
    return "branches" in asked ? asked.branches[0].leg : asked.leg;
  }
  if (typeof subject !== "string") return null;
  const [leg] = /leg_[0-9a-z]{26}/.exec(subject) ?? [];
  return (leg as LegId | undefined) ?? null;
}

export const refusal = () =>
  new SautikitError("switch.refused", "The media server refused, as the test says.");
export const noAnswer = () =>
  new SautikitError("switch.unknown_outcome", "The media server did not answer, as the test says.");
export const unavailable = () =>
  new SautikitError("switch.unavailable", "The media server is away, as the test says.");
