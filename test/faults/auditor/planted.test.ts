import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { originateOf } from "../../../engine/calls/dialing.ts";
import { systemClock } from "../../../engine/clock.ts";
import { systemIds, type CallId } from "../../../engine/ids.ts";
import { describeOnSwitch } from "../../peers/switch-under-test.ts";
import { eventually } from "../../peers/waiting.ts";
import type { ReceivedWebhook } from "../../world/webhook-inbox.ts";
import { nairobi, TestWorld } from "../../world/world.ts";
import { boxBeside } from "../witness.ts";
import { findingsOf } from "./auditor.ts";
import { openBucket } from "./bucket.ts";
import type { Evidence } from "./evidence.ts";

const wanjiru = "+254700000001";
const otieno = "+254700000002";
const busy = "+254700000486";
const sameInstant = ["+254700000005", "+254700000006", "+254700000007"];

const postedToIt =
  "(SELECT amount_minor FROM ledger_entries WHERE transaction_id = 'txn_again' AND account_id = ledger_accounts.id)";

describeOnSwitch("the auditor", function () {
  this.timeout(60_000);
  let world: TestWorld;
  let client: S3Client;
  let Bucket: string;
  /**
   * Ids of what happened: Wanjiru and Otieno talked, both recorded; somebody else was busy; of three who picked up in the
   * same instant one had the call and two lost.
   */
  let ids: Record<"call" | "leg" | "busyLeg" | "loser" | "recording" | "key" | "end", string>;

  before(async () => {
    world = await TestWorld.start();
    ({ client, Bucket } = openBucket(world.env));
    const { customer, inbox } = world;
    const call = await customer.place({
      ...{ from: nairobi, to: wanjiru, events_url: inbox.url, record: true },
      actions: [{ dial: { number: otieno, record: true } }],
    });
    const refused = await customer.place({ from: nairobi, to: busy, events_url: inbox.url });
    const race = await customer.place({
      ...{ from: nairobi, to: sameInstant, events_url: inbox.url, record: true },
      actions: [{ wait: { seconds: 1 } }],
    });
    await customer.until(call, "the two joined", ({ events }) =>
      events.some(({ kind }) => kind === "leg.bridged"),
    );
    await sleep(1_500);
    await customer.hangUp(call);
    const { legs, events } = await customer.ended(call);
    const { legs: busyLegs } = await customer.ended(refused);
    const { legs: raced } = await customer.ended(race);
    const recording = legs[0]!.recording_ids[0]!;
    const [row] = await world.byHand(`SELECT workspace_id AS ws FROM calls WHERE id = '${call}'`);
    ids = {
      call,
      leg: legs[0]!.id,
      busyLeg: busyLegs[0]!.id,
      loser: raced[1]!.id,
      recording,
      key: `${String(row?.["ws"])}/${call}/${recording}.wav`,
      end: events.find(({ kind }) => kind === "call.completed")!.id,
    };
  });
  after(async () => {
    client.destroy();
    await world.end();
  });

  const findings = () => world.auditor.audit({ withinMs: 0 });

  it("has nothing to say of a run in which all was right", async () => {
    await world.audit();
    const { records, heard, objects, rung, books } = await world.auditor.gather();
    // It had something to look at.
    assert.equal(records.size, 6);
    assert.equal(objects.size, 3);
    assert.equal(rung.length, 6);
    assert.deepEqual(
      [...records.values()].filter(({ cause }) => cause === "LOSE_RACE").map(({ answeredUs }) => answeredUs),
      [0n, 0n],
    );
    assert.ok(heard.length >= 8, `${heard.length} heard`);
    assert.ok(books.entries.length >= 8, `${books.entries.length} entries`);
  });

  /** Statements that plant one error, and those that take it back. */
  const inTheRows = (title: string, of: () => { sql: string; undo: string; finds: RegExp[] }) =>
    it(`finds ${title}`, async () => {
      const { sql, undo, finds } = of();
      await world.byHand(sql);
      try {
        found(await findings(), finds);
      } finally {
        await world.byHand(undo);
      }
      assert.deepEqual(await findings(), [], "and nothing once it is taken back");
    });

  function found(lines: string[], finds: RegExp[]): void {
    for (const expected of finds)
      assert.ok(
        lines.some((line) => expected.test(line)),
        `${String(expected)} is not among:\n${lines.join("\n")}`,
      );
  }

  /** Adds to a number of one row, and takes it away again. */
  const moved = (table: string, column: string, where: string, by: number) => ({
    sql: `UPDATE ${table} SET ${column} = ${column} + ${by} WHERE ${where}`,
    undo: `UPDATE ${table} SET ${column} = ${column} - ${by} WHERE ${where}`,
  });
  /** Gives one row another name, under which nobody looks for it, and its own again. */
  const renamed = (table: string, column: string, from: string, to: string) => ({
    sql: `UPDATE ${table} SET ${column} = '${to}' WHERE ${column} = '${from}'`,
    undo: `UPDATE ${table} SET ${column} = '${from}' WHERE ${column} = '${to}'`,
  });

  inTheRows("a second too many on a CDR", () => ({
    ...moved("cdrs", "billed_seconds", `leg_id = '${ids.leg}'`, 1),
    finds: [new RegExp(`${ids.leg} .*its CDR says \\d+ s, and from \\d+ to \\d+ µs are \\d+ s begun`)],
  }));
  inTheRows("a cent too many on a leg", () => ({
    ...moved("legs", "cost_minor", `id = '${ids.leg}'`, 1),
    finds: [new RegExp(`${ids.leg} .*its row says \\d+ cents, and \\d+ s cost \\d+`)],
  }));
  inTheRows("a busy leg that was charged", () => ({
    ...moved("cdrs", "cost_minor", `leg_id = '${ids.busyLeg}'`, 5),
    finds: [new RegExp(`${ids.busyLeg} .*its CDR says 5 cents, and 0 s cost 0`)],
  }));
  inTheRows("a leg that picked up and lost, and was charged", () => ({
    sql: `UPDATE cdrs SET answered_at_us = ended_at_us - 20000, billed_seconds = 1, cost_minor = 5 WHERE leg_id = '${ids.loser}'`,
    undo: `UPDATE cdrs SET answered_at_us = NULL, billed_seconds = 0, cost_minor = 0 WHERE leg_id = '${ids.loser}'`,
    finds: [
      new RegExp(`${ids.loser} .*answered at \\d+ µs, while the switch says 0`),
      new RegExp(`${ids.loser} .*its CDR says 5 cents, and 0 s cost 0`),
    ],
  }));
  inTheRows("a leg that lost, and was recorded", () => ({
    sql: `UPDATE recordings SET status = 'ready' WHERE leg_id = '${ids.loser}'`,
    undo: `UPDATE recordings SET status = 'empty' WHERE leg_id = '${ids.loser}'`,
    finds: [new RegExp(`of ${ids.loser}, .*ready, while its leg was never talked with`)],
  }));
  inTheRows("an end that is a microsecond late", () => ({
    ...moved("cdrs", "ended_at_us", `leg_id = '${ids.leg}'`, 1),
    finds: [new RegExp(`${ids.leg} .*ended at \\d+ µs, while the switch says \\d+`)],
  }));
  inTheRows("another rate than the leg's", () => ({
    ...moved("cdrs", "rate_micro_kes_per_minute", `leg_id = '${ids.leg}'`, 1_000_000),
    finds: [new RegExp(`${ids.leg} .*charged at 4000000 micro-KES, not 3000000`)],
  }));
  inTheRows("a leg that was never settled", () => ({
    ...renamed("cdrs", "leg_id", ids.leg, "leg_lost"),
    finds: [new RegExp(`${ids.leg} .*has no CDR`), /leg_lost: a CDR of a leg that the books do not have/],
  }));
  inTheRows("a charge that is missing", () => ({
    ...renamed("ledger_transactions", "reference", `${ids.leg} settled`, "lost"),
    finds: [
      new RegExp(`${ids.leg} .*charged 0 times \\(\\), not once`),
      new RegExp(`${ids.leg} .*wallet paid 0 cents for it`),
      /\(lost\) charges for no leg/,
    ],
  }));
  inTheRows("a leg that was charged twice, though every sum is right", () => ({
    sql: postedAgain(),
    undo: takenBack,
    finds: [
      new RegExp(`${ids.leg} .*charged 2 times \\(${ids.leg} settled, ${ids.leg} again\\), not once`),
      new RegExp(`${ids.leg} .*wallet paid \\d+ cents for it, and it costs \\d+`),
    ],
  }));
  inTheRows("an entry that was doubled", () => ({
    sql: `UPDATE ledger_entries SET amount_minor = amount_minor * 2 WHERE ${walletEntry()}`,
    undo: `UPDATE ledger_entries SET amount_minor = amount_minor / 2 WHERE ${walletEntry()}`,
    finds: [
      new RegExp(`\\(${ids.leg} settled\\): its entries sum to -\\d+, not zero`),
      /the ledger sums to -\d+, not zero/,
      /\(wallet\): its balance is \d+, its entries sum to \d+/,
      /\(wallet\): its entry \d+ .* left \d+, not \d+/,
    ],
  }));
  inTheRows("a balance that nobody paid in", () => ({
    ...moved("ledger_accounts", "balance_minor", "kind = 'wallet'", 100),
    finds: [/\(wallet\): its balance is \d+, its entries sum to \d+/],
  }));
  inTheRows("an event that was never told", () => ({
    sql: newEvent("evt_untold", "call.answered"),
    undo: "DELETE FROM call_events WHERE id = 'evt_untold'",
    finds: [new RegExp(`evt_untold \\(call.answered of ${ids.call}\\) was never told to http`)],
  }));
  inTheRows("a call that ended twice", () => ({
    sql: newEvent("evt_again", "call.failed"),
    undo: "DELETE FROM call_events WHERE id = 'evt_again'",
    finds: [new RegExp(`${ids.call} has 2 events of its end \\(call.completed, call.failed\\), not one`)],
  }));
  inTheRows("a call without an end", () => ({
    sql: `UPDATE call_events SET kind = 'other' WHERE call_id = '${ids.call}' AND kind = 'call.completed'`,
    undo: `UPDATE call_events SET kind = 'call.completed' WHERE call_id = '${ids.call}' AND kind = 'other'`,
    finds: [
      new RegExp(`${ids.call} has 0 events of its end`),
      new RegExp(`was told as .*is stored as other`),
    ],
  }));
  inTheRows("an end that was told with another price", () => ({
    sql: `UPDATE call_events SET payload = replace(payload, '"cost_minor":', '"cost_minor":1') WHERE ${theEnd()}`,
    undo: `UPDATE call_events SET payload = replace(payload, '"cost_minor":1', '"cost_minor":') WHERE ${theEnd()}`,
    finds: [
      new RegExp(`call.completed of ${ids.call}\\) says that it cost \\d+ cents, and its legs cost \\d+`),
      new RegExp(`call.completed of ${ids.call}\\) says \\d+ s and \\d+ cents of ${ids.leg}`),
      /was told as .*, and is stored as call.completed/,
    ],
  }));
  inTheRows("an event that was told and is not stored", () => ({
    sql: `UPDATE call_events SET id = 'evt_renamed' WHERE ${theEnd()}`,
    undo: `UPDATE call_events SET id = '${ids.end}' WHERE id = 'evt_renamed'`,
    finds: [/was told, and is not stored/, /evt_renamed \(call.completed of .*was never told/],
  }));
  inTheRows("a call that goes on", () => ({
    sql: `UPDATE calls SET updated_at_ms = ended_at_us, ended_at_us = NULL WHERE id = '${ids.call}'`,
    undo: `UPDATE calls SET ended_at_us = updated_at_ms WHERE id = '${ids.call}'`,
    finds: [new RegExp(`after 0 s ${ids.call} has not ended`)],
  }));
  inTheRows("a recording that is said to be empty", () => ({
    sql: `UPDATE recordings SET status = 'empty' WHERE id = '${ids.recording}'`,
    undo: `UPDATE recordings SET status = 'ready' WHERE id = '${ids.recording}'`,
    finds: [
      new RegExp(`${ids.recording} .*empty, while its leg had \\d+ ms to be recorded`),
      new RegExp(`${ids.recording}.wav is in the bucket, and no recording's row says so`),
    ],
  }));
  inTheRows("a recording that was asked for and has no row", () => ({
    sql: `UPDATE recordings SET leg_id = '${ids.busyLeg}' WHERE id = '${ids.recording}'`,
    undo: `UPDATE recordings SET leg_id = '${ids.leg}' WHERE id = '${ids.recording}'`,
    finds: [
      new RegExp(`${ids.recording}: the switch was told to record it of ${ids.leg}`),
      new RegExp(`${ids.leg} .*was to be recorded, and has no recording`),
    ],
  }));
  inTheRows("a recording that was never told to be ready", () => ({
    sql: `UPDATE call_events SET kind = 'other' WHERE kind = 'call.recording.ready' AND call_id = '${ids.call}'`,
    undo: `UPDATE call_events SET kind = 'call.recording.ready' WHERE kind = 'other' AND call_id = '${ids.call}'`,
    finds: [new RegExp(`${ids.recording} .*ready, and told so 0 times`)],
  }));

  /** Puts another object in its place, or none. */
  const inTheBucket = (
    title: string,
    of: (wav: Buffer) => { object: Buffer | null; sql?: string; finds: RegExp[] },
  ) =>
    it(`finds ${title}`, async () => {
      const place = { Bucket, Key: ids.key };
      const { Body } = await client.send(new GetObjectCommand(place));
      const wav = Buffer.from(await Body!.transformToByteArray());
      const { object, sql, finds } = of(wav);
      const before = await world.byHand(
        `SELECT sha256, size_bytes, duration_ms FROM recordings WHERE id = '${ids.recording}'`,
      );
      await client.send(
        object ? new PutObjectCommand({ ...place, Body: object }) : new DeleteObjectCommand(place),
      );
      if (sql !== undefined) await world.byHand(sql);
      try {
        found(await findings(), finds);
      } finally {
        await client.send(new PutObjectCommand({ ...place, Body: wav }));
        const { sha256, size_bytes, duration_ms } = before[0]!;
        await world.byHand(
          `UPDATE recordings SET sha256 = '${String(sha256)}', size_bytes = ${String(size_bytes)}, duration_ms = ${String(duration_ms)} WHERE id = '${ids.recording}'`,
        );
      }
      assert.deepEqual(await findings(), [], "and nothing once it is put back");
    });

  inTheBucket("an object that was altered", (wav) => ({
    object: Buffer.concat([wav.subarray(0, -1), Buffer.from([wav.at(-1)! ^ 1])]),
    finds: [
      new RegExp(`${ids.recording} .*its object's SHA-256 is [0-9a-f]{64}, and its row says [0-9a-f]{64}`),
    ],
  }));
  inTheBucket("an object that was cut off", (wav) => ({
    object: wav.subarray(0, wav.length - 1000),
    finds: [
      new RegExp(`${ids.recording} .*its object has \\d+ bytes, and its row says \\d+`),
      new RegExp(`${ids.recording} .*its object is no WAV file`),
    ],
  }));
  inTheBucket("an object that is gone", () => ({
    object: null,
    finds: [new RegExp(`${ids.recording} .*its object .* is not in the bucket`)],
  }));
  inTheBucket("a recording that lacks 200 ms, though its row and its object agree", (wav) => {
    const short = shortened(wav, 200);
    const sha256 = createHash("sha256").update(short).digest("hex");
    return {
      object: short,
      sql: `UPDATE recordings SET sha256 = '${sha256}', size_bytes = ${short.length}, duration_ms = duration_ms - 200 WHERE id = '${ids.recording}'`,
      finds: [new RegExp(`${ids.recording} .*lasts \\d+ ms, and \\d+ ms were to be recorded`)],
    };
  });
  it("finds an object that no row knows", async () => {
    const place = { Bucket, Key: "somebody/else/rec_x.wav" };
    await client.send(new PutObjectCommand({ ...place, Body: "RIFF" }));
    found(await findings(), [/somebody\/else\/rec_x.wav is in the bucket, and no recording's row says so/]);
    await client.send(new DeleteObjectCommand(place));
    assert.deepEqual(await findings(), []);
  });

  /** Changes what came to the customer's endpoint. */
  const atTheEndpoint = (
    title: string,
    change: (came: ReceivedWebhook) => ReceivedWebhook[],
    finds: () => RegExp[],
  ) =>
    it(`finds ${title}`, async () => {
      const { received } = world.inbox;
      const before = [...received];
      const came = before.flatMap((one) => (one.body.includes(ids.end) ? change(one) : [one]));
      received.splice(0, Infinity, ...came);
      try {
        found(await findings(), finds());
      } finally {
        received.splice(0, Infinity, ...before);
      }
      assert.deepEqual(await findings(), []);
    });
  atTheEndpoint(
    "an event that was sent and never came",
    () => [],
    () => [new RegExp(`${ids.end} \\(call.completed of ${ids.call}\\) was never told to http`)],
  );
  atTheEndpoint(
    "a webhook whose body is not what was signed",
    ({ path, headers, body }) => [
      { path, headers, body: body.replace('"duration_seconds":', '"duration_seconds":1') },
    ],
    () => [
      new RegExp(`${ids.end} .*was told, but its signature is v1,.*, not v1,`),
      new RegExp(`${ids.end} .*was told as .*, and is stored as call.completed`),
    ],
  );
  atTheEndpoint(
    "a webhook that came under another event's id",
    ({ path, headers, body }) => [{ path, headers: { ...headers, "webhook-id": "evt_other" }, body }],
    () => [new RegExp(`${ids.end} .*was told, but its webhook-id is evt_other`)],
  );

  /** In a copy of all accounts, for what cannot be planted at its source without breaking the world. */
  const inACopy = (title: string, plant: (copy: Plantable) => void, finds: () => RegExp[]) =>
    it(`finds ${title}`, async () => {
      const copy = structuredClone(await world.auditor.gather()) as Plantable;
      assert.deepEqual(findingsOf(copy), []);
      plant(copy);
      found(findingsOf(copy), finds());
    });

  inACopy(
    "a call that was taken and is not in the books",
    ({ placed }) => void placed.push("call_gone"),
    () => [/call_gone was answered 201, and is not in the books/],
  );
  it("finds a recording that is longer than its leg, by more than its party sent late", async () => {
    const gathered = await world.auditor.gather();
    const longer = (byMs: number, lateFrames: number) => {
      const copy = structuredClone(gathered) as Plantable;
      const { frames } = copy.records.get(ids.leg)!;
      frames.heard += lateFrames;
      frames.madeUp += lateFrames;
      copy.objects.get(ids.key)!.durationMs! += byMs;
      copy.books.recordings.find(({ id }) => id === ids.recording)!.duration_ms! += BigInt(byMs);
      return findingsOf(copy);
    };
    const tooLong = new RegExp(`${ids.recording} .*lasts \\d+ ms, and \\d+ ms were to be recorded`);
    found(longer(300, 0), [tooLong]);
    // As much late sound as that, and the silence that was made up for it.
    assert.deepEqual(longer(300, 15), []);
    found(longer(600, 15), [tooLong]);
  });
  it("knows not how long a recording should be that was asked for by a clock an hour off, and whose start nobody heard", async () => {
    const gathered = await world.auditor.gather();
    const askedFor = (byMs: number) => {
      const copy = structuredClone(gathered) as Plantable;
      const row = copy.books.recordings.find(({ id }) => id === ids.recording)!;
      const started = copy.books.legs.find(({ id }) => id === ids.leg)!.started_at_us!;
      // In mid-call: the switch was not told to record it as it was dialled.
      copy.records.get(ids.leg)!.recordings = [];
      Object.assign(row, {
        status: "empty",
        started_at_us: null,
        created_at_ms: started / 1000n + BigInt(byMs),
      });
      return findingsOf(copy).filter((finding) => finding.includes("to be recorded"));
    };
    found(askedFor(100), [new RegExp(`${ids.recording} .*empty, while its leg had \\d+ ms to be recorded`)]);
    assert.deepEqual([askedFor(-3_600_000), askedFor(3_600_000)], [[], []]);
  });
  inACopy(
    "an end that the switch knows nothing of",
    ({ records }) => void records.delete(ids.leg),
    () => [new RegExp(`${ids.leg} .*the switch wrote no record of it, and was not lost`)],
  );
  inACopy(
    "a leg of the switch's that the books do not know",
    ({ records }) => void records.set("leg_unknown", { ...records.get(ids.leg)!, leg: "leg_unknown" }),
    () => [/leg_unknown: the switch made this leg, and the books do not have it/],
  );
  inACopy("a death of the switch that never was", lostWithTheSwitch, () => [
    new RegExp(`${ids.leg} .*ended with its switch, which nobody killed`),
  ]);
  inACopy(
    "a leg that was charged past its switch's death",
    (copy) => {
      const endedMs = lostWithTheSwitch(copy);
      copy.history.switchDeaths = [{ fromMs: endedMs - 510, toMs: endedMs - 500 }];
    },
    () => [new RegExp(`${ids.leg} .*charged for 500 ms after its switch's death`)],
  );
  inACopy(
    "a leg that was charged to long before its switch's death",
    (copy) => {
      const endedMs = lostWithTheSwitch(copy);
      copy.history.switchDeaths = [{ fromMs: endedMs + 2_500, toMs: endedMs + 2_510 }];
      copy.history.controllers = [{ fromMs: endedMs - 60_000, toMs: endedMs + 60_000 }];
    },
    () => [new RegExp(`${ids.leg} .*charged to 2500 ms before the last moment`)],
  );
  it("finds a leg that was charged to before the last heartbeat that proved it, and was stored", async () => {
    const gathered = await world.auditor.gather();
    /** A heartbeat that was asked 300 ms after what the leg was charged to. */
    const charged = (nextAsked: boolean, locked: boolean) => {
      const copy = structuredClone(gathered) as Plantable;
      const endedMs = lostWithTheSwitch(copy);
      const nextAskedMs = nextAsked ? endedMs + 600 : null;
      copy.history.heartbeats = [{ afterMs: endedMs + 300, answeredMs: endedMs + 310, nextAskedMs }];
      copy.history.switchDeaths = [{ fromMs: endedMs + 900, toMs: endedMs + 910 }];
      if (locked) copy.history.locks = [{ fromMs: endedMs + 400, toMs: endedMs + 500 }];
      return findingsOf(copy);
    };
    found(charged(true, false), [new RegExp(`${ids.leg} .*charged to 300 ms before the last moment`)]);
    // Its controller may have died before it had stored that, or could not store it.
    assert.deepEqual(charged(false, false), []);
    assert.deepEqual(charged(true, true), []);
  });
  /** As if it had died with the call: its end is known by the last proven second. Answers which that is, ms. */
  function lostWithTheSwitch({ records, books }: Plantable): number {
    records.delete(ids.leg);
    const cdr = books.cdrs.find((row) => row.leg_id === ids.leg)!;
    cdr.ended_by = "last_proven";
    return Math.round(Number(cdr.ended_at_us) / 1000);
  }

  it("finds a phone that rang twice, and a leg of the switch's that nobody asked for", async () => {
    const unasked = systemIds(systemClock).next("leg");
    const box = boxBeside(world, "somebody else");
    const dialled = originateOf([
      {
        ...{ id: unasked, callId: ids.call as CallId, traceId: null, callerId: nairobi },
        way: { kind: "number", to: busy },
        ...{ ringTimeoutSeconds: 5, cutAfterSeconds: 5, record: null },
      },
    ]);
    box.start();
    try {
      await eventually("a connection to the switch", () => box.connected || undefined);
      const [branch] = dialled.branches;
      const way = { kind: "trunk", gateway: "carrier", to: busy } as const;
      await box.originate({ ...dialled, branches: [{ ...branch, way }] });
      await eventually("the switch's record of it", async () =>
        (await world.auditor.gather()).records.has(unasked) ? true : undefined,
      );
    } finally {
      await box.stop();
    }
    const number = busy.replace("+", "\\+");
    found(await findings(), [
      new RegExp(`^${number} was rung 2 times for 1 legs \\(${ids.busyLeg}\\)`),
      new RegExp(`^${unasked}: the switch made this leg, and the books do not have it`),
    ]);
    const copy = structuredClone(await world.auditor.gather()) as Plantable;
    copy.records.delete(unasked);
    found(findingsOf(copy), [
      new RegExp(`^${number} was rung at .*, and no leg's end-of-leg record says so`),
    ]);
  });

  const settled = () => `SELECT id FROM ledger_transactions WHERE reference = '${ids.leg} settled'`;
  const walletEntry = () => `transaction_id IN (${settled()}) AND amount_minor < 0`;
  const theEnd = () => `call_id = '${ids.call}' AND kind = 'call.completed'`;

  /** Another event of the call, after all others, that no outbox knows. */
  const newEvent = (id: string, kind: string) =>
    `INSERT INTO call_events SELECT '${id}', call_id, workspace_id,
       (SELECT MAX(position) + 1 FROM call_events WHERE call_id = '${ids.call}'),
       (SELECT MAX(sequence) + 1 FROM call_events WHERE call_id = '${ids.call}'),
       '${kind}', payload, occurred_at_ms, created_at_ms FROM call_events WHERE id = '${ids.end}'`;

  /** The leg's settlement once more, under another reference, as the ledger itself would have posted it. */
  const postedAgain = () =>
    `INSERT INTO ledger_transactions SELECT 'txn_again', '${ids.leg} again', kind, description, workspace_id, corrects_id,
       created_at_ms FROM ledger_transactions WHERE reference = '${ids.leg} settled';
     INSERT INTO ledger_entries SELECT 'txn_again', account_id, last_sequence + 1, amount_minor,
       balance_minor + amount_minor FROM ledger_entries JOIN ledger_accounts ON id = account_id
       WHERE transaction_id IN (${settled()});
     UPDATE ledger_accounts SET last_sequence = last_sequence + 1, balance_minor = balance_minor + ${postedToIt}
       WHERE id IN (SELECT account_id FROM ledger_entries WHERE transaction_id = 'txn_again')`;
  const takenBack = `
     UPDATE ledger_accounts SET last_sequence = last_sequence - 1, balance_minor = balance_minor - ${postedToIt}
       WHERE id IN (SELECT account_id FROM ledger_entries WHERE transaction_id = 'txn_again');
     DELETE FROM ledger_entries WHERE transaction_id = 'txn_again';
     DELETE FROM ledger_transactions WHERE id = 'txn_again'`;
});

/** The same, to be written to. */
interface Plantable extends Evidence {
  records: Map<string, NonNullable<ReturnType<Evidence["records"]["get"]>>>;
  placed: string[];
}

/** The same sound without its last milliseconds, its header put right. */
function shortened(wav: Buffer, ms: number): Buffer {
  const short = Buffer.from(wav.subarray(0, wav.length - ms * 32));
  short.writeUInt32LE(short.length - 8, 4);
  short.writeUInt32LE(short.length - 44, 40);
  return short;
}
