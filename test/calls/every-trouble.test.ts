import assert from "node:assert/strict";
import { systemClock } from "../../engine/clock.ts";
import type { CallId, LegId } from "../../engine/ids.ts";
import { legById } from "../../engine/store/calls.ts";
import { updateWorkspace } from "../../engine/store/workspaces.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { chance, reluctantBox, troubledBox, type Chance } from "./troubled-box.ts";
import { world, type PlacedCall, type SeenCall, type World } from "./world.ts";

const answersAtOnce = "+254700000001";
const hangsUpAfter3s = "+254700000103";
const [ringsFor5, ringsForEver] = ["+254700000003", "+254700000180"] as const;
const busy = "+254700000486";
/** Rings for a second, then answers and stays. */
const anybody = "+254712000400";

interface Story {
  call: (promptUrl: string) => PlacedCall;
  /** When the customer hangs up, at the latest; undefined: never. */
  hangUpWithinMs?: number;
  /** Seconds of one leg that the workspace can pay; its calls end with its money. */
  seconds?: number;
  recorded?: true;
}

const stories: Record<string, Story> = {
  "Wanjiru hangs up on Otieno, or before he answers": {
    call: () => ({ to: anybody, record: "from-ringing" }),
    hangUpWithinMs: 3_000,
  },
  "the customer hangs up on the two": {
    call: () => ({ to: answersAtOnce, actions: [{ dial: { number: anybody, record: true } }] }),
    hangUpWithinMs: 4_000,
  },
  "Wanjiru goes while Otieno's phone rings, or is about to": {
    call: (url) => ({ to: hangsUpAfter3s, actions: [{ play: { url } }, { dial: { number: anybody } }] }),
    hangUpWithinMs: 8_000,
  },
  "the document ends by itself": {
    call: (url) => ({
      to: answersAtOnce,
      actions: [
        { play: { url } },
        { dial: { number: hangsUpAfter3s, timeout: 10 } },
        { wait: { seconds: 1 } },
        { hangup: {} },
      ],
    }),
  },
  "one is busy, the next one joined, and all of it recorded, now and then": {
    call: () => ({
      to: answersAtOnce,
      record: "from-answer",
      actions: [{ dial: { number: busy } }, { dial: { number: hangsUpAfter3s, timeout: 10 } }],
    }),
    recorded: true,
  },
  "several ring for the call, and for whom it dials": {
    call: () => ({
      to: [ringsForEver, answersAtOnce, anybody],
      record: "from-answer",
      actions: [
        { dial: { numbers: [busy, hangsUpAfter3s, ringsFor5], timeout: 10, record: true } },
        { wait: { seconds: 1 } },
      ],
    }),
    hangUpWithinMs: 12_000,
  },
  "the money ends": {
    call: () => ({ to: answersAtOnce, actions: [{ dial: { number: anybody, timeout: 10 } }] }),
    seconds: 8,
  },
};

/** 56 by default: eight of each story. */
const seedsPerStory = 8;
/** Less than the wait for a leg that the switch never had: longer is the story of refused-and-lost.test.ts. */
const recordLateMsMax = 4_000;
const firstSeed = Number(process.env["SAUTIKIT_SEED"] ?? 1);

describeOnSwitch(
  "a switch whose news is lost, and that refuses, forgets or delays what it is told",
  function () {
    this.timeout(90_000);
    let on: World;
    const chances = new Map<CallId, Chance>();
    /** When the controller told the switch to dial a leg, ms. */
    const originated = new Map<LegId, number[]>();
    before(async () => {
      const chanceOf = async (leg: LegId) => {
        const row = await on.store.read((tx) => legById(tx, leg));
        return (row && chances.get(row.callId)) ?? null;
      };
      on = await world({
        async beforeEndRecord(leg) {
          const draw = await chanceOf(leg as LegId);
          if (draw && draw() < 0.5) await systemClock.sleep(draw() * recordLateMsMax);
        },
        expectedErrors:
          /a command was refused|reconciliation on connect failed|A recording's file is missing/,
        tap: (box) =>
          reluctantBox(troubledBox(box, chanceOf), chanceOf, chance(firstSeed), (question, leg) => {
            if (question !== "originate" || !leg) return;
            originated.set(leg, [...(originated.get(leg) ?? []), systemClock.nowMs()]);
          }),
      });
    });
    after(() => on.end());
    const together = sideBySide(48);

    let seed = firstSeed;
    for (const [name, story] of Object.entries(stories)) {
      for (let nth = 0; nth < seedsPerStory; nth++) {
        const mine = seed++;
        together(`ends, told and charged as it was, when ${name} (seed ${mine})`, () => told(story, mine));
      }
    }

    async function told(story: Story, mine: number): Promise<void> {
      const draw = chance(mine);
      const cli = `+2542004${String(mine).padStart(5, "0")}`;
      const from = {
        workspaceId: await on.workspace(cli, story.seconds ? story.seconds * 5 : 1_000),
        e164: cli,
      };
      if (story.seconds)
        await on.store.write((tx) => updateWorkspace(tx, from.workspaceId, { onZeroBalance: "hangup" }));
      const id = await on.place(story.call(on.promptUrl), from);
      chances.set(id, draw);

      // From then on it is known that nobody else is to be rung.
      let goneMs = Infinity;
      if (story.recorded) await toggleRecording(id, from.workspaceId, draw);
      if (story.hangUpWithinMs !== undefined) {
        await systemClock.sleep(draw() * story.hangUpWithinMs);
        await on.hangUp(id, from.workspaceId);
        goneMs = systemClock.nowMs();
      }
      const call = await on.ended(id, 60_000);
      await checkRung(call, cli, goneMs);
    }

    async function toggleRecording(id: CallId, workspaceId: World["home"], draw: Chance): Promise<void> {
      for (let times = 0; times < 4; times++) {
        await systemClock.sleep(draw() * 1_000);
        const state = (["on", "off", "paused"] as const)[Math.floor(draw() * 3)]!;
        await on.record(id, state, undefined, workspaceId).catch((error: unknown) => {
          const { code } = error as { code?: string };
          if (code !== "calls.not_live" && code !== "calls.recording_state") throw error;
        });
      }
    }

    /** What the carrier saw of one call's phones, and when we had them rung. */
    async function checkRung(call: SeenCall, cli: string, goneMs: number): Promise<void> {
      const seen = (await on.carrier.calls()).filter(({ from }) => from === cli);
      for (const number of new Set(call.legs.map(({ to }) => to))) {
        const rang = seen.filter((candidate) => candidate.number === number).length;
        assert.ok(rang <= 1, `${number} rang ${rang} times`);
      }
      const [first, ...others] = call.legs;
      const ended = call.events.find(
        ({ kind, payload }) => kind === "leg.ended" && payload["leg_id"] === first!.id,
      );
      const knownMs = Math.min(goneMs, Date.parse(ended!.created_at));
      for (const leg of others) {
        const asked = originated.get(leg.id) ?? [];
        assert.ok(asked.length <= 1, `${leg.id} was dialled ${asked.length} times`);
        for (const atMs of asked)
          assert.ok(
            atMs <= knownMs + 50,
            `${leg.id} was dialled ${atMs - knownMs} ms after the caller had gone`,
          );
      }
      // Nobody is left on the line.
      await eventually("the carrier's end of each", async () => {
        const mine = (await on.carrier.calls()).filter(({ from }) => from === cli);
        return mine.every(({ ended_at }) => ended_at !== null) ? true : undefined;
      });
    }
  },
);
