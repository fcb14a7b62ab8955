import assert from "node:assert/strict";
import { oneWayOf } from "../../engine/calls/one-way-audio.ts";
import type { AudioPackets, HungUp } from "../../engine/switch/switch.ts";

const second = 1_000_000;
const both = { sends: true, hears: true };

describe("audio one way", () => {
  const rows: [what: string, talkS: number, audio: Partial<AudioPackets> | null, is: string | null][] = [
    ["both ways", 10, {}, null],
    ["nothing came", 10, { received: 0 }, "not_heard"],
    ["nothing came, and nothing went", 10, { received: 0, sent: 0 }, "not_heard"],
    ["nothing came in 5 s", 5, { received: 0 }, "not_heard"],
    ["nothing came in less than 5 s", 4.9, { received: 0 }, null],
    ["a single packet came", 10, { received: 1 }, null],
    ["nothing came from one who said so", 10, { received: 0, party: { sends: false, hears: true } }, null],
    ["nothing went to one that was joined", 10, { sent: 0, bridgedAtUs: 4 * second }, "not_sent"],
    ["nothing went to one that was joined for less than 5 s", 10, { sent: 0, bridgedAtUs: 6 * second }, null],
    ["nothing went to one that was never joined", 10, { sent: 0 }, null],
    [
      "nothing went to one who would not hear",
      10,
      { sent: 0, bridgedAtUs: 1, party: { sends: true, hears: false } },
      null,
    ],
    ["there was no media", 10, null, null],
  ];
  for (const [what, talkS, audio, is] of rows) {
    it(`${what}: ${is ?? "neither"}`, () => {
      const facts: HungUp = {
        ...{ createdAtUs: 0, ringingAtUs: null, answeredAtUs: 0, endedAtUs: talkS * second },
        ...{ cause: "NORMAL_CLEARING", q850: 16, sipStatus: 200, quality: null, sipCallId: null },
        audio: audio && { received: 500, sent: 500, party: both, bridgedAtUs: null, ...audio },
      };
      assert.equal(oneWayOf(facts, 0), is);
    });
  }
});
