import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { systemClock } from "../../engine/clock.ts";
import { openSqlite } from "../../engine/store/sqlite.ts";
import type { ReadTx, Store, Tx } from "../../engine/store/store.ts";

const outside = /awaited something else than its tx/;

describe("the SQLite store", () => {
  let folder: string;
  let store: Store;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-store-"));
    store = await openSqlite(join(folder, "sautikit.db"), { clock: systemClock });
    await store.write((tx) => tx.run("CREATE TABLE notes (text TEXT NOT NULL)"));
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  const note = (tx: Tx, text: string) => tx.run("INSERT INTO notes (text) VALUES (?)", [text]);
  const notes = () =>
    store.read(async (tx) =>
      (await tx.all<{ text: string }>("SELECT text FROM notes ORDER BY rowid")).map(({ text }) => text),
    );

  it("refuses a transaction that awaits a timer, and nothing of it is written, then or later", async () => {
    const late = Promise.withResolvers<unknown>();
    const refused = store.write(async (tx) => {
      await note(tx, "before the timer");
      await turn();
      await turn();
      note(tx, "after the timer").then(late.resolve, late.reject);
    });
    await assert.rejects(refused, outside);
    await assert.rejects(late.promise, /over/);
    assert.deepEqual(await notes(), []);
  });

  it("lets no refused transaction write into, or read from, the one that runs after it", async () => {
    let kept: Tx | undefined;
    await assert.rejects(
      store.write(async (tx) => {
        kept = tx;
        await turn();
        await turn();
      }),
      outside,
    );
    await store.write(async (tx) => {
      await note(tx, "mine");
      await assert.rejects(note(kept!, "a stranger's"), /over/);
      await assert.rejects(kept!.all("SELECT text FROM notes"), /over/);
      await assert.rejects(kept!.get("SELECT text FROM notes"), /over/);
    });
    assert.deepEqual(await notes(), ["mine"]);
  });

  it("lets nobody use a tx once its transaction has ended, however it ended", async () => {
    const kept: ReadTx[] = [];
    await store.write((tx) => Promise.resolve(kept.push(tx)));
    await store.read((tx) => Promise.resolve(kept.push(tx)));
    await assert.rejects(
      store.write((tx) => {
        kept.push(tx);
        return Promise.reject(new Error("Otieno changed his mind"));
      }),
    );
    assert.equal(kept.length, 3);
    for (const tx of kept) await assert.rejects(tx.all("SELECT 1"), /over/);
  });

  it("undoes a throw alone, and keeps what shared its commit", async () => {
    const [first, second, third] = await Promise.allSettled([
      store.write((tx) => note(tx, "Wanjiru's")),
      store.write(async (tx) => {
        await note(tx, "Otieno's");
        throw new Error("Otieno changed his mind");
      }),
      store.write((tx) => note(tx, "Achieng's")),
    ]);
    assert.deepEqual([first.status, second.status, third.status], ["fulfilled", "rejected", "fulfilled"]);
    assert.deepEqual(await notes(), ["Wanjiru's", "Achieng's"]);
  });

  it("goes on, and calls the others, when a signal after the commit throws", async () => {
    const warned = once(process, "warning") as Promise<[Error]>;
    const called: string[] = [];
    await Promise.all([
      store.write((tx) => {
        tx.afterCommit(() => {
          throw new Error("a listener of Otieno's failed");
        });
        return note(tx, "Otieno's");
      }),
      store.write((tx) => {
        tx.afterCommit(() => void called.push("Wanjiru's"));
        return note(tx, "Wanjiru's");
      }),
    ]);
    await store.write((tx) => note(tx, "after it"));
    assert.deepEqual(called, ["Wanjiru's"]);
    assert.deepEqual(await notes(), ["Otieno's", "Wanjiru's", "after it"]);
    assert.match((await warned)[0].message, /a listener of Otieno's failed/);
  });

  it("signals nothing of a transaction that was undone", async () => {
    const called: string[] = [];
    await assert.rejects(
      store.write(async (tx) => {
        tx.afterCommit(() => void called.push("told"));
        await tx.run("INSERT INTO nowhere (text) VALUES (1)");
      }),
      /no such table/,
    );
    await store.write((tx) => note(tx, "after it"));
    assert.deepEqual(called, []);
  });
});
