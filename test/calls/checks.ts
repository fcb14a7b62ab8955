import assert from "node:assert/strict";
import { callEvents } from "../../api/schemas/event.ts";
import type { CallEventKind } from "../../engine/calls/event-kinds.ts";
import { cdrOfLeg } from "../../engine/store/cdrs.ts";
import type { ReadTx } from "../../engine/store/store.ts";
import type { SeenCall } from "./world.ts";

/** The switch's own stamps of one leg, µs. */
export interface EndStamps {
  answeredUs: bigint;
  endedUs: bigint;
}

/**
 * What a leg costs in cents, worked out apart from the product: whole seconds begun, then the price rounded half up.
 * KES 3.00 a minute are 300 cents for 60 seconds.
 */
export function priceOf(
  { answeredUs, endedUs }: EndStamps,
  centsPerMinute: number,
): { seconds: number; cents: number } {
  if (answeredUs === 0n || endedUs <= answeredUs) return { seconds: 0, cents: 0 };
  const seconds = (endedUs - answeredUs + 999_999n) / 1_000_000n;
  const sixtieths = seconds * BigInt(centsPerMinute);
  return { seconds: Number(seconds), cents: Number((sixtieths * 2n + 60n) / 120n) };
}

/** What its events must be for any call that has ended. */
export function checkStory(call: SeenCall): void {
  const told = call.events.filter(({ kind }) => kind.startsWith("call."));
  assert.deepEqual(
    told.map(({ payload }) => payload["sequence"]),
    told.map((_, index) => index + 1),
    "data.sequence counts 1, 2, …",
  );
  const ends = told.filter(({ kind }) => kind === "call.completed" || kind === "call.failed");
  assert.equal(ends.length, 1, "a call ends once");
  const end = ends[0]!;
  const answered = call.answered_at !== null;
  assert.equal(end.kind, answered ? "call.completed" : "call.failed");
  assert.equal(told.filter(({ kind }) => kind === "call.answered").length, answered ? 1 : 0);
  assert.ok(told.filter(({ kind }) => kind === "call.started").length <= 1);
  const order = [
    "call.started",
    "call.answered",
    "call.dial_completed",
    "call.completed",
    "call.recording.ready",
  ];
  const ranks = told
    .filter(({ kind }) => order.includes(kind) && kind !== "call.recording.ready")
    .map(({ kind }) => order.indexOf(kind));
  assert.deepEqual(
    ranks,
    [...ranks].sort((a, b) => a - b),
    told.map(({ kind }) => kind).join(", "),
  );
  assert.ok(
    call.legs.every((leg) => leg.ended_at !== null),
    "every leg has ended",
  );
  for (const { kind, payload } of call.events) {
    const checked = callEvents[kind as CallEventKind].data.safeParse(payload);
    assert.ok(
      checked.success,
      `${kind} is as described: ${checked.error?.message} ${JSON.stringify(payload)}`,
    );
  }

  const ended = call.events
    .filter(({ kind }) => kind === "leg.ended")
    .map(({ payload }) => payload["leg_id"]);
  assert.deepEqual([...ended].sort(), call.legs.map(({ id }) => id).sort(), "each leg ends once");
  if (end.kind === "call.completed") {
    assert.equal(end.payload["cost_minor"], call.cost_minor);
    assert.equal(end.payload["duration_seconds"], call.duration_seconds);
    assert.equal(end.payload["hangup_cause"], call.hangup_cause);
    assert.equal(call.failure_code, null);
    const legs = end.payload["legs"] as { id: string; cost_minor: number; billed_seconds: number }[];
    assert.deepEqual(
      legs.map(({ id, cost_minor, billed_seconds }) => [id, cost_minor, billed_seconds]),
      call.legs.map(({ id, cost_minor, billed_seconds }) => [id, cost_minor, billed_seconds]),
    );
  } else {
    assert.equal(end.payload["failure_reason"], call.status);
    assert.equal(end.payload["failure_code"], call.failure_code);
    assert.equal(call.cost_minor, 0);
    assert.equal(call.duration_seconds, 0);
  }
}

/** Each leg's CDR and its one ledger entry, against the switch's own stamps. */
export async function checkBooks(
  tx: ReadTx,
  call: SeenCall,
  stamps: ReadonlyMap<string, EndStamps>,
): Promise<void> {
  for (const leg of call.legs) {
    const cdr = await cdrOfLeg(tx, leg.id);
    assert.ok(cdr, `${leg.id} has a CDR`);
    const expected = priceOf(
      stamps.get(leg.id) ?? { answeredUs: 0n, endedUs: 0n },
      leg.rate_per_minute_minor,
    );
    assert.deepEqual(
      { seconds: leg.billed_seconds, cents: leg.cost_minor },
      expected,
      `${leg.id} costs what the switch's stamps say`,
    );
    assert.deepEqual({ seconds: cdr.billedSeconds, cents: cdr.costMinor }, expected);
    const entries = await tx.all<{ amountMinor: number }>(
      `SELECT e.amount_minor FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
       JOIN ledger_accounts a ON a.id = e.account_id WHERE t.reference = ? AND a.kind = 'wallet'`,
      [`${leg.id} settled`],
    );
    assert.deepEqual(
      entries.map(({ amountMinor }) => amountMinor),
      expected.cents === 0 ? [] : [-expected.cents],
    );
  }
  const total = call.legs.reduce((sum, leg) => sum + leg.cost_minor, 0);
  assert.equal(call.cost_minor, total);
}
