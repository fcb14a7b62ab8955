import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync } from "node:fs";
import { appendFile, readdir, readFile, rename, utimes } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { LegId, RecordingId } from "../../engine/ids.ts";
import * as recordings from "../../engine/store/recordings.ts";
import type { RecordingRow } from "../../engine/store/recordings.ts";
import type { Tx } from "../../engine/store/store.ts";
import { createSpool, type Spool, type SpoolTrouble } from "../../recordings/spool.ts";
import type { Storage } from "../../recordings/storage.ts";
import { mountSmallDisk, smallDiskMissing } from "../peers/small-disk.ts";
import { openStorageProxy } from "../peers/storage-proxy.ts";
import {
  addLeg,
  addRecording,
  box,
  ids,
  log,
  neverClosed,
  openWorld,
  reopenS3,
  rowOf,
  speech,
  spoolFile,
  storageAt,
  until,
  wav,
  type World,
} from "./world.ts";

interface Stamps {
  asked?: number;
  started?: number | null;
  answered?: number;
  ended: number | null;
  /** Its leg. */
  left?: number;
  file: number;
  talk: number | null;
  short: 0 | 1;
}

describe("recordings on the spool", function () {
  this.timeout(20_000);

  let world: World;
  let spool: Spool;
  let folder: string;
  let told: { kind: "ready" | "empty" | "missing"; recording: RecordingRow }[];
  let troubles: SpoolTrouble[];
  /** Runs in the transaction that makes a recording ready. */
  let inReady: (tx: Tx) => Promise<void>;

  beforeEach(async () => {
    world = await openWorld();
    folder = join(world.directory, "spool", "recordings");
    told = [];
    troubles = [];
    inReady = () => Promise.resolve();
    spool = spoolWith(world.storage);
    await spool.start();
  });
  afterEach(async () => {
    await spool.stop();
    await world.close();
  });

  function spoolWith(storage: Storage, directory = join(world.directory, "spool")): Spool {
    const tell = (kind: "ready" | "empty" | "missing") => (tx: Tx, recording: RecordingRow) => {
      tx.afterCommit(() => told.push({ kind, recording }));
      return Promise.resolve();
    };
    return createSpool({
      directory,
      boxes: [box],
      store: world.store,
      storage,
      clock: world.clock,
      log,
      isSettled: () => Promise.resolve(false),
      takeEndRecord: () => Promise.resolve("settled"),
      recordingReady: async (tx, recording) => {
        await tell("ready")(tx, recording);
        await inReady(tx);
      },
      recordingEmpty: tell("empty"),
      recordingMissing: tell("missing"),
      troubled: (trouble) => troubles.push(trouble),
    });
  }

  /** The next look of the spool, with every back-off over. */
  function lookAgain(): void {
    world.clock.putForward(30_000);
    spool.wake();
  }

  async function restart(storage = world.storage): Promise<void> {
    await spool.stop();
    spool = spoolWith(storage);
    await spool.start();
  }

  const left = () => readdir(folder);
  const gone = () => until("the file is removed", async () => (await left()).length === 0);
  const unclaimed = () => readdir(join(world.directory, "spool", "unclaimed"));

  async function download(id: RecordingId): Promise<Buffer> {
    const { objectKey } = await rowOf(world, id);
    const { url } = await world.storage.presignGet(objectKey!, { expiresInSeconds: 60, fileName: "a.wav" });
    return Buffer.from(await (await fetch(url)).arrayBuffer());
  }

  it("of one second arrive whole, and are told once", async () => {
    const file = wav({ frames: speech(1000) });
    const id = await addRecording(world, "recording");
    await spoolFile(folder, `${id}.wav`, file);

    await world.store.write((tx) => recordings.markStatus(tx, id, ["recording"], "uploading", 5_000_000));
    spool.wake();

    await gone();
    const row = await rowOf(world, id);
    assert.equal(row.status, "ready");
    assert.equal(row.durationMs, 1000);
    assert.equal(row.sizeBytes, 32_044);
    assert.equal(row.sha256, createHash("sha256").update(file).digest("hex"));
    assert.equal(row.objectKey, `${world.workspaceId}/${world.callId}/${id}.wav`);
    assert.deepEqual(told, [{ kind: "ready", recording: row }]);
    assert.deepEqual(await download(id), file);
  });

  it("are left alone while the switch writes them", async () => {
    for (const status of recordings.liveStatuses) {
      const id = await addRecording(world, status);
      await spoolFile(folder, `${id}.wav`, wav({ frames: speech(20) }));
    }
    await restart();
    lookAgain();
    await world.clock.sleep(100);
    assert.equal((await left()).length, 4);
    assert.deepEqual(told, []);
  });

  it("are finished when their leg ended five seconds ago, though nobody said so", async () => {
    const id = await addRecording(world, "recording");
    await spoolFile(folder, `${id}.wav`, neverClosed(wav({ frames: speech(20) })));
    await world.store.write((tx) =>
      tx.run("UPDATE legs SET ended_at_us = ? WHERE id = ?", [world.clock.nowUs(), world.legId]),
    );
    spool.wake();
    await world.clock.sleep(50);
    assert.equal((await rowOf(world, id)).status, "recording");

    lookAgain();

    await gone();
    assert.equal((await rowOf(world, id)).status, "ready");
  });

  it("that a killed switch never closed are repaired first", async () => {
    const closed = wav({ frames: speech(2000) });
    const id = await addRecording(world);
    await spoolFile(folder, `${id}.wav`, neverClosed(closed));

    await gone();
    assert.equal((await rowOf(world, id)).durationMs, 2000);
    assert.deepEqual(await download(id), closed);
  });

  it("are taken up by the thousand, what lay there at the start too", async function () {
    this.timeout(70_000);
    await spool.stop();
    const files = await Promise.all(
      Array.from({ length: 1000 }, async () => {
        const id = await addRecording(world);
        await spoolFile(folder, `${id}.wav`, wav({ frames: speech(20) }));
        return id;
      }),
    );

    await restart();

    await until("all are stored", async () => (await left()).length === 0, 60_000);
    assert.equal(told.length, 1000);
    assert.deepEqual(told.map(({ recording }) => recording.id).toSorted(), files.toSorted());
  });

  const cannotMount = smallDiskMissing();
  const bothTitle = "tell of a storage that is away and of a disk that fills, both at once";
  (cannotMount === undefined ? it : it.skip)(
    cannotMount === undefined ? bothTitle : `${bothTitle} (skipped, ${cannotMount})`,
    async () => {
      await spool.stop();
      const disk = mountSmallDisk(16);
      try {
        spool = spoolWith(world.storage, disk.folder);
        await spool.start();
        await until("its disk is looked at", () => troubles.length === 1);
        await world.s3.close();
        const id = await addRecording(world);
        await spoolFile(join(disk.folder, "recordings"), `${id}.wav`, wav({ frames: speech(1000) }));
        await until("it was tried", () => troubles.length === 2);
        assert.deepEqual(
          spool
            .status()
            .troubles.map(({ kind }) => kind)
            .sort(),
          ["disk_low", "failing"],
        );
      } finally {
        await spool.stop();
        disk.remove();
      }
      await reopenS3(world);
    },
  );

  it("wait while the storage is down, and arrive when it is back", async () => {
    await world.s3.close();
    const id = await addRecording(world);
    await spoolFile(folder, `${id}.wav`, wav({ frames: speech(1000) }));
    await until("it was tried", () => troubles.length === 1);
    lookAgain();
    assert.equal((await rowOf(world, id)).status, "uploading");
    assert.equal(spool.status().recordingsWaiting, 1);

    await reopenS3(world);
    await until("it is stored", async () => {
      lookAgain();
      return (await left()).length === 0;
    });

    assert.equal(told.length, 1);
    // It is done with a moment after its file is gone.
    await until("none waits", () => spool.status().recordingsWaiting === 0);
  });

  it("arrive one after another over a link that is too slow for several at once", async () => {
    const proxy = await openStorageProxy(world.s3);
    const underWay = new Set<Duplex>();
    proxy.refuse = (asked, reply) => {
      const { method, url: path, headers, socket } = asked;
      if (method !== "PUT") return false;
      underWay.add(socket);
      socket.once("close", () => underWay.delete(socket));
      // Together they take longer than the storage waits.
      if (underWay.size > 1) for (const one of underWay) one.destroy();
      const passOn = (body: Buffer) =>
        request({ host: "127.0.0.1", port: world.s3.port, method, path, headers }, (answer) => {
          underWay.delete(socket);
          reply.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(reply);
        }).end(body);
      void Promise.all([buffer(asked), world.clock.sleep(300)]).then(
        ([body]) => socket.destroyed || passOn(body),
        () => undefined,
      );
      return true;
    };
    const storage = storageAt(proxy.endpoint, world.clock);
    await restart(storage);
    for (let n = 0; n < 4; n++) {
      const id = await addRecording(world);
      await spoolFile(folder, `${id}.wav`, wav({ frames: speech(100) }));
    }

    let passedMs = 0;
    await until("all are stored", async () => {
      // The back-offs alone: the storage refuses what was signed by another hour.
      lookAgain();
      world.clock.set((passedMs -= 30_000));
      return (await left()).length === 0;
    });

    assert.deepEqual(
      told.map(({ kind }) => kind),
      ["ready", "ready", "ready", "ready"],
    );
    await spool.stop();
    storage.close();
    await proxy.close();
  });

  it("stay on the spool while the storage tells another checksum", async () => {
    const proxy = await openStorageProxy(world.s3);
    let lies = 0;
    proxy.meddle = (asked, answer) => {
      if (asked.method !== "HEAD" || answer.statusCode !== 200) return false;
      lies++;
      answer.headers["x-amz-checksum-sha256"] = createHash("sha256").update("other").digest("base64");
      return false;
    };
    const storage = storageAt(proxy.endpoint, world.clock);
    await restart(storage);
    const id = await addRecording(world);
    await spoolFile(folder, `${id}.wav`, wav({ frames: speech(100) }));

    await until("it was told a lie", () => lies > 0);
    await until("the trouble shows", () => spool.status().troubles.length > 0);
    assert.equal((await rowOf(world, id)).status, "uploading");
    assert.equal((await left()).length, 1);

    proxy.meddle = () => false;
    lookAgain();
    await gone();
    assert.equal((await rowOf(world, id)).status, "ready");
    await spool.stop();
    storage.close();
    await proxy.close();
  });

  it("that grow as they become ready are kept whole, for us", async () => {
    const id = await addRecording(world);
    const file = wav({ frames: speech(100) });
    const path = join(folder, `${id}.wav`);
    inReady = () => {
      appendFileSync(path, speech(20));
      return Promise.resolve();
    };
    await spoolFile(folder, `${id}.wav`, file);
    await until("it is ready", () => told.length === 1);
    await restart();
    await gone();

    const [kept] = await unclaimed();
    assert.deepEqual(
      [kept, (await readFile(join(world.directory, "spool", "unclaimed", kept!))).length],
      [`${id}.wav`, file.length + 20 * 32],
    );
  });

  it("whose commit failed after the upload are told exactly once", async () => {
    let crashes = 0;
    inReady = () => (crashes++ < 2 ? Promise.reject(new Error("killed")) : Promise.resolve());
    const id = await addRecording(world);
    await spoolFile(folder, `${id}.wav`, wav({ frames: speech(100) }));
    await until("the first crash", () => crashes === 1);
    await until("the trouble shows", () => spool.status().troubles.length > 0);
    assert.equal((await rowOf(world, id)).status, "uploading");
    assert.equal((await left()).length, 1);

    await restart();
    await until("the second crash", () => crashes === 2);
    await restart();

    await gone();
    assert.equal(told.length, 1);
    assert.equal((await rowOf(world, id)).status, "ready");
  });

  describe("that are to be trimmed", () => {
    const quiet = (ms: number) => Buffer.alloc(ms * 32);
    /** Otieno talks all the time; Wanjiru, who is heard on the left, only here. */
    const said = (ms: number, loud = true) => {
      const frames = Buffer.alloc(ms * 32);
      for (let at = 0; at < frames.length; at += 4) {
        frames.writeInt16LE(loud ? 8000 * (at % 8 ? 1 : -1) : at % 200, at);
        frames.writeInt16LE(12_000, at + 2);
      }
      return frames;
    };
    const toTrim = async (...frames: Buffer[]) => {
      const id = await addRecording(world, "uploading", world.legId, true);
      await world.store.write((tx) =>
        tx.run("UPDATE recordings SET started_at_us = 0, ended_at_us = ? WHERE id = ?", [
          (Buffer.concat(frames).length / 32) * 1000,
          id,
        ]),
      );
      await spoolFile(folder, `${id}.wav`, neverClosed(wav({ frames: Buffer.concat(frames) })));
      return id;
    };
    const lengths = async (id: RecordingId) => {
      const { durationMs, trimmedMs, talkMs, short } = await rowOf(world, id);
      return { durationMs, trimmedMs, talkMs, short };
    };

    it("keep what the party said and 0.2 s around it, and say how much was cut: it is no gap", async () => {
      const id = await toTrim(said(3000, false), said(1500), quiet(500), said(700), said(5000, false));
      await gone();

      const expected = wav({
        frames: Buffer.concat([said(200, false), said(1500), quiet(500), said(700), said(200, false)]),
      });
      const file = await download(id);
      // A beginning of the noise's own rhythm, which does not matter.
      assert.equal(file.length, expected.length);
      assert.ok(file.subarray(44 + 6400, -6400).equals(expected.subarray(44 + 6400, -6400)));
      assert.ok(file.subarray(0, 44).equals(expected.subarray(0, 44)));
      assert.deepEqual(await lengths(id), { durationMs: 3100, trimmedMs: 7600, talkMs: 10_700, short: 0 });
      const { sha256, sizeBytes } = await rowOf(world, id);
      assert.deepEqual([sha256, sizeBytes], [createHash("sha256").update(file).digest("hex"), file.length]);
    });

    it("stay as they are where there is nothing to cut, and are 0.2 s where nothing was said", async () => {
      const whole = [said(1000), said(100, false)];
      const [talked, silent, tiny] = [
        await toTrim(...whole),
        await toTrim(quiet(9000)),
        await toTrim(quiet(10)),
      ];
      await gone();
      assert.deepEqual(await download(talked), wav({ frames: Buffer.concat(whole) }));
      assert.deepEqual(await lengths(talked), { durationMs: 1100, trimmedMs: 0, talkMs: 1100, short: 0 });
      assert.deepEqual(await lengths(silent), { durationMs: 200, trimmedMs: 8800, talkMs: 9000, short: 0 });
      assert.deepEqual(await lengths(tiny), { durationMs: 10, trimmedMs: 0, talkMs: 10, short: 0 });
    });

    it("lose nothing to a crash at any moment, and lack what the switch has lost all the same", async () => {
      let crashes = 0;
      inReady = () => (crashes++ < 1 ? Promise.reject(new Error("killed")) : Promise.resolve());
      const frames = Buffer.concat([quiet(2000), said(1000), quiet(2000)]);
      const id = await toTrim(frames);
      await until("the crash", () => crashes === 1);
      const [name = ""] = await left();
      assert.deepEqual(await readFile(join(folder, name)), wav({ frames }), "as the switch left it");

      // A second of it never came to the file.
      await world.store.write((tx) =>
        tx.run("UPDATE recordings SET ended_at_us = ended_at_us + 1000000 WHERE id = ?", [id]),
      );
      await restart();
      await gone();
      assert.deepEqual(await lengths(id), { durationMs: 1400, trimmedMs: 3600, talkMs: 6000, short: 1 });

      // And one that outlived the commit goes, though it is not what was stored.
      await spool.stop();
      await spoolFile(folder, `${id}.wav`, wav({ frames }));
      await restart();
      await gone();
      assert.deepEqual([told.length, await unclaimed()], [1, []]);
    });
  });

  it("whose file outlived the commit are removed at the next start, and not told again", async () => {
    const file = wav({ frames: speech(100) });
    const id = await addRecording(world);
    await spoolFile(folder, `${id}.wav`, file);
    await gone();
    await spool.stop();
    await spoolFile(folder, `${id}.wav`, file);

    await restart();

    await gone();
    assert.equal(told.length, 1);
  });

  it("that differ from what was stored under their name are set aside", async () => {
    const id = await addRecording(world);
    const first = wav({ frames: speech(100) });
    await spoolFile(folder, `${id}.wav`, first);
    await gone();
    await spool.stop();
    const second = wav({ frames: speech(100) });
    await spoolFile(folder, `${id}.wav`, second);

    await restart();

    await gone();
    assert.deepEqual(await readFile(join(world.directory, "spool", "unclaimed", `${id}.wav`)), second);
    assert.deepEqual(await download(id), first);
  });

  it("that grow while they are uploaded are not taken for finished", async () => {
    const proxy = await openStorageProxy(world.s3);
    const id = await addRecording(world);
    let grown = false;
    const path = join(folder, `${id}.wav`);
    proxy.refuse = (asked) => {
      if (asked.method === "PUT" && !grown) {
        grown = true;
        void appendFile(path, speech(20));
      }
      return false;
    };
    const storage = storageAt(proxy.endpoint, world.clock);
    await restart(storage);
    await spoolFile(folder, `${id}.wav`, neverClosed(wav({ frames: speech(100) })));
    spool.wake();

    await until("the growth was seen", () => spool.status().troubles.length > 0);
    assert.deepEqual(told, []);
    lookAgain();

    await gone();
    assert.equal((await rowOf(world, id)).durationMs, 120);
    assert.equal(told.length, 1);
    await spool.stop();
    storage.close();
    await proxy.close();
  });

  /** Stamps in ms from the dialling; the file's length; how long there was something to record, and whether it is short. */
  for (const [what, { asked = -1, started = 3000, answered = 3000, ended, left, file, talk, short }] of [
    ["as long as the talk are not short", { ended: 13_000, file: 9980, talk: 10_000, short: 0 }],
    ["that lack 2 % are not short", { ended: 13_000, file: 9800, talk: 10_000, short: 0 }],
    ["that lack more are short", { ended: 13_000, file: 9780, talk: 10_000, short: 1 }],
    ["of a second that lack 100 ms are not short", { ended: 4000, file: 900, talk: 1000, short: 0 }],
    ["of a second that lack more are short", { ended: 4000, file: 880, talk: 1000, short: 1 }],
    ["that began late are short", { started: 5000, ended: 13_000, file: 8000, talk: 10_000, short: 1 }],
    [
      "whose start nobody heard count from the answer",
      { started: null, ended: 5000, file: 1000, talk: 2000, short: 1 },
    ],
    ["from ringing count from their start", { started: 1000, ended: 5000, file: 3000, talk: 4000, short: 1 }],
    [
      "switched on in mid-call count from their start",
      { asked: 9000, started: 9100, ended: 10_100, file: 1000, talk: 1000, short: 0 },
    ],
    [
      "asked for by a caller's answer count from that, though they began late",
      { asked: 3000, started: 5000, ended: 13_000, file: 8000, talk: 10_000, short: 1 },
    ],
    ["longer than the talk are not short", { ended: 4000, file: 1100, talk: 1000, short: 0 }],
    [
      "that were ended after their leg count to its end",
      { ended: 4300, left: 4000, file: 1000, talk: 1000, short: 0 },
    ],
    ["whose end nobody knows say so", { ended: null, file: 1000, talk: null, short: 0 }],
  ] as [string, Stamps][]) {
    it(what, async () => {
      const dialledMs = world.clock.nowMs() - 60_000;
      const us = (afterMs: number | null) => (afterMs === null ? null : (dialledMs + afterMs) * 1000);
      const id = await addRecording(world, "stopping");
      await world.store.write(async (tx) => {
        await tx.run("UPDATE legs SET dialled_at_ms = ?, answered_at_us = ?, ended_at_us = ?", [
          ...[dialledMs, us(answered), us(left ?? null)],
        ]);
        await tx.run(
          "UPDATE recordings SET created_at_ms = ?, asked_in_call = ?, started_at_us = ?, ended_at_us = ?",
          [dialledMs + asked, asked > answered ? 1 : 0, us(started), us(ended)],
        );
      });
      await spoolFile(folder, `${id}.wav`, wav({ frames: speech(file) }));
      await world.store.write((tx) => recordings.markStatus(tx, id, ["stopping"], "uploading"));
      spool.wake();

      await gone();
      const row = await rowOf(world, id);
      assert.deepEqual([row.durationMs, row.talkMs, row.short], [file, talk, short]);
      assert.equal(await world.store.read(recordings.countShort), short);
    });
  }

  for (const [what, content] of [
    ["no bytes", Buffer.alloc(0)],
    ["no frames", wav({ frames: Buffer.alloc(0) })],
    ["no frames and an open header", neverClosed(wav({ frames: Buffer.alloc(0) }))],
  ] as const) {
    it(`with ${what} end as empty, and say so`, async () => {
      const id = await addRecording(world);
      await spoolFile(folder, `${id}.wav`, content);
      spool.wake();
      await world.clock.sleep(50);
      assert.equal((await rowOf(world, id)).status, "uploading");

      lookAgain();

      await gone();
      const row = await rowOf(world, id);
      assert.equal(row.status, "empty");
      assert.deepEqual(told, [{ kind: "empty", recording: row }]);
    });
  }

  it("whose file only just appears, a header first, are stored whole", async () => {
    const file = wav({ frames: speech(100) });
    const id = await addRecording(world);
    const path = await spoolFile(folder, `${id}.wav`, "");
    for (const [from, to] of [
      [0, 20],
      [20, 44],
      [44, file.length],
    ]) {
      spool.wake();
      await world.clock.sleep(30);
      await appendFile(path, file.subarray(from, to));
    }
    lookAgain();

    await gone();
    assert.deepEqual(await download(id), file);
    assert.equal(told.length, 1);
  });

  describe("of legs that rang together", () => {
    const dialled = (leg: LegId, { at = 5, ended = false, answered = true, cause = "lose_race" } = {}) =>
      world.store.write((tx) =>
        tx.run(
          "UPDATE legs SET dialled_at_ms = ?, answered_at_us = ?, ended_at_us = ?, hangup_cause = ? WHERE id = ?",
          [
            ...[at, answered ? 1_000_000 : null, ended ? world.clock.nowUs() : null, ended ? cause : null],
            leg,
          ],
        ),
      );
    let other: LegId;
    let recording: RecordingId;
    const isKept = async () => {
      lookAgain();
      await world.clock.sleep(200);
      assert.deepEqual([(await rowOf(world, recording)).status, told], ["uploading", []]);
    };

    const recorded = async () => {
      recording = await addRecording(world);
      await spoolFile(folder, `${recording}.wav`, wav({ frames: speech(20) }));
    };

    beforeEach(async () => {
      other = ids.next("leg");
      await addLeg(world, other, 1);
      await dialled(world.legId);
      await dialled(other);
    });

    it("wait until it is known that another has the call: then there is none", async () => {
      await recorded();
      await isKept();
      // Who won may hang up before it is heard that this one lost.
      await dialled(other, { ended: true, cause: "normal_clearing" });
      await isKept();
      await dialled(world.legId, { ended: true, answered: false });
      spool.wake();
      await gone();
      assert.equal((await rowOf(world, recording)).status, "empty");
    });

    it("are stored once all the others are known to have lost", async () => {
      await recorded();
      await isKept();
      await dialled(other, { ended: true, answered: false });
      spool.wake();
      await gone();
      assert.equal((await rowOf(world, recording)).status, "ready");
    });

    it("do not wait for who was dialled later", async () => {
      await dialled(other, { at: 6 });
      await recorded();
      spool.wake();
      await gone();
      assert.equal((await rowOf(world, recording)).status, "ready");
    });
  });

  it("without a file end as missing, and say so", async () => {
    const id = await addRecording(world);
    spool.wake();
    await world.clock.sleep(50);
    assert.equal((await rowOf(world, id)).status, "uploading");

    await until("it is given up", async () => {
      lookAgain();
      return (await rowOf(world, id)).status === "missing";
    });
    assert.deepEqual(told, [{ kind: "missing", recording: await rowOf(world, id) }]);
  });

  it("without a file, but whose audio the storage has, are ready: their database was restored from before the upload", async () => {
    const id = await addRecording(world);
    const file = wav({ frames: speech(1000) });
    const { workspaceId, callId } = world;
    await world.storage.putBytes(file, `${workspaceId}/${callId}/${id}.wav`, "audio/wav");

    await until("it is ready", async () => {
      lookAgain();
      return (await rowOf(world, id)).status === "ready";
    });

    assert.equal((await rowOf(world, id)).sha256, createHash("sha256").update(file).digest("hex"));
    assert.deepEqual(await download(id), file);
    assert.deepEqual(
      told.map(({ kind }) => kind),
      ["ready"],
    );
    await gone();
  });

  it("of which the storage has more than a spool from the middle of the talk, keep that: all was restored but the storage", async () => {
    const id = await addRecording(world);
    const frames = speech(1000);
    const file = wav({ frames });
    const { workspaceId, callId } = world;
    await world.storage.putBytes(file, `${workspaceId}/${callId}/${id}.wav`, "audio/wav");
    await spoolFile(folder, `${id}.wav`, neverClosed(wav({ frames: frames.subarray(0, 8000) })));

    await until("it is ready", async () => {
      lookAgain();
      return (await rowOf(world, id)).status === "ready";
    });

    assert.equal((await rowOf(world, id)).sizeBytes, file.length);
    assert.deepEqual(await download(id), file);
    await gone();
  });

  it("without a file, of a leg that nobody answered, end as empty", async () => {
    const otieno = ids.next("leg");
    await addLeg(world, otieno, 1, null);
    const id = await addRecording(world, "uploading", otieno);
    await until("it is settled", async () => {
      lookAgain();
      return (await rowOf(world, id)).status === "empty";
    });
  });

  it("without a file, asked for as their leg ended, end as empty: nothing was there to be recorded", async () => {
    const id = await addRecording(world, "starting");
    const { createdAtMs } = await rowOf(world, id);
    await world.store.write(async (tx) => {
      await tx.run("UPDATE legs SET dialled_at_ms = ?, ended_at_us = ? WHERE id = ?", [
        createdAtMs - 5_000,
        (createdAtMs + 60) * 1_000,
        world.legId,
      ]);
      await tx.run("UPDATE recordings SET status = 'uploading', asked_in_call = 1 WHERE id = ?", [id]);
    });
    await until("it is settled", async () => {
      lookAgain();
      return (await rowOf(world, id)).status === "empty";
    });
    assert.deepEqual(told, [{ kind: "empty", recording: await rowOf(world, id) }]);
  });

  it("without a file, begun and stopped in the same moment, end as empty", async () => {
    const id = await addRecording(world, "starting");
    const { createdAtMs } = await rowOf(world, id);
    await world.store.write(async (tx) => {
      await tx.run("UPDATE legs SET dialled_at_ms = ? WHERE id = ?", [createdAtMs - 5_000, world.legId]);
      await tx.run(
        "UPDATE recordings SET status = 'uploading', asked_in_call = 1, started_at_us = ?, ended_at_us = ? WHERE id = ?",
        [...[(createdAtMs + 20) * 1_000, (createdAtMs + 40) * 1_000], id],
      );
    });
    await until("it is settled", async () => {
      lookAgain();
      return (await rowOf(world, id)).status === "empty";
    });
  });

  it("without a file, asked for by a clock an hour ahead of the switch's, end as missing, with the talk that they lack", async () => {
    const id = await addRecording(world, "starting");
    const { createdAtMs } = await rowOf(world, id);
    const answeredMs = createdAtMs - 3_600_000;
    await world.store.write(async (tx) => {
      await tx.run("UPDATE legs SET dialled_at_ms = ?, answered_at_us = ?, ended_at_us = ? WHERE id = ?", [
        ...[answeredMs - 1_000, answeredMs * 1_000, (answeredMs + 12_000) * 1_000],
        world.legId,
      ]);
      await tx.run("UPDATE recordings SET status = 'uploading', asked_in_call = 1 WHERE id = ?", [id]);
    });
    await until("it is given up", async () => {
      lookAgain();
      return (await rowOf(world, id)).status === "missing";
    });
    const { talkMs, short } = await rowOf(world, id);
    assert.deepEqual([talkMs, short], [12_000, 1]);
  });

  it("asked for in the middle of a call by a clock that was set back since it was dialled, begin where they began", async () => {
    const frames = speech(1000);
    const id = await addRecording(world, "starting");
    const { createdAtMs } = await rowOf(world, id);
    await world.store.write(async (tx) => {
      await tx.run("UPDATE legs SET dialled_at_ms = ?, answered_at_us = ?, ended_at_us = ? WHERE id = ?", [
        ...[createdAtMs + 3_600_000, (createdAtMs - 4_000) * 1_000, (createdAtMs + 3_000) * 1_000],
        world.legId,
      ]);
      await tx.run(
        "UPDATE recordings SET status = 'uploading', asked_in_call = 1, started_at_us = ?, ended_at_us = ? WHERE id = ?",
        [createdAtMs * 1_000, (createdAtMs + 1_000) * 1_000, id],
      );
    });
    await spoolFile(folder, `${id}.wav`, wav({ frames }));
    await until("it is ready", async () => {
      lookAgain();
      return (await rowOf(world, id)).status === "ready";
    });
    const { talkMs, short } = await rowOf(world, id);
    assert.deepEqual([talkMs, short], [1_000, 0]);
  });

  it("are not given up while their folder is away, nor when they come late", async () => {
    const id = await addRecording(world);
    await rename(folder, `${folder}-unmounted`);
    for (let look = 0; look < 5; look++) {
      lookAgain();
      await world.clock.sleep(20);
    }
    assert.equal((await rowOf(world, id)).status, "uploading");

    await rename(`${folder}-unmounted`, folder);
    await until("it is given up", async () => {
      lookAgain();
      return (await rowOf(world, id)).status === "missing";
    });
    await spoolFile(folder, `${id}.wav`, wav({ frames: speech(100) }));
    await restart();

    await gone();
    assert.equal((await rowOf(world, id)).status, "ready");
    assert.deepEqual(
      told.map(({ kind }) => kind),
      ["missing", "ready"],
    );
  });

  it("that are no WAV files are missing to the customer, and set aside for us", async () => {
    const id = await addRecording(world);
    await spoolFile(folder, `${id}.wav`, Buffer.alloc(4096));
    lookAgain();
    await gone();
    assert.equal((await rowOf(world, id)).status, "missing");
    assert.deepEqual(await unclaimed(), [`${id}.wav`]);
  });

  it("that nobody knows are set aside once they are a minute old", async () => {
    await spool.stop();
    const longAgo = world.clock.nowMs() / 1000 - 61;
    for (const name of [`${ids.next("rec")}.wav`, "core.4711"]) {
      const path = await spoolFile(folder, name, "what is this");
      await utimes(path, longAgo, longAgo);
    }
    await spoolFile(folder, `${ids.next("rec")}.wav`, wav({ frames: speech(20) }));

    await restart();

    await until("two are set aside", async () => (await unclaimed()).length === 2);
    assert.equal((await left()).length, 1);
  });

  it("that were deleted before they were stored leave nothing behind", async () => {
    const id = await addRecording(world);
    inReady = () => Promise.reject(new Error("killed"));
    await spoolFile(folder, `${id}.wav`, wav({ frames: speech(100) }));
    await until("it was uploaded", () => spool.status().troubles.length > 0);
    await world.store.write((tx) => recordings.markDeleted(tx, id, "requested", 1));

    await restart();

    await gone();
    assert.equal(await world.storage.head(`${world.workspaceId}/${world.callId}/${id}.wav`), null);
    assert.deepEqual(told, []);
  });

  it("that were deleted during the upload leave nothing behind", async () => {
    const proxy = await openStorageProxy(world.s3);
    const id = await addRecording(world);
    let deleting: Promise<unknown> | null = null;
    // The upload is over when it is deleted, and not before.
    proxy.meddle = (asked, answer, reply) => {
      if (asked.method !== "PUT") return false;
      deleting ??= world.store.write((tx) => recordings.markDeleted(tx, id, "requested", 1));
      void deleting.then(() => reply.writeHead(answer.statusCode ?? 502, answer.headers).end());
      return true;
    };
    const storage = storageAt(proxy.endpoint, world.clock);
    await restart(storage);
    await spoolFile(folder, `${id}.wav`, wav({ frames: speech(100) }));

    await gone();
    assert.ok(deleting);
    assert.equal((await rowOf(world, id)).status, "deleted");
    assert.equal(await world.storage.head(`${world.workspaceId}/${world.callId}/${id}.wav`), null);
    assert.deepEqual(told, []);
    await spool.stop();
    storage.close();
    await proxy.close();
  });
});
