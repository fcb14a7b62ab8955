import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Everything that tests write is in one folder of this run; it stays only where a test failed. */
const folder = mkdtempSync(join(tmpdir(), "sautikit-test-"));
process.env["TMPDIR"] = folder;
let failures = 0;

export const mochaHooks = {
  afterEach(this: Mocha.Context) {
    if (this.currentTest?.state === "failed") failures++;
  },
  afterAll() {
    if (failures === 0) rmSync(folder, { recursive: true, force: true });
    else process.stderr.write(`The failed tests' data is kept in ${folder}\n`);
  },
};
