import assert from "node:assert/strict";
import type { CallId } from "../../engine/ids.ts";
import { legById } from "../../engine/store/calls.ts";
import { sideBySide } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";
import { chance, troubledBox, type Chance } from "./troubled-box.ts";
import { world, type PlacedCall, type SeenCall, type World } from "./world.ts";

const wanjiru = "+254700000001";

/** Calls that end by themselves, so that nothing but the news can make a difference. */
const stories: Record<string, PlacedCall> = {
  "Otieno hangs up after three seconds": { to: "+254700000103" },
  "Otieno is busy": { to: "+254700000486" },
  "Otieno declines": { to: "+254700000603" },
  "Wanjiru is joined to Otieno, who hangs up": {
    to: wanjiru,
    actions: [{ dial: { number: "+254700000103" } }],
  },
  "Wanjiru is told that Otieno is busy": {
    to: wanjiru,
    actions: [{ dial: { number: "+254700000486" } }, { wait: { seconds: 1 } }, { hangup: {} }],
  },
  "Wanjiru hears the announcement": {
    to: wanjiru,
    actions: [{ dial: { number: "+254700000185" } }, { hangup: {} }],
  },
  "of several who ring Otieno has the call, and hangs up": {
    to: ["+254700000180", "+254700000103", "+254700000486"],
  },
  "of several who ring for the call nobody answers": {
    to: ["+254700000603", "+254700000404", "+254700000486"],
  },
  "Wanjiru is joined to one of several, who hangs up": {
    to: wanjiru,
    actions: [
      { dial: { numbers: ["+254700000180", "+254700000486", "+254700000103"] } },
      { wait: { seconds: 1 } },
    ],
  },
};
const seedsPerStory = 10;

/** What must be the same whatever became of the news: the outcome, and what customers are told. Times and ids differ. */
function essence(call: SeenCall) {
  const told = call.events.filter(({ kind }) => kind.startsWith("call."));
  return {
    status: call.status,
    hangupCause: call.hangup_cause,
    failureCode: call.failure_code,
    legs: call.legs.map(({ to, status, hangup_cause, sip_status }) => ({
      to,
      status,
      hangup_cause,
      // Whether the carrier's answer to the CANCEL was still heard is chance.
      sip_status: hangup_cause === "lose_race" ? null : sip_status,
    })),
    told: told.map(({ kind, payload }) => ({
      kind,
      dial: payload["dial_status"],
      reason: payload["failure_reason"],
    })),
    progress: call.events
      .map(({ kind, payload }) => `${call.legs.findIndex(({ id }) => id === payload["leg_id"])} ${kind}`)
      .filter((line) => / leg\.(answered|ended)$/.test(line))
      .sort(),
  };
}

describeOnSwitch("news that is lost, doubled and out of order", () => {
  let on: World;
  const chances = new Map<CallId, Chance>();
  const calm = new Map<string, SeenCall>();
  before(async function () {
    this.timeout(60_000);
    on = await world({
      tap: (box) =>
        troubledBox(box, async (leg) => {
          const row = await on.store.read((tx) => legById(tx, leg));
          return (row && chances.get(row.callId)) ?? null;
        }),
    });
    const undisturbed = Object.entries(stories).map(async ([name, story]) => {
      calm.set(name, await on.ended(await on.place(story)));
    });
    await Promise.all(undisturbed);
  });
  after(() => on.end());
  const together = sideBySide(20);

  for (const [name, story] of Object.entries(stories)) {
    for (let seed = 1; seed <= seedsPerStory; seed++) {
      together(`changes nothing when ${name} (seed ${seed})`, async () => {
        const id = await on.place(story);
        chances.set(id, chance(seed));
        assert.deepEqual(essence(await on.ended(id)), essence(calm.get(name)!));
      });
    }
  }
});
