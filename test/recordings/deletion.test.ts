import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { RecordingId } from "../../engine/ids.ts";
import * as rows from "../../engine/store/recordings.ts";
import { createRecordings, type Recordings } from "../../recordings/recordings.ts";
import { createSpool, type Spool } from "../../recordings/spool.ts";
import { putMsMax, type Storage } from "../../recordings/storage.ts";
import {
  addRecording,
  box,
  log,
  openWorld,
  rowOf,
  speech,
  spoolFile,
  until,
  wav,
  type World,
} from "./world.ts";

/** Where the box dies, and its disk with it. */
const deaths = ["before its first byte is sent", "once it has arrived", "while it may still arrive"] as const;
type Death = (typeof deaths)[number];

describe("a recording that is deleted", function () {
  this.timeout(20_000);

  let world: World;
  let recordings: Recordings;
  let spool: Spool;
  /** What is on its way to the storage when the box dies. */
  let arrives: () => Promise<void>;

  beforeEach(async () => {
    world = await openWorld();
    const { store, storage, clock } = world;
    recordings = createRecordings({ store, storage, clock, log });
  });
  afterEach(async () => {
    await recordings.stop();
    await world.close();
  });

  /** An upload that ends at that point, for good: nothing of the box is there afterwards. */
  async function diesAt(death: Death): Promise<RecordingId> {
    const died = Promise.withResolvers<undefined>();
    const { storage, store, clock, directory } = world;
    const dying: Storage = Object.assign(Object.create(storage) as Storage, {
      async put(...put: Parameters<Storage["put"]>) {
        const file = wav({ frames: speech(100) });
        arrives = () => storage.putBytes(file, put[1], "audio/wav");
        if (death === "once it has arrived") await storage.put(...put);
        died.resolve(undefined);
        throw new Error("killed");
      },
    });
    const nothing = () => Promise.resolve();
    spool = createSpool({
      ...{ directory: join(directory, "spool"), boxes: [box], store, storage: dying, clock, log },
      ...{ recordingReady: nothing, recordingEmpty: nothing, recordingMissing: nothing },
      isSettled: () => Promise.resolve(false),
      takeEndRecord: () => Promise.resolve("settled"),
    });
    await spool.start();
    const id = await addRecording(world);
    await spoolFile(join(directory, "spool", "recordings"), `${id}.wav`, wav({ frames: speech(100) }));
    spool.wake();
    await died.promise;
    await spool.stop();
    await rm(join(directory, "spool"), { recursive: true });
    return id;
  }

  const keyOf = (id: RecordingId) => `${world.workspaceId}/${world.callId}/${id}.wav`;
  const sweep = async () => {
    recordings.start();
    await recordings.stop();
  };

  const reasons: Record<string, (id: RecordingId) => Promise<unknown>> = {
    requested: (id) => world.store.write((tx) => recordings.delete(tx, world.workspaceId, id)),
    erasure: (id) => world.store.write((tx) => rows.markDeleted(tx, id, "erasure", world.clock.nowMs())),
    retention: (id) =>
      world.store.write((tx) =>
        tx.run("UPDATE recordings SET created_at_ms = created_at_ms - ? WHERE id = ?", [31 * 86_400_000, id]),
      ),
  };

  for (const death of deaths)
    for (const [reason, deleteIt] of Object.entries(reasons))
      it(`(${reason}) is gone from the storage though its box died ${death}, and the row says when and why`, async () => {
        const id = await diesAt(death);
        await deleteIt(id);
        await sweep();
        const pending = await rowOf(world, id);
        assert.deepEqual([pending.status, pending.objectRemovedAtMs], ["deleted", null], "it may come yet");
        if (death === "while it may still arrive") await arrives();

        world.clock.putForward(putMsMax(3244) + 1000);
        await sweep();

        assert.equal(await world.storage.head(keyOf(id)), null);
        const row = await rowOf(world, id);
        assert.deepEqual([row.status, row.deleteReason], ["deleted", reason]);
        assert.ok(row.deletedAtMs! <= row.objectRemovedAtMs!);
      });

  it("of a box that died and came back with its disk is gone as well", async () => {
    const id = await addRecording(world);
    const key = keyOf(id);
    await world.storage.putBytes(wav({ frames: speech(100) }), key, "audio/wav");
    const put = { objectKey: key, putUntilMs: world.clock.nowMs() + putMsMax(0) };
    await world.store.write((tx) => rows.markPut(tx, id, put));
    await reasons["requested"]!(id);
    assert.equal(
      await world.store.write((tx) => rows.markPut(tx, id, put)),
      false,
      "no upload begins any more",
    );
    assert.equal(await world.store.write((tx) => rows.markObjectRemoved(tx, id, world.clock.nowMs())), false);
    await until("it is over", async () => {
      world.clock.putForward(10_000);
      await sweep();
      return (await rowOf(world, id)).objectRemovedAtMs !== null;
    });
    assert.equal(await world.storage.head(key), null);
  });
});
