import assert from "node:assert/strict";
import * as rows from "../../engine/store/recordings.ts";
import type { RecordingStatus } from "../../engine/store/recordings.ts";
import type { Tx } from "../../engine/store/store.ts";
import type { RecordingId } from "../../engine/ids.ts";
import { addRecording, openWorld, rowOf, type World } from "./world.ts";

type Change = (tx: Tx, id: RecordingId, world: World) => Promise<unknown>;

const coverage = { trimmedMs: null, talkMs: 1, short: 0 } as const;
const stored = { durationMs: 1, ...coverage, sizeBytes: 48, sha256: "00", objectKey: "key", storedAtMs: 1 };

const changes: Record<string, Change> = {
  started: (tx, id) => rows.markStarted(tx, id, 1),
  paused: (tx, id) => rows.markStatus(tx, id, ["recording"], "paused"),
  stopped: (tx, id) => rows.markStatus(tx, id, rows.liveStatuses, "uploading", 2),
  "its leg ended": (tx, _id, { legId }) => rows.finishForLeg(tx, legId, 3),
  stored: (tx, id) => rows.markReady(tx, id, stored),
  "found empty": (tx, id) => rows.markWithoutAudio(tx, id, "empty", coverage),
  "found missing": (tx, id) => rows.markWithoutAudio(tx, id, "missing", coverage),
  deleted: (tx, id) => rows.markDeleted(tx, id, "requested", 4),
};

/** From each state, what each change leads to; one that is not named changes nothing. */
const leadsTo: Record<RecordingStatus, Record<string, RecordingStatus>> = {
  starting: { started: "recording", ...closing(), ...settling() },
  recording: { paused: "paused", ...closing(), ...settling() },
  paused: { ...closing(), ...settling() },
  stopping: { ...closing(), ...settling() },
  uploading: { ...settling(), deleted: "deleted" },
  ready: { deleted: "deleted" },
  empty: { deleted: "deleted" },
  missing: { stored: "ready", "found empty": "empty", deleted: "deleted" },
  deleted: {},
};

function closing(): Record<string, RecordingStatus> {
  return { stopped: "uploading", "its leg ended": "uploading" };
}

function settling(): Record<string, RecordingStatus> {
  return { stored: "ready", "found empty": "empty", "found missing": "missing" };
}

describe("a recording's row", () => {
  let world: World;

  before(async () => {
    world = await openWorld();
  });
  after(() => world.close());

  for (const from of Object.keys(leadsTo) as RecordingStatus[]) {
    for (const [what, change] of Object.entries(changes)) {
      const to = leadsTo[from][what] ?? from;
      it(`that is ${from} is ${to} once it is ${what}, and after a repetition`, async () => {
        const id = await addRecording(world, from);
        await world.store.write((tx) => change(tx, id, world));
        const once = await rowOf(world, id);
        await world.store.write((tx) => change(tx, id, world));

        assert.equal(once.status, to);
        assert.deepEqual(await rowOf(world, id), once);
      });
    }
  }

  it("ends when it was closed, not when it was told to stop", async () => {
    const id = await addRecording(world, "recording");
    await world.store.write((tx) => rows.markStatus(tx, id, ["recording"], "stopping", 7));
    await world.store.write((tx) => rows.markStatus(tx, id, ["stopping"], "uploading", 9));
    assert.equal((await rowOf(world, id)).endedAtUs, 9);
  });
});
