import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keptOnce } from "../../cli/secrets-key.ts";
import { sautikit } from "./sautikit.ts";

describe("a key that is made once, in the folder of data", function () {
  this.timeout(30_000);
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "sautikit-key-"))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("is one, and whole, for all who start at the same time", async () => {
    for (let round = 0; round < 20; round++) {
      const dataDir = join(folder, String(round));
      const keys = await Promise.all(
        Array.from({ length: 10 }, (_, one) =>
          keptOnce(dataDir, "secrets.key", () => String(one).repeat(64)),
        ),
      );
      assert.match(keys[0]!, /^\d{64}$/);
      assert.deepEqual([...new Set(keys)], [keys[0]]);
      assert.deepEqual(await readdir(dataDir), ["secrets.key"]);
      assert.equal((await stat(join(dataDir, "secrets.key"))).mode & 0o777, 0o600);
    }
  });

  it("that is empty is told by its file, and ends the start", async () => {
    for (const name of ["secrets.key", "s3.key"]) {
      const dataDir = join(folder, name);
      await keptOnce(dataDir, name, () => "one");
      await writeFile(join(dataDir, name), "");
      const { code, stderr } = await sautikit(["start"], { DATA_DIR: dataDir, PORT: "0" });
      assert.deepEqual([code, stderr.includes(`${join(dataDir, name)} is empty`)], [1, true], stderr);
    }
  });
});
