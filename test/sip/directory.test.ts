import { strict as assert } from "node:assert";
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { SautikitError } from "../../engine/errors.ts";
import { Devices } from "../../engine/sip/devices.ts";
import { Directory } from "../../engine/sip/directory.ts";
import { createCredential, revokeCredential, rotateCredential } from "../../engine/sip/credentials.ts";
import { registrationsOf, sipDirectory } from "../../engine/store/sip-credentials.ts";
import { numberById } from "../../engine/store/numbers.ts";
import { directoryFile } from "../../engine/switch/directory-file.ts";
import type { DeviceContact, Registration } from "../../engine/switch/switch.ts";
import { quiet, world, type World } from "../api/world.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind } from "../store/test-database.ts";

describe(`the list of SIP logins beside a media server, on ${databaseKind}`, () => {
  let api: World;
  let wanjiru: Awaited<ReturnType<World["workspace"]>>;
  let folder: string;
  let written = 0;
  let directory: Directory;
  before(async () => {
    api = await world();
    wanjiru = await api.workspace();
    const spoolDir = await mkdtemp(join(tmpdir(), "sautikit-directory-"));
    folder = join(spoolDir, "directory");
    directory = new Directory({
      ...{ store: api.store, clock: api.clock, log: quiet, box: "box", spoolDir },
      written: () => (written += 1),
    });
  });
  after(async () => {
    await api.end();
    await rm(join(folder, ".."), { recursive: true });
  });

  const parts = () => ({ clock: api.clock, ids: api.ids, realm: "sip.example", changed: () => undefined });
  const number = async () => (await api.store.read((tx) => numberById(tx, wanjiru.numberId!)))!;
  const text = () => readFile(join(folder, "credentials.xml"), "utf8");
  const words = { label: "Desk", maxConcurrentCalls: 10, maxCallsPerSecond: 5 };
  const made = async () =>
    (await api.store.write(async (tx) => createCredential(tx, parts(), await number(), words))).credential;

  it("is there before anybody has a login, is its owner's alone, and is told of until it is read", async () => {
    await directory.write();
    assert.equal(await text(), directoryFile([]));
    assert.equal((await stat(join(folder, "credentials.xml"))).mode & 0o777, 0o600);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal(written, 1);
    await directory.write();
    assert.equal(written, 2);
  });

  it("has each login from its making to its end, and is replaced as a whole", async () => {
    const { id, username } = await made();
    await directory.write();
    assert.match(await text(), new RegExp(`<user id="${username}">`));
    const next = await api.store.write(async (tx) =>
      rotateCredential(tx, parts(), await number(), { id, overlapSeconds: 60 }),
    );
    await directory.write();
    for (const login of [username, next.credential.username])
      assert.ok((await text()).includes(`"${login}"`));
    api.clock.offsetMs += 60_001;
    await directory.write();
    assert.ok(!(await text()).includes(`"${username}"`));
    await api.store.write(async (tx) => revokeCredential(tx, parts(), await number(), id));
    await directory.write();
    assert.ok(!(await text()).includes(`"${next.credential.username}"`));
    assert.deepEqual(await readdir(folder), ["credentials.xml"]);
  });

  it("one that somebody changed, or half of one that a kill left, is put right", async () => {
    await made();
    await directory.write();
    const whole = await text();
    await writeFile(join(folder, "credentials.xml"), whole.slice(0, 20));
    for (const left of [".credentials.xml.next", ".credentials.xml.box.next"])
      await writeFile(join(folder, left), "half");
    const before = written;
    await directory.write();
    assert.equal(await text(), whole);
    assert.equal(written, before + 1);
    assert.deepEqual(await readdir(folder), ["credentials.xml"]);
  });

  describe("and who is registered there", () => {
    const told: Registration[] = [];
    const forgotten: string[] = [];
    const asked: string[] = [];
    let tooLong = false;
    let reloaded = 0;
    let connected = true;
    const box = {
      box: "box",
      get connected() {
        return connected;
      },
      reloadDirectory: () => {
        reloaded++;
        return Promise.resolve();
      },
      registrations: (username?: string) => {
        asked.push(username ?? "all");
        return tooLong && username === undefined
          ? Promise.reject(new SautikitError("switch.unknown_outcome", "a frame that is too long"))
          : Promise.resolve(told.filter((one) => one.username === (username ?? one.username)));
      },
      forgetDevice: (username: string) => Promise.resolve(void forgotten.push(username)),
    };
    const look = async () => {
      const devices = new Devices({ store: api.store, clock: api.clock, log: quiet, box });
      devices.start();
      await devices.stop();
    };
    const registration = (username: string, more: Partial<Registration> = {}): Registration => ({
      ...{ username, contactUri: `sip:${username}@10.0.0.5:5060`, transport: "udp", callId: "one@phone" },
      contact: `sofia/devices/sip:${username}@10.0.0.5` as DeviceContact,
      source: { host: "196.201.214.5", port: 40_000 },
      ...{ userAgent: "Yealink", expiresAtMs: api.clock.nowMs() + 300_000 },
      ...more,
    });
    const registered = async () =>
      (
        await api.store.read((tx) =>
          registrationsOf(tx, { number: wanjiru.numberId! }, { nowMs: api.clock.nowMs(), limit: 100 }),
        )
      ).map((row) => row.sipCallId);

    it("a list that is new is read once, and by a box that is away later", async () => {
      await directory.write();
      connected = false;
      await look();
      assert.equal(reloaded, 0);
      connected = true;
      await look();
      await look();
      assert.equal(reloaded, 1);
      const row = await api.store.read((tx) => sipDirectory(tx, "box"));
      assert.equal(row?.loadedSha256, row?.writtenSha256);
      const before = written;
      await directory.write();
      assert.equal(written, before);
    });

    it("a list that had to be put back is read again", async () => {
      const before = reloaded;
      await writeFile(join(folder, "credentials.xml"), "somebody else's");
      await directory.write();
      await look();
      assert.equal(reloaded, before + 1);
    });

    it("devices are written down as the box lists them, and are gone when it does not", async () => {
      const { username } = await made();
      told.push(registration(username), registration(username, { callId: "two@phone" }));
      await look();
      assert.deepEqual((await registered()).sort(), ["one@phone", "two@phone"]);
      told.shift();
      await look();
      assert.deepEqual(await registered(), ["two@phone"]);
      told.length = 0;
      await look();
      assert.deepEqual(await registered(), []);
    });

    it("one that is let in no more, or never was, is dropped at the box", async () => {
      const { id, username } = await made();
      told.push(registration(username), registration("stranger"));
      await look();
      assert.deepEqual([await registered(), forgotten], [["one@phone"], ["stranger"]]);
      await api.store.write(async (tx) => revokeCredential(tx, parts(), await number(), id));
      forgotten.length = 0;
      await look();
      assert.deepEqual([await registered(), forgotten.sort()], [[], [username, "stranger"].sort()]);
    });

    describe("by what the box tells", () => {
      let devices: Devices;
      const come = (one: Registration) => devices.take({ kind: "registered", box: "box", registration: one });
      const go = (username: string, callId: string | null) =>
        devices.take({ kind: "unregistered", box: "box", username, callId });
      const settled = (expected: string[]) =>
        eventually(`${expected.join()} registered`, async () =>
          isDeepStrictEqual((await registered()).sort(), expected) ? true : undefined,
        );
      beforeEach(async () => {
        await look();
        asked.length = forgotten.length = told.length = 0;
        devices = new Devices({ store: api.store, clock: api.clock, log: quiet, box });
        devices.start();
        await eventually("the first list", () => (asked.length > 0 ? true : undefined));
        await settled([]);
      });
      afterEach(() => devices.stop());

      it("they are written down and taken away, and nobody asks for the list", async () => {
        const { username } = await made();
        come(registration(username));
        come(registration(username, { callId: "two@phone" }));
        await settled(["one@phone", "two@phone"]);
        come(registration(username, { userAgent: "Grandstream" }));
        go(username, "two@phone");
        await settled(["one@phone"]);
        assert.deepEqual(asked, ["all"]);
        go(username, "one@phone");
        await settled([]);
      });

      it("a list that is too long to be had leaves what was told, and is asked for no more for a while", async () => {
        const { username } = await made();
        tooLong = true;
        devices.connected();
        await eventually("the second list", () => (asked.length === 2 ? true : undefined));
        come(registration(username));
        await settled(["one@phone"]);
        go(username, "one@phone");
        await settled([]);
        assert.deepEqual(asked, ["all", "all"]);
        tooLong = false;
      });

      it("of a socket that was closed, the box is asked whose binding that was", async () => {
        const { username } = await made();
        come(registration(username));
        come(registration(username, { callId: "two@phone" }));
        await settled(["one@phone", "two@phone"]);
        told.push(registration(username, { callId: "two@phone" }));
        go(username, null);
        await settled(["two@phone"]);
        assert.deepEqual(asked, ["all", username]);
      });

      it("what expired while no controller ran counts for no login that has too many", async () => {
        const { username } = await made();
        const gone = { expiresAtMs: api.clock.nowMs() - 1 };
        for (let i = 10; i < 25; i++) come(registration(username, { ...gone, callId: `${i}@phone` }));
        for (let i = 0; i < 10; i++) come(registration(username, { callId: `${i}@phone` }));
        await settled(Array.from({ length: 10 }, (_, i) => `${i}@phone`));
        assert.deepEqual(forgotten, []);
        devices.connected();
        await settled([]);
      });

      it("who is let in no more, never was, or has too many is dropped", async () => {
        const { id, username } = await made();
        come(registration("stranger"));
        await eventually("the stranger's end", () => (forgotten.length === 1 ? true : undefined));
        come(registration(username));
        await settled(["one@phone"]);
        await api.store.write(async (tx) => revokeCredential(tx, parts(), await number(), id));
        await directory.write();
        devices.wake();
        await eventually("the end of what was revoked", () => (forgotten.length === 2 ? true : undefined));
        const many = await made();
        for (let i = 0; i < 21; i++) come(registration(many.username, { callId: `${i}@phone` }));
        await eventually("the end of too many", () => (forgotten.length >= 3 ? true : undefined));
        await settled([]);
        assert.deepEqual([...new Set(forgotten)], ["stranger", username, many.username]);
      });
    });
  });
});
