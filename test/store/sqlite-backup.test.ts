import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { backupSqlite } from "../../engine/store/sqlite-backup.ts";
import { sautikit } from "../cli/sautikit.ts";
import { inParallel } from "./processes.ts";
import { sqliteFile } from "./test-database.ts";

describe("the copy of a SQLite database", function () {
  this.timeout(60_000);
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-copy-"));
    file = join(folder, "sautikit.db");
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("is one moment of it, whole and in one file, while another process writes without a pause", async () => {
    const store = await sqliteFile(file).open();
    await store.write((tx) => tx.run("CREATE TABLE pairs (id BIGINT, side TEXT, filler TEXT)"));
    const filler = "x".repeat(2000);
    const pair = (id: number) =>
      store.write(async (tx) => {
        for (const side of ["debit", "credit"])
          await tx.run("INSERT INTO pairs (id, side, filler) VALUES (?, ?, ?)", [id, side, filler]);
      });
    await Promise.all(Array.from({ length: 10_000 }, (_, id) => pair(id)));
    let [written, copied, slowestMs] = [10_000, false, 0];
    const writing = (async () => {
      while (!copied) {
        const startedMs = performance.now();
        await pair(written++);
        slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      }
    })();

    const folderOfCopy = join(folder, "copy");
    const env = { DATA_DIR: folder, DATABASE_URL: `sqlite:${file}` };
    const { code, stderr } = await sautikit(["backup", folderOfCopy], env);
    copied = true;
    await writing;
    await store.close();

    assert.equal(code, 0, stderr);
    const copy = join(folderOfCopy, "sautikit.db");
    assert.deepEqual(await readdir(folderOfCopy), ["backup.json", "sautikit.db"]);
    const made = new Database(copy, { readonly: true });
    const odd = made.prepare("SELECT id FROM pairs GROUP BY id HAVING COUNT(*) <> 2").all();
    const { pairs } = made.prepare("SELECT COUNT(DISTINCT id) AS pairs FROM pairs").get() as {
      pairs: number;
    };
    made.close();
    assert.deepEqual(odd, []);
    assert.ok(pairs > 10_000 && pairs < written, `${pairs} of ${written}`);
    assert.ok(slowestMs < 1_000, `${slowestMs} ms`);
  });

  it("has what other processes committed before it, though it is still in their journal", async () => {
    const database = sqliteFile(file);
    const outcomes = await inParallel(database, 2, "migrate");
    assert.deepEqual(outcomes, ["opened", "opened"]);
    const store = await database.open();
    await store.write((tx) =>
      tx.run("INSERT INTO checks (name, checked_at_ms, findings) VALUES ('ledger', 7, 0)"),
    );
    const copy = join(folder, "copy.db");

    await backupSqlite(file, copy);

    await store.close();
    const made = new Database(copy, { readonly: true });
    assert.deepEqual(made.prepare("SELECT checked_at_ms FROM checks").all(), [{ checked_at_ms: 7 }]);
    made.close();
  });

  it("is refused where there is no database", async () => {
    await assert.rejects(
      backupSqlite(file, join(folder, "copy.db")),
      /unable to open|directory does not exist/,
    );
  });
});
