import type { Box } from "../../engine/calls/controller.ts";
import { systemClock } from "../../engine/clock.ts";
import type { LegId } from "../../engine/ids.ts";
import type { BoxEvent, SwitchEvent } from "../../engine/switch/switch.ts";
import { interferedBox, noAnswer, refusal, type Question } from "./interfered-box.ts";

/** A number in [0, 1), the next of its sequence. */
export type Chance = () => number;

/** mulberry32: small, and the same everywhere. */
export function chance(seed: number): Chance {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const lostShare = 0.3;
const doubledShare = 0.3;
/** Longer than anything that happens to one leg in a row takes. */
const lateMsMax = 700;
/** A switch that loses events is reconciled with sooner or later; some of these calls are over before. */
const reconnectEveryMs = 4_000;

/**
 * A box whose news is lost, doubled and out of order, as chance has it for that leg's call. Its commands, its listings
 * and its end-of-leg records are what they are.
 */
export function troubledBox(box: Box, chanceOf: (leg: LegId) => Promise<Chance | null>): Box {
  let stopped = false;
  const trouble = {
    stop: (): Promise<void> => {
      stopped = true;
      return box.stop();
    },
    onEvent: (listener: (event: SwitchEvent) => void): void => {
      box.onEvent((event) => void spoil(event, listener));
    },
    onBoxEvent: (listener: (event: BoxEvent) => void): void => {
      box.onBoxEvent((event) => {
        listener(event);
        if (event.kind === "connected") again(event, listener);
      });
    },
  };

  async function spoil(event: SwitchEvent, listener: (event: SwitchEvent) => void): Promise<void> {
    const draw = await chanceOf(event.leg);
    if (!draw) return listener(event);
    if (draw() < lostShare) return;
    const copies = draw() < doubledShare ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      systemClock.after(draw() * lateMsMax, () => {
        if (!stopped) listener(event);
      });
    }
  }

  function again(event: BoxEvent, listener: (event: BoxEvent) => void): void {
    systemClock.after(reconnectEveryMs, () => {
      if (!box.connected) return;
      listener(event);
      again(event, listener);
    });
  }

  return new Proxy(box, {
    get(target, name) {
      if (name in trouble) return trouble[name as keyof typeof trouble];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

const slowShare = 0.25;
const slowMsMax = 400;
const refusedShare = 0.08;
const unansweredShare = 0.08;

/**
 * A box that refuses commands, does not answer them (having run them, or not), or takes its time, as chance has it for
 * that leg's call; and its listings likewise, by a chance of their own. `asked` hears of what is asked, as it is.
 */
export function reluctantBox(
  box: Box,
  chanceOf: (leg: LegId) => Promise<Chance | null>,
  ofListings: Chance,
  asked: (question: Question, leg: LegId | null) => void,
): Box {
  return interferedBox(box, {
    async question(question, leg, ask) {
      asked(question, leg);
      const draw = leg ? await chanceOf(leg) : ofListings;
      if (!draw) return ask();
      if (draw() < slowShare) await systemClock.sleep(draw() * slowMsMax);
      if (draw() < refusedShare) throw refusal();
      if (draw() >= unansweredShare) return ask();
      if (draw() < 0.5) void ask().catch(() => undefined);
      throw noAnswer();
    },
  });
}
