import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { databaseKind } from "./store/test-database.ts";
import { startPostgres, type PostgresServer } from "./peers/postgres-server.ts";

/** Everything that tests write is in one folder of this run; it stays only where a test failed. */
const folder = mkdtempSync(join(tmpdir(), "sautikit-test-"));
process.env["TMPDIR"] = folder;
let failures = 0;
let postgres: PostgresServer | undefined;

export const mochaHooks = {
  /** One server for the whole run, unless somebody gave theirs. */
  async beforeAll() {
    if (databaseKind !== "postgres" || process.env["SAUTIKIT_POSTGRES_URL"] !== undefined) return;
    postgres = await startPostgres();
    process.env["SAUTIKIT_POSTGRES_URL"] = postgres.url;
  },
  afterEach(this: Mocha.Context) {
    if (this.currentTest?.state === "failed") failures++;
  },
  async afterAll() {
    await postgres?.stop();
    if (failures === 0) rmSync(folder, { recursive: true, force: true });
    else process.stderr.write(`The failed tests' data is kept in ${folder}\n`);
    setTimeout(tellWhatHolds, leftOpenMs).unref();
  },
};

/**
 * A promise that nobody waits for and that fails ends a process of the product; mocha gives it to the process's listeners
 * and, where there is none, forgets it. Thrown, it fails the test in whose time it happens.
 */
process.on("unhandledRejection", (reason) => {
  throw reason;
});

/**
 * Nothing is open any more. Node now waits for what it is still closing itself, and after thousands of sockets, many of
 * them reset, that wait was seen to spin for ever (`Environment::CleanupHandles`): leave without it.
 */
process.once("beforeExit", () => {
  // Behind mocha's own, which sets the code.
  process.once("exit", () => {
    process.exit();
  });
});

/** A process whose tests are over ends by itself; one that is still there was left something open. */
const leftOpenMs = 5_000;

function tellWhatHolds(): void {
  const held = process as typeof process & { _getActiveHandles(): object[] };
  const sockets = held._getActiveHandles().map((handle) => {
    const { remotePort, localPort, spawnargs } = handle as Partial<Record<string, unknown>>;
    return `${handle.constructor.name} ${JSON.stringify({ localPort, remotePort, spawnargs })}`;
  });
  const kinds = process.getActiveResourcesInfo().join(", ");
  process.stderr.write(`The tests are over, and this is still open: ${kinds}\n${sockets.join("\n")}\n`);
}
