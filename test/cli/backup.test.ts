import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSautikit } from "../peers/child.ts";
import { scrape } from "../peers/scrape.ts";
import { eventually } from "../peers/waiting.ts";
import { databaseKind, testDatabase } from "../store/test-database.ts";
import { Customer, type ApiCall } from "../world/customer.ts";
import { startEmbedded, type Embedded } from "../world/embedded.ts";
import { sautikit, toldLine } from "./sautikit.ts";

const answers = "+254700000001";
const hangsUpAfter3s = "+254700000103";

describe(`a backup, on ${databaseKind}`, function () {
  this.timeout(180_000);
  let folder: string;
  let running: Embedded;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-backup-"));
    running = await startEmbedded();
  });
  afterEach(async () => {
    await running.end();
    await rm(folder, { recursive: true, force: true });
  });

  /** Calls one after another, until they are to stop. */
  function keepCalling(): { stop: () => Promise<void> } {
    const stopping = new AbortController();
    const calling = (async () => {
      while (!stopping.signal.aborted) {
        const id = await running.customer.place({ from: running.demo.number, to: hangsUpAfter3s });
        await running.customer.until(id, "its answer", ({ status }) => status !== "initiated");
      }
    })();
    return {
      async stop() {
        stopping.abort();
        await calling;
      },
    };
  }

  const recorded = async (to: string): Promise<string> => {
    const id = await running.customer.place({ from: running.demo.number, to, record: true });
    await running.customer.until(
      id,
      "its answer",
      ({ status }) => status === "answered" || status === "completed",
    );
    return id;
  };
  const recordingOf = (call: ApiCall) => call.legs[0]!.recording_ids[0]!;
  const isStored = (call: ApiCall) => call.events.some(({ kind }) => kind === "call.recording.ready");

  it("taken while calls run is, restored elsewhere, the same books, keys and recordings, and goes on", async () => {
    const { customer } = running;
    const before = await Promise.all([recorded(hangsUpAfter3s), recorded(hangsUpAfter3s)]);
    const stored = await Promise.all(before.map((id) => customer.until(id, "its recording", isStored)));
    // One goes on through all of it, one ends in the middle.
    const [talking, ending] = [await recorded(answers), await recorded(answers)];
    const others = keepCalling();
    const copy = join(folder, "copy");
    const taking = toldLine(["backup", copy], running.env);
    await customer.hangUp(ending);
    const summary = await taking;
    await others.stop();
    assert.equal(summary["database"], databaseKind);
    assert.equal((await stat(copy)).mode & 0o077, 0);
    // The machine is lost.
    running.sautikit.kill("SIGKILL");
    await running.sautikit.exited();

    const database = await testDatabase({ migrated: false });
    const env = {
      ...{ DATA_DIR: join(folder, "data"), DATABASE_URL: database.url, PORT: "0", LOG_LEVEL: "warn" },
    };
    await toldLine(["restore", copy], env);
    const key = (dataDir: string) => readFile(join(dataDir, "secrets.key"), "utf8");
    assert.equal(await key(env.DATA_DIR), await key(running.env["DATA_DIR"]!));
    const verified = await sautikit(["ledger", "verify"], env);
    assert.equal(verified.code, 0, verified.stdout);

    const { child, ready } = await startSautikit(["start"], { folder, env });
    try {
      const again = new Customer(String(ready["base_url"]), customer.key);
      for (const call of stored) {
        const { status, cost_minor: cost, legs } = await again.call(call.id);
        assert.deepEqual([status, cost], [call.status, call.cost_minor]);
        assert.ok((await again.download(call.id, recordingOf(call))).length > 44, legs[0]!.id);
      }
      // What talked then is over, and charged to the last second in which it was seen; what was recorded by then is there.
      for (const id of [talking, ending]) {
        const call = await again.ended(id, 30_000);
        assert.equal(call.status, "completed");
        await again.until(id, "its recording", isStored, 40_000);
        assert.ok((await again.download(id, recordingOf(call))).length > 44);
      }
      await eventually(
        "that nothing talks any more",
        async () => {
          const { body } = await again.ask("GET", "/v1/calls?status=initiated,ringing,answered");
          return body.data.length === 0 ? true : undefined;
        },
        { withinMs: 30_000 },
      );
      const next = await again.ended(await again.place({ from: running.demo.number, to: hangsUpAfter3s }));
      assert.equal(next.status, "completed");
      for (const args of [
        ["ledger", "verify"],
        ["recordings", "verify", "--checksums"],
      ]) {
        const { code, stdout, stderr } = await sautikit(args, env);
        assert.equal(code, 0, `${args.join(" ")}\n${stdout}${stderr}`);
      }
    } finally {
      await child.stop();
      await database.remove();
    }
  });

  it("of a box's spool alone has no database, and what was recorded there is, put back on that box, stored", async () => {
    const { customer } = running;
    const talking = await recorded(answers);
    await customer.until(talking, "its recording", ({ events }) =>
      events.some(({ kind }) => kind === "recording.started"),
    );
    const [books, spool] = [join(folder, "books"), join(folder, "spool")];
    await toldLine(["backup", books], running.env);
    const summary = await toldLine(["backup", "--spool-only", spool], running.env);
    assert.equal(summary["database"], null);
    assert.ok((summary["spool"] as { files: number }).files > 0, JSON.stringify(summary));
    assert.deepEqual((await readdir(spool)).sort(), ["backup.json", "spool"]);
    running.sautikit.kill("SIGKILL");
    await running.sautikit.exited();

    const database = await testDatabase({ migrated: false });
    const env = { DATA_DIR: join(folder, "data"), DATABASE_URL: database.url, PORT: "0", LOG_LEVEL: "warn" };
    // Where FreeSWITCH was put first, its folders are there.
    const box = { ...env, SPOOL_DIR: join(folder, "box") };
    await mkdir(join(box.SPOOL_DIR, "recordings"), { recursive: true });
    const { code, stderr } = await sautikit(["restore", spool], env);
    assert.equal(code, 1);
    assert.match(stderr, /holds a box's spool and no database: restore --spool-only /);
    await toldLine(["restore", books], { ...env, SPOOL_DIR: join(folder, "controller") });
    await toldLine(["restore", "--spool-only", spool], box);
    const again = await sautikit(["restore", "--spool-only", spool], box);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /recordings is there already/);

    const { child, ready } = await startSautikit(["start"], { folder, env: box });
    try {
      const restored = new Customer(String(ready["base_url"]), customer.key);
      const call = await restored.until(talking, "its recording", isStored, 40_000);
      assert.ok((await restored.download(talking, recordingOf(call))).length > 44);
    } finally {
      await child.stop();
      await database.remove();
    }
  });

  it("tells by /metrics when the database was saved, and nothing of a box's spool alone", async () => {
    const savedAt = async () =>
      (await scrape(running.customer.baseUrl)).value("sautikit_backup_timestamp_seconds");
    assert.equal(await savedAt(), undefined);
    await toldLine(["backup", "--spool-only", join(folder, "spool")], running.env);
    assert.equal(await savedAt(), undefined);
    const { made_at: madeAt } = await toldLine(["backup", join(folder, "copy")], running.env);
    assert.equal(await savedAt(), Date.parse(String(madeAt)) / 1000);
  });

  it("of a box's spool is made after that of the database, where that is asked for", async () => {
    const ofSpool = ["backup", "--spool-only", "--after-database", join(folder, "spool")];
    const none = await sautikit(ofSpool, running.env);
    assert.deepEqual([none.code, await readdir(folder)], [1, []]);
    assert.match(none.stderr, /it was not saved in the last 24 hours\.$/m);
    await toldLine(["backup", join(folder, "copy")], running.env);
    await toldLine(ofSpool, running.env);

    await running.byHand("UPDATE checks SET checked_at_ms = checked_at_ms - 86400000 WHERE name = 'backup'");
    const old = await sautikit([...ofSpool.slice(0, -1), join(folder, "next")], running.env);
    assert.equal(old.code, 1);
    assert.match(old.stderr, /in the last 24 hours; it last was at 20/);
    const whole = await sautikit(["backup", "--after-database", join(folder, "next")], running.env);
    assert.match(whole.stderr, /with --spool-only/);
  });

  it("overwrites nothing, is nothing when it was cut off, and is not restored beside what runs", async () => {
    const copy = join(folder, "copy");
    // Made by somebody's script, for everybody to look into: what is put there is not.
    await mkdir(copy, { mode: 0o755 });
    await toldLine(["backup", copy], running.env);
    for (const entry of await readdir(copy, { recursive: true }))
      assert.equal((await stat(join(copy, entry))).mode & 0o077, 0, entry);
    const fails = async (args: string[], env: Record<string, string>, why: RegExp) => {
      const { code, stderr } = await sautikit(args, env);
      assert.equal(code, 1, stderr);
      assert.match(stderr, why);
    };
    await fails(["backup", copy], running.env, /is not empty/);
    await fails(["backup"], running.env, /it needs the name of a new folder/);
    await fails(["restore", copy], running.env, /The controller of .* runs already/);

    const database = await testDatabase({ migrated: false });
    const elsewhere = { DATA_DIR: join(folder, "data"), DATABASE_URL: database.url };
    try {
      const cut = join(folder, "cut");
      await mkdir(cut);
      await fails(["restore", cut], elsewhere, /is no backup, or one that was cut off/);
      await mkdir(elsewhere.DATA_DIR, { mode: 0o700 });
      await writeFile(join(elsewhere.DATA_DIR, "secrets.key"), "0".repeat(64));
      await fails(["restore", copy], elsewhere, /secrets\.key is there already/);
      await rm(join(elsewhere.DATA_DIR, "secrets.key"));
      await (await database.open()).close();
      await fails(
        ["restore", copy],
        elsewhere,
        databaseKind === "sqlite" ? /sautikit\.db is there already/ : /has tables already/,
      );
      const other =
        databaseKind === "sqlite"
          ? "postgres://nobody@127.0.0.1:9/none"
          : `sqlite:${join(folder, "other.db")}`;
      await fails(["restore", copy], { ...elsewhere, DATABASE_URL: other }, /The backup is of/);
      assert.deepEqual(
        (await readdir(elsewhere.DATA_DIR)).filter((name) => !name.endsWith(".lock")),
        [],
      );
    } finally {
      await database.remove();
    }
  });

  it("that did not come along whole is not restored, and one that fails leaves nothing of itself", async () => {
    const { customer } = running;
    await customer.until(await recorded(hangsUpAfter3s), "its recording", isStored);
    const copy = join(folder, "copy");
    await toldLine(["backup", copy], running.env);
    const database = await testDatabase({ migrated: false });
    const elsewhere = { DATA_DIR: join(folder, "data"), DATABASE_URL: database.url };
    const fails = async (args: string[], env: Record<string, string>, why: RegExp) => {
      const { code, stderr } = await sautikit(args, env);
      assert.equal(code, 1, stderr);
      assert.match(stderr, why);
    };
    try {
      const file = databaseKind === "sqlite" ? "sautikit.db" : "database.dump";
      await rename(join(copy, file), join(folder, file));
      await fails(["restore", copy], elsewhere, /(sautikit\.db|database\.dump) is not there/);
      await writeFile(join(copy, file), (await readFile(join(folder, file))).subarray(0, 4096));
      await fails(["restore", copy], elsewhere, /has 4096 bytes, and had \d+: fetch it again/);
      await rename(join(folder, file), join(copy, file));
      const entries = await readdir(join(copy, "objects"), { recursive: true, withFileTypes: true });
      const { parentPath, name } = entries.find((entry) => entry.isFile())!;
      await rename(join(parentPath, name), join(folder, "object"));
      await fails(["restore", copy], elsewhere, /objects has \d+ files with \d+ bytes, and had /);
      await rename(join(folder, "object"), join(parentPath, name));
      assert.equal(existsSync(elsewhere.DATA_DIR), false, "nothing was begun");
      const into =
        databaseKind === "sqlite"
          ? { ...elsewhere, DATABASE_URL: `sqlite:${join(folder, "not", "yet", "there.db")}` }
          : elsewhere;
      await toldLine(["restore", copy], into);
      const verified = await sautikit(["ledger", "verify"], into);
      assert.equal(verified.code, 0, verified.stdout);
    } finally {
      await database.remove();
    }

    const box = { ...running.env, SPOOL_DIR: join(folder, "box") };
    const [first, second] = [join(folder, "first"), join(folder, "second")];
    await fails(["backup", "--spool-only", first], box, /There is no folder .*box \(SPOOL_DIR\) to save/);
    await mkdir(box.SPOOL_DIR);
    await writeFile(join(box.SPOOL_DIR, "recordings"), "not a folder");
    await mkdir(second);
    await fails(["backup", first], box, /ENOTDIR/);
    await fails(["backup", second], box, /ENOTDIR/);
    assert.deepEqual([existsSync(first), await readdir(second)], [false, []]);
  });
});
