import assert from "node:assert/strict";
import fc from "fast-check";
import { nextStep, retryAfterSeconds, triesMax, type NextStep } from "../../engine/webhooks/schedule.ts";

const failed = { status: 500, retryAfterSeconds: null };
const hourS = 3600;

describe("webhooks: the schedule", () => {
  for (const [tries, leastS, mostS] of [
    [1, 5, 30],
    [2, 30, 120],
    [3, 120, 600],
    [4, 600, 1800],
    [5, 1800, 2 * hourS],
    [6, 2 * hourS, 6 * hourS],
    [7, 6 * hourS, 24 * hourS],
  ] as const) {
    it(`after try ${tries}, waits ${leastS} to ${mostS} s`, () => {
      assert.deepEqual(nextStep(failed, tries, 0), { status: "pending", waitMs: leastS * 1000 });
      assert.deepEqual(nextStep(failed, tries, 0.5), {
        status: "pending",
        waitMs: ((leastS + mostS) / 2) * 1000,
      });
      const last = nextStep(failed, tries, 1 - 2 ** -32);
      assert(last.status === "pending" && last.waitMs <= mostS * 1000);
    });
  }

  it("gives up after the eighth, and never before the seventh", () => {
    assert.equal(triesMax, 8);
    assert.deepEqual(nextStep(failed, 8, 0), { status: "dead_letter" });
  });

  for (const [status, after, expected] of [
    [200, null, { status: "delivered" }],
    [204, null, { status: "delivered" }],
    [299, null, { status: "delivered" }],
    [199, null, { status: "pending", waitMs: 5000 }],
    [300, null, { status: "pending", waitMs: 5000 }],
    [404, null, { status: "pending", waitMs: 5000 }],
    [null, null, { status: "pending", waitMs: 5000 }],
    [410, null, { status: "dead_letter" }],
    [429, 1, { status: "pending", waitMs: 5000 }],
    [429, 90, { status: "pending", waitMs: 90_000 }],
    [503, 10 ** 9, { status: "pending", waitMs: 24 * hourS * 1000 }],
  ] satisfies [number | null, number | null, NextStep][]) {
    it(`a first try that ended with ${String(status)}, asked to wait ${String(after)} s: ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(nextStep({ status, retryAfterSeconds: after }, 1, 0), expected);
    });
  }

  it("reads Retry-After in seconds or as a date, of 429 and 503 alone", () => {
    const nowMs = Date.parse("2026-11-24T09:00:00Z");
    assert.equal(retryAfterSeconds(429, "120", nowMs), 120);
    assert.equal(retryAfterSeconds(503, "Tue, 24 Nov 2026 09:01:30 GMT", nowMs), 90);
    assert.equal(retryAfterSeconds(503, "Tue, 24 Nov 2026 08:00:00 GMT", nowMs), 0);
    assert.equal(retryAfterSeconds(503, "soon", nowMs), null);
    assert.equal(retryAfterSeconds(503, undefined, nowMs), null);
    assert.equal(retryAfterSeconds(500, "120", nowMs), null);
  });

  it("ends for any answers", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 100, max: 599 }), { minLength: 8, maxLength: 8 }),
        (statuses) => {
          const steps = statuses.map(
            (status, n) => nextStep({ status, retryAfterSeconds: null }, n + 1, 0.3).status,
          );
          assert(steps.some((status) => status !== "pending"));
        },
      ),
    );
  });
});
