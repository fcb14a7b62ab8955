import assert from "node:assert/strict";
import { cdrOfLeg } from "../../engine/store/cdrs.ts";
import type { LegId } from "../../engine/ids.ts";
import { priceOf, type EndStamps } from "../calls/checks.ts";
import type { CarrierCallView } from "../peers/carrier-process.ts";
import { eventually } from "../peers/waiting.ts";
import { wavSeconds, type ApiCall, type ApiLeg } from "../world/customer.ts";
import type { TestWorld } from "../world/world.ts";
import type { Witness } from "./witness.ts";

/** The carrier is another process, and a busy machine lets it wait; a second more or less would be another price. */
const carrierLateMsMax = 1_000;
/** A recording starts and stops at a frame of 20 ms, and its events come when the switch comes to it. */
const recordedApartSecondsMax = 0.15;

/** A leg's charge, from the stamps of its CDR. */
export async function checkCharge(world: TestWorld, leg: ApiLeg): Promise<EndStamps> {
  const cdr = await world.store.read((tx) => cdrOfLeg(tx, leg.id as LegId));
  assert.ok(cdr, `${leg.id} has a CDR`);
  const stamps = { answeredUs: BigInt(cdr.answeredAtUs ?? 0), endedUs: BigInt(cdr.endedAtUs) };
  const { seconds, cents } = priceOf(stamps, leg.rate_per_minute_minor);
  assert.deepEqual([leg.billed_seconds, leg.cost_minor], [seconds, cents]);
  return stamps;
}

/** The same, where the stamps must be the switch's own to the microsecond, and near what the carrier saw. */
export async function checkChargeOf(
  world: TestWorld,
  leg: ApiLeg,
  ends: ReadonlyMap<string, EndStamps>,
  carrierSide: CarrierCallView | undefined,
): Promise<void> {
  assert.deepEqual(await checkCharge(world, leg), ends.get(leg.id));
  assert.ok(carrierSide?.answered_at != null && carrierSide.ended_at !== null);
  for (const [ours, theirs] of [
    [leg.answered_at, carrierSide.answered_at],
    [leg.ended_at, carrierSide.ended_at],
  ] as const) {
    const apartMs = Math.abs(Date.parse(ours!) - Date.parse(theirs));
    assert.ok(apartMs <= carrierLateMsMax, `${leg.id}: ${ours!} here, ${theirs} at the carrier`);
  }
}

/** The end is one event, and was told. */
export function checkTold(world: TestWorld, call: ApiCall): void {
  const ends = call.events.filter(({ kind }) => kind === "call.completed" || kind === "call.failed");
  assert.equal(ends.length, 1);
  const told = world.inbox.of(call.id).filter(({ kind }) => kind === ends[0]!.kind);
  assert.deepEqual(
    told.map(({ eventId }) => eventId),
    [ends[0]!.id],
  );
}

/** The leg's one recording is as long as the talk. */
export async function checkRecording(world: TestWorld, call: ApiCall, leg: ApiLeg): Promise<void> {
  const [recordingId] = leg.recording_ids;
  assert.ok(recordingId, `${leg.id} has a recording`);
  const seconds = wavSeconds(await world.customer.download(call.id, recordingId));
  const talked = (Date.parse(leg.ended_at!) - Date.parse(leg.answered_at!)) / 1000;
  assert.ok(Math.abs(seconds - talked) <= recordedApartSecondsMax, `${seconds} s recorded of ${talked} s`);
}

/** What must hold of a call that has ended, whatever happened to anybody but the switch meanwhile. */
export async function checkEnded(world: TestWorld, witness: Witness, call: ApiCall): Promise<void> {
  for (const leg of call.legs) {
    const stamps = await checkCharge(world, leg);
    const seen = witness.ends.get(leg.id);
    if (seen) assert.deepEqual(stamps, seen, leg.id);
    else assert.equal(stamps.answeredUs, 0n, `${leg.id} never was at the switch`);
    for (const recordingId of seen?.answeredUs ? leg.recording_ids : []) {
      const wav = wavSeconds(await world.customer.download(call.id, recordingId));
      const seconds = witness.recorded.get(recordingId) ?? Number.NaN;
      assert.ok(
        Math.abs(wav - seconds) <= recordedApartSecondsMax,
        `${recordingId}: ${wav} s of ${seconds} s`,
      );
    }
  }
  assert.equal(
    call.cost_minor,
    call.legs.reduce((sum, leg) => sum + leg.cost_minor, 0),
  );
  const end = call.events.find(({ kind }) => kind === "call.completed" || kind === "call.failed")!;
  await world.inbox.kind(call.id, end.kind);
  checkTold(world, call);
}

export const rungTimes = async (world: TestWorld, number: string): Promise<number> =>
  (await world.carrier.calls()).filter((call) => call.number === number).length;

/** Nothing is left to be done, and the books are in order. */
export async function checkAtRest(world: TestWorld): Promise<void> {
  await eventually("the last intent carried out", async () =>
    (await world.byHand("SELECT id FROM intents")).length === 0 ? true : undefined,
  );
  await world.verifyLedger();
}
