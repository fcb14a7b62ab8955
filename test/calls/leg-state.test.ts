import assert from "node:assert/strict";
import fc from "fast-check";
import {
  endFact,
  failureCodeOf,
  failureCodes,
  legFacts,
  legStatuses,
  mostTelling,
  transition,
  type LegFact,
} from "../../engine/calls/leg-state.ts";
import type { LegStatus } from "../../engine/store/calls.ts";

type After = LegStatus | "same";

/** Every pair of state and fact, written down a second time: by hand, from the drawing above the table. */
const expected: [LegStatus, LegFact, After][] = [
  ["initiated", "created", "same"],
  ["initiated", "ringing", "ringing"],
  ["initiated", "earlyMedia", "ringing"],
  ["initiated", "answered", "answered"],
  ["initiated", "endedAnswered", "completed"],
  ["initiated", "endedBusy", "busy"],
  ["initiated", "endedNoAnswer", "no_answer"],
  ["initiated", "endedCanceled", "canceled"],
  ["initiated", "endedFailed", "failed"],
  ["initiated", "endedLost", "canceled"],
  ["ringing", "created", "same"],
  ["ringing", "ringing", "same"],
  ["ringing", "earlyMedia", "same"],
  ["ringing", "answered", "answered"],
  ["ringing", "endedAnswered", "completed"],
  ["ringing", "endedBusy", "busy"],
  ["ringing", "endedNoAnswer", "no_answer"],
  ["ringing", "endedCanceled", "canceled"],
  ["ringing", "endedFailed", "failed"],
  ["ringing", "endedLost", "canceled"],
  ["answered", "created", "same"],
  ["answered", "ringing", "same"],
  ["answered", "earlyMedia", "same"],
  ["answered", "answered", "same"],
  ["answered", "endedAnswered", "completed"],
  ["answered", "endedBusy", "completed"],
  ["answered", "endedNoAnswer", "completed"],
  ["answered", "endedCanceled", "completed"],
  ["answered", "endedFailed", "completed"],
  ["answered", "endedLost", "canceled"],
  ["completed", "created", "same"],
  ["completed", "ringing", "same"],
  ["completed", "earlyMedia", "same"],
  ["completed", "answered", "same"],
  ["completed", "endedAnswered", "same"],
  ["completed", "endedBusy", "same"],
  ["completed", "endedNoAnswer", "same"],
  ["completed", "endedCanceled", "same"],
  ["completed", "endedFailed", "same"],
  ["completed", "endedLost", "same"],
  ["no_answer", "created", "same"],
  ["no_answer", "ringing", "same"],
  ["no_answer", "earlyMedia", "same"],
  ["no_answer", "answered", "same"],
  ["no_answer", "endedAnswered", "same"],
  ["no_answer", "endedBusy", "same"],
  ["no_answer", "endedNoAnswer", "same"],
  ["no_answer", "endedCanceled", "same"],
  ["no_answer", "endedFailed", "same"],
  ["no_answer", "endedLost", "same"],
  ["busy", "created", "same"],
  ["busy", "ringing", "same"],
  ["busy", "earlyMedia", "same"],
  ["busy", "answered", "same"],
  ["busy", "endedAnswered", "same"],
  ["busy", "endedBusy", "same"],
  ["busy", "endedNoAnswer", "same"],
  ["busy", "endedCanceled", "same"],
  ["busy", "endedFailed", "same"],
  ["busy", "endedLost", "same"],
  ["canceled", "created", "same"],
  ["canceled", "ringing", "same"],
  ["canceled", "earlyMedia", "same"],
  ["canceled", "answered", "same"],
  ["canceled", "endedAnswered", "same"],
  ["canceled", "endedBusy", "same"],
  ["canceled", "endedNoAnswer", "same"],
  ["canceled", "endedCanceled", "same"],
  ["canceled", "endedFailed", "same"],
  ["canceled", "endedLost", "same"],
  ["failed", "created", "same"],
  ["failed", "ringing", "same"],
  ["failed", "earlyMedia", "same"],
  ["failed", "answered", "same"],
  ["failed", "endedAnswered", "same"],
  ["failed", "endedBusy", "same"],
  ["failed", "endedNoAnswer", "same"],
  ["failed", "endedCanceled", "same"],
  ["failed", "endedFailed", "same"],
  ["failed", "endedLost", "same"],
];

const over: LegStatus[] = ["completed", "no_answer", "busy", "canceled", "failed"];
const endFacts: LegFact[] = [
  "endedAnswered",
  "endedBusy",
  "endedNoAnswer",
  "endedCanceled",
  "endedFailed",
  "endedLost",
];

const step = (status: LegStatus, fact: LegFact): LegStatus => {
  const next = transition(status, fact);
  return next === "same" ? status : next;
};
const run = (facts: readonly LegFact[]) => facts.reduce<LegStatus>(step, "initiated");

describe("a leg's life", () => {
  for (const [status, fact, after] of expected) {
    it(`${status}, then ${fact}: ${after}`, () => {
      assert.equal(transition(status, fact), after);
      // Told twice, it changes nothing the second time.
      if (after !== "same") assert.equal(step(step(status, fact), fact), after);
    });
  }

  it("knows every pair of state and fact, each once", () => {
    const pairs = new Set(expected.map(([status, fact]) => `${status} ${fact}`));
    assert.equal(pairs.size, expected.length);
    assert.equal(pairs.size, legStatuses.length * legFacts.length);
  });

  it("never leaves a terminal state", () => {
    fc.assert(
      fc.property(fc.constantFrom(...over), fc.array(fc.constantFrom(...legFacts)), (end, facts) => {
        assert.equal(facts.reduce(step, end), end);
      }),
    );
  });

  it("ends the same whatever was lost, doubled or out of order before the end's facts", () => {
    const news = fc.array(fc.constantFrom<LegFact>("created", "ringing", "earlyMedia"), { maxLength: 8 });
    fc.assert(
      fc.property(fc.constantFrom(...endFacts), news, news, (end, before, other) => {
        assert.equal(run([...before, end]), run([...other, end]));
        assert.equal(run([...before, end, ...other, end]), run([end]));
      }),
    );
  });

  it("that was answered ends completed, whether or not the answer itself was told, and in whatever order", () => {
    const story: LegFact[] = ["created", "ringing", "earlyMedia", "answered"];
    // What came of the story: any part of it, any of it twice, in any order; then the end, whose stamps say `answered`.
    const heard = fc
      .tuple(fc.subarray(story), fc.subarray(story))
      .chain(([once, again]) =>
        fc.shuffledSubarray([...once, ...again], { minLength: once.length + again.length }),
      );
    fc.assert(
      fc.property(heard, heard, (before, after) => {
        assert.equal(run([...before, "endedAnswered", ...after]), "completed");
      }),
    );
  });
});

describe("the cause of a leg's end", () => {
  const causes: [cause: string, fact: LegFact, code: keyof typeof failureCodes][] = [
    ["USER_BUSY", "endedBusy", "busy"],
    ["NO_ANSWER", "endedNoAnswer", "no_answer"],
    ["NO_USER_RESPONSE", "endedNoAnswer", "no_answer"],
    ["PROGRESS_TIMEOUT", "endedNoAnswer", "no_answer"],
    ["ALLOTTED_TIMEOUT", "endedNoAnswer", "no_answer"],
    ["ORIGINATOR_CANCEL", "endedCanceled", "canceled"],
    ["LOSE_RACE", "endedLost", "canceled"],
    ["PICKED_OFF", "endedCanceled", "canceled"],
    ["MANAGER_REQUEST", "endedCanceled", "canceled"],
    ["NORMAL_CLEARING", "endedCanceled", "canceled"],
    ["CALL_REJECTED", "endedFailed", "rejected"],
    ["UNALLOCATED_NUMBER", "endedFailed", "unallocated_number"],
    ["INVALID_NUMBER_FORMAT", "endedFailed", "unallocated_number"],
    ["NO_ROUTE_DESTINATION", "endedFailed", "unreachable"],
    ["SUBSCRIBER_ABSENT", "endedFailed", "unreachable"],
    ["NORMAL_TEMPORARY_FAILURE", "endedFailed", "carrier_failure"],
    ["RECOVERY_ON_TIMER_EXPIRE", "endedFailed", "carrier_failure"],
    ["INCOMPATIBLE_DESTINATION", "endedFailed", "media_mismatch"],
    ["SOMETHING_NEW", "endedFailed", "other"],
  ];
  for (const [cause, fact, code] of causes) {
    it(`${cause}, unanswered: ${fact}, ${code}`, () => {
      assert.equal(endFact(cause as Uppercase<string>, null), fact);
      assert.equal(failureCodeOf(cause as Uppercase<string>), code);
      const answered = fact === "endedLost" ? fact : "endedAnswered";
      assert.equal(endFact(cause as Uppercase<string>, 1_700_000_000_000_000), answered);
    });
  }

  it("of a caller whom we refused names our own reason", () => {
    for (const cause of ["NORMAL_TEMPORARY_FAILURE", "SUBSCRIBER_ABSENT"] as const)
      assert.equal(failureCodeOf(cause, "inbound"), "voice_url_failed");
    assert.equal(failureCodeOf("CALL_REJECTED", "inbound"), "rejected");
    assert.equal(failureCodeOf("ORIGINATOR_CANCEL", "inbound"), "canceled");
  });

  it("has a sentence for every code", () => {
    for (const sentence of Object.values(failureCodes)) assert.match(sentence, /^[A-Z].*\.$/);
  });
});

describe("of several that rang and did not answer", () => {
  const codes = Object.keys(failureCodes) as (keyof typeof failureCodes)[];
  const of = (...given: (keyof typeof failureCodes)[]) =>
    mostTelling(given.map((failureCode) => ({ failureCode })))?.failureCode;

  for (const [better, worse] of [
    ["canceled", "rejected"],
    ["rejected", "busy"],
    ["busy", "no_answer"],
    ["no_answer", "unallocated_number"],
    ["unallocated_number", "unreachable"],
    ["unreachable", "carrier_failure"],
    ["carrier_failure", "switch_failed"],
    ["switch_failed", "not_sent"],
  ] as const) {
    it(`${better} tells more than ${worse}, whichever comes first`, () => {
      assert.equal(of(better, worse), better);
      assert.equal(of(worse, better), better);
    });
  }

  it("of equals the last counts, and every code has its place", () => {
    const ends = codes.flatMap((failureCode) => [1, 2].map((nth) => ({ failureCode, nth })));
    for (const code of codes) {
      const equals = ends.filter(({ failureCode }) => failureCode === code);
      assert.equal(mostTelling(equals)?.nth, 2);
      if (code !== "canceled") assert.equal(of(code, "canceled"), "canceled");
    }
    assert.equal(mostTelling([]), undefined);
  });
});
