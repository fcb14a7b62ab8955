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
  },
};
