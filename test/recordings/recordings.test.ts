import assert from "node:assert/strict";
import { isError } from "../../engine/errors.ts";
import type { RecordingId } from "../../engine/ids.ts";
import * as rows from "../../engine/store/recordings.ts";
import { meterOf } from "../../engine/store/storage-usage.ts";
import { fingerprintFile } from "../../recordings/fingerprint.ts";
import { objectKey } from "../../recordings/object-key.ts";
import { createRecordings, type Recordings } from "../../recordings/recordings.ts";
import {
  addLeg,
  addRecording,
  ids,
  log,
  openWorld,
  reopenS3,
  rowOf,
  speech,
  spoolFile,
  until,
  wav,
  type World,
} from "./world.ts";

describe("a customer's recordings", function () {
  this.timeout(20_000);

  let world: World;
  let recordings: Recordings;

  beforeEach(async () => {
    world = await openWorld();
    recordings = createRecordings({ store: world.store, storage: world.storage, clock: world.clock, log });
    recordings.start();
  });
  afterEach(async () => {
    await recordings.stop();
    await world.close();
  });

  async function stored(legId = world.legId): Promise<RecordingId> {
    const id = await addRecording(world, "uploading", legId);
    const path = await spoolFile(world.directory, `${id}.wav`, wav({ frames: speech(100) }));
    const print = await fingerprintFile(path);
    const key = objectKey(await rowOf(world, id));
    await world.storage.put(path, key, print);
    await world.store.write((tx) =>
      rows.markReady(tx, id, {
        durationMs: 100,
        trimmedMs: null,
        talkMs: 100,
        short: 0,
        sizeBytes: print.sizeBytes,
        sha256: print.sha256,
        objectKey: key,
        storedAtMs: world.clock.nowMs(),
      }),
    );
    return id;
  }

  const forCall = (id?: RecordingId) => recordings.forCall(world.workspaceId, world.callId, id);
  const remove = (id: RecordingId) => world.store.write((tx) => recordings.delete(tx, world.workspaceId, id));
  const objectGone = (id: RecordingId) =>
    until("the object is removed", async () => (await rowOf(world, id)).objectRemovedAtMs !== null);

  it("are fetched by a link that lives an hour", async () => {
    const id = await stored();

    const found = await forCall();

    assert.ok(found.kind === "ready");
    assert.equal(found.recording.id, id);
    assert.ok(Math.abs(found.expiresAtMs - world.clock.nowMs() - 3_600_000) <= 1000);
    assert.equal(
      (await fetch(found.url)).headers.get("content-disposition"),
      `attachment; filename="${id}.wav"`,
    );
    world.clock.putForward(3_601_000);
    assert.equal((await fetch(found.url)).status, 403);
  });

  it("are the first leg's earliest unless another is named, and are counted", async () => {
    const otieno = ids.next("leg");
    await addLeg(world, otieno, 1);
    const second = await stored(otieno);
    await addRecording(world, "empty");
    const first = await stored();

    const byDefault = await forCall();
    const byName = await forCall(second);

    assert.ok(byDefault.kind === "ready" && byName.kind === "ready");
    assert.equal(byDefault.recording.id, first);
    assert.equal(byDefault.count, 2);
    assert.equal(byName.recording.id, second);
  });

  for (const status of [...rows.liveStatuses, "uploading"] as const) {
    it(`are pending while they are ${status}`, async () => {
      const id = await addRecording(world, status);
      assert.equal((await forCall()).kind, "pending");
      assert.equal((await forCall(id)).kind, "pending");
    });
  }

  for (const status of ["empty", "missing"] as const) {
    it(`that are ${status} say that they hold no audio`, async () => {
      await addRecording(world, status);
      assert.equal((await forCall()).kind, "withoutAudio");
    });
  }

  it("are nobody else's", async () => {
    const id = await stored();
    const achieng = ids.next("ws");
    assert.equal((await recordings.forCall(achieng, world.callId)).kind, "notFound");
    assert.equal((await recordings.forCall(achieng, world.callId, id)).kind, "notFound");
    assert.equal(await recordings.get(achieng, id), null);
    assert.deepEqual(await recordings.list(achieng, { limit: 5, before: null }), { data: [], next: null });
    await assert.rejects(
      world.store.write((tx) => recordings.delete(tx, achieng, id)),
      (error) => isError(error, "recordings.not_found"),
    );
    assert.equal((await forCall(ids.next("rec"))).kind, "notFound");
  });

  it("are listed newest first, page by page, right while more are added", async () => {
    const all: RecordingId[] = [];
    for (let n = 0; n < 5; n++) all.push(await addRecording(world));

    const first = await recordings.list(world.workspaceId, { limit: 2, before: null });
    await addRecording(world);
    const second = await recordings.list(world.workspaceId, { limit: 2, before: first.next });
    const third = await recordings.list(world.workspaceId, { limit: 2, before: second.next });

    const listed = [first, second, third].flatMap(({ data }) => data.map(({ recording }) => recording.id));
    assert.deepEqual(listed, all.toReversed());
    assert.equal(third.next, null);
  });

  it("are listed of a call with a link to each that is ready", async () => {
    const ready = await stored();
    const pending = await addRecording(world);
    const whole = { limit: 100, after: null };
    const listed = await recordings.listForCall(world.workspaceId, world.callId, whole);
    assert.equal(listed.next, null);
    assert.deepEqual(
      listed.data.map(({ recording, link }) => [recording.id, link !== null]),
      [
        [ready, true],
        [pending, false],
      ],
    );
  });

  it("that are deleted are gone for good, and say when and why", async () => {
    const id = await stored();
    const link = await forCall();

    const row = await remove(id);

    assert.equal(row.status, "deleted");
    assert.equal(row.deleteReason, "requested");
    assert.ok(row.deletedAtMs !== null);
    assert.equal((await forCall()).kind, "expired");
    await objectGone(id);
    assert.ok(link.kind === "ready");
    assert.equal((await fetch(link.url)).status, 404);
    assert.equal((await remove(id)).deletedAtMs, row.deletedAtMs);
  });

  it("cannot be deleted while they are being made", async () => {
    const id = await addRecording(world, "recording");
    await assert.rejects(remove(id), (error) => isError(error, "calls.recording_state"));
    assert.equal((await rowOf(world, id)).status, "recording");
  });

  it("that were deleted while the storage was down go when it is back", async () => {
    const id = await stored();
    const key = objectKey(await rowOf(world, id));
    await world.s3.close();
    await remove(id);
    await world.clock.sleep(50);
    assert.equal((await rowOf(world, id)).objectRemovedAtMs, null);

    await reopenS3(world);
    await recordings.stop();
    recordings.start();

    await objectGone(id);
    assert.equal(await world.storage.head(key), null);
  });

  it("end with their workspace's retention, to the day", async () => {
    const id = await stored();
    await world.store.write((tx) => tx.run("UPDATE workspaces SET recording_retention_days = 3"));
    const sweep = async () => {
      await recordings.stop();
      recordings.start();
      await recordings.stop();
    };

    world.clock.putForward(3 * 86_400_000 - 60_000);
    await sweep();
    assert.equal((await rowOf(world, id)).status, "ready");
    world.clock.putForward(61_000);
    await sweep();

    const row = await rowOf(world, id);
    assert.equal(row.status, "deleted");
    assert.equal(row.deleteReason, "retention");
    assert.equal((await forCall()).kind, "expired");
  });

  it("are not past their retention by a clock that was set forward since the process began", async () => {
    const id = await stored();
    await recordings.stop();

    world.clock.set(31 * 86_400_000);
    recordings.start();
    await recordings.stop();

    world.clock.set(0);
    assert.equal((await rowOf(world, id)).status, "ready");
    world.clock.putForward(31 * 86_400_000);
    recordings.start();
    await recordings.stop();
    assert.equal((await rowOf(world, id)).deleteReason, "retention");
  });

  it("past their retention are gone from the bucket, and the row says when and why", async () => {
    const id = await stored();
    const { objectKey: key } = await rowOf(world, id);
    const link = await forCall();
    assert.ok(key !== null && link.kind === "ready");
    await recordings.stop();
    const expired = async () => {
      recordings.start();
      await recordings.stop();
      return rowOf(world, id);
    };
    // By default 30 days; 90 at most, which PATCH /v1/workspace holds.
    // The row is put back rather than the clock put forward: S3 refuses what is signed days apart.
    const bornAtMs = world.clock.nowMs() - 30 * 86_400_000 + 30_000;
    await world.store.write((tx) =>
      tx.run("UPDATE recordings SET created_at_ms = ? WHERE id = ?", [bornAtMs, id]),
    );
    assert.equal((await expired()).status, "ready");
    assert.notEqual(await world.storage.head(key), null);
    world.clock.putForward(31_000);
    const beforeMs = world.clock.nowMs();
    const row = await expired();

    assert.equal(row.deleteReason, "retention");
    assert.ok(row.deletedAtMs! >= beforeMs && row.objectRemovedAtMs! >= row.deletedAtMs!);
    assert.equal(await world.storage.head(key), null);
    assert.equal((await fetch(link.url)).ok, false);
  });

  it("are counted in bytes", async () => {
    const one = await rowOf(world, await stored());
    const used = async () => (await world.store.read((tx) => meterOf(tx, world.workspaceId)))?.usedBytes;
    assert.equal(await used(), one.sizeBytes);
    await remove(one.id);
    assert.equal(await used(), 0);
  });
});
