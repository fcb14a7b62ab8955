import fs from "node:fs/promises";
import { linkSync, readdirSync, rmSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { createServer, Socket } from "node:net";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import Database from "better-sqlite3";
import pg from "pg";
import { controlVariable, fileChangeOf, pointOf, tableOf, type Failpoint, type Order } from "./failpoints.ts";

/*
 * Loaded by tests, with `--import`, into a process of `sautikit start` before anything else. It kills the process, as by
 * `kill -9`, at the failpoint that it is told over its control socket, steps its wall clock, and slows its commits.
 */

let commitMs = 0;
let armed: { failpoint: Failpoint; skip: number } | null = null;

/** This is the point: the process ends here, or not yet. */
function reach(failpoint: Failpoint): void {
  if (armed?.failpoint !== failpoint) return;
  if (armed.skip-- > 0) return;
  process.kill(process.pid, "SIGKILL");
  // The signal may come a moment later, in which nothing more is to be done.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

// Children of this process are none of the tests'.
const control = process.env[controlVariable];
delete process.env["NODE_OPTIONS"];
process.env[controlVariable] = "";
if (control !== undefined && control !== "") {
  listen(control);
  watchSqlite();
  watchPostgres();
  watchSockets();
  watchFiles();
}

function listen(path: string): void {
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    socket.unref();
    socket.on("error", () => undefined);
    createInterface({ input: socket }).on("line", (line) => {
      obey(JSON.parse(line) as Order);
      socket.write("ok\n");
    });
  });
  server.listen(path);
  server.unref();
}

function obey(order: Order): void {
  if (order.do === "arm") armed = { failpoint: order.failpoint, skip: order.skip };
  if (order.do === "disarm") armed = null;
  if (order.do === "step") stepClock(order.byMs);
  if (order.do === "slow") commitMs = order.commitMs;
}

/** Tables that were changed since the last commit, by connection. */
const changed = new WeakMap<object, Set<string>>();

function touch(connection: object, sql: string): void {
  const table = tableOf(sql);
  if (table === undefined) return;
  const tables = changed.get(connection) ?? new Set();
  changed.set(connection, tables.add(table));
}

function watchSqlite(): void {
  const prototype = Database.prototype as unknown as Record<"prepare" | "exec", (sql: string) => unknown>;
  const { prepare, exec } = prototype;
  prototype.prepare = function (this: object, sql: string) {
    const statement = prepare.call(this, sql) as { run: (...values: unknown[]) => unknown };
    if (tableOf(sql) !== undefined) {
      const run = statement.run.bind(statement);
      statement.run = (...values) => {
        touch(this, sql);
        return run(...values);
      };
    }
    return statement;
  };
  prototype.exec = function (this: object, sql: string) {
    if (sql !== "COMMIT") return exec.call(this, sql);
    const tables = changed.get(this) ?? new Set();
    changed.delete(this);
    for (const table of tables) reach(`before commit ${table}`);
    // Its driver waits for the disk, and with it the process.
    if (commitMs > 0 && tables.size > 0)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, commitMs);
    const done = exec.call(this, sql);
    for (const table of tables) reach(`after commit ${table}`);
    return done;
  };
}

function watchPostgres(): void {
  const prototype = pg.Client.prototype as unknown as { query: (...given: unknown[]) => unknown };
  const { query } = prototype;
  prototype.query = function (this: object, ...given: unknown[]) {
    const [asked] = given as [string | { text?: string }];
    const sql = typeof asked === "string" ? asked : (asked.text ?? "");
    if (sql !== "COMMIT") {
      touch(this, sql);
      return query.apply(this, given);
    }
    const tables = changed.get(this) ?? new Set();
    changed.delete(this);
    for (const table of tables) reach(`before commit ${table}`);
    const slow = commitMs > 0 ? new Promise((resolve) => setTimeout(resolve, commitMs)) : Promise.resolve();
    const done = slow.then(() => query.apply(this, given) as Promise<unknown>);
    return done.then((answer) => {
      for (const table of tables) reach(`after commit ${table}`);
      return answer;
    });
  };
}

function watchSockets(): void {
  const prototype = Socket.prototype as unknown as { write: (...given: unknown[]) => boolean };
  const { write } = prototype;
  prototype.write = function (this: Socket, ...given: unknown[]) {
    if (armed === null) return write.apply(this, given);
    const [chunk] = given;
    const text =
      typeof chunk === "string"
        ? chunk.slice(0, 2_000)
        : Buffer.from(chunk as Uint8Array).toString("latin1", 0, 2_000);
    const point = pointOf(text);
    if (point === undefined) return write.apply(this, given);
    reach(`before ${point}`);
    const taken = write.apply(this, given);
    // The kernel has it once the write before this empty one is done.
    if (armed.failpoint === `after ${point}`) write.call(this, "", () => reach(`after ${point}`));
    return taken;
  };
}

function watchFiles(): void {
  const files = fs as unknown as Record<"unlink" | "rename", (...paths: string[]) => Promise<void>>;
  for (const [name, change] of [
    ["unlink", "remove"],
    ["rename", "put"],
  ] as const) {
    const original = files[name];
    files[name] = async (...paths: string[]) => {
      const point = fileChangeOf(change, String(paths.at(-1)));
      if (point === undefined) return original(...paths);
      reach(`before ${point}`);
      if (point === "remove record") keepForAuditors(String(paths[0]));
      await original(...paths);
      reach(`after ${point}`);
    };
  }
  syncBuiltinESMExports();
}

/** An end-of-leg record that is about to go; on a busy machine whoever watches the folder may be too late for it. */
function keepForAuditors(path: string): void {
  const spool = dirname(dirname(path));
  for (const name of readdirSync(spool)) {
    if (!name.startsWith("auditor-")) continue;
    try {
      linkSync(path, join(spool, name, "records", basename(path)));
    } catch {
      // It is kept already, or it is gone.
    }
  }
}

const WallDate = Date;

function stepClock(byMs: number): void {
  globalThis.Date = class extends WallDate {
    constructor(...given: unknown[]) {
      super(...((given.length === 0 ? [WallDate.now() + byMs] : given) as []));
    }
    static override now(): number {
      return WallDate.now() + byMs;
    }
  } as DateConstructor;
}
