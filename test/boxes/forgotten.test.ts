import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sautikit } from "../cli/sautikit.ts";
import { databaseKind, testDatabase } from "../store/test-database.ts";

if (databaseKind === "postgres")
  describe("a machine of several whose FREESWITCH_URLS was forgotten", function () {
    this.timeout(60_000);

    it("does not start on their database, and makes nothing there", async () => {
      const folder = await mkdtemp(join(tmpdir(), "sautikit-forgotten-"));
      const database = await testDatabase();
      try {
        await database.byHand("INSERT INTO boxes (name) VALUES ('10.1.0.4:8021')");
        for (const role of ["api", "api,controller,spool"]) {
          const { code, stderr } = await sautikit(["start", "--role", role], {
            ...{ DATA_DIR: folder, DATABASE_URL: database.url, PORT: "0" },
            ...{ S3_ENDPOINT: "http://127.0.0.1:9", S3_ACCESS_KEY_ID: "a", S3_SECRET_ACCESS_KEY: "b" },
          });
          assert.equal(code, 1);
          assert.match(stderr, /^sautikit: FREESWITCH_URLS is empty, .* on 10\.1\.0\.4:8021: set it/m);
        }
        assert.deepEqual(await database.byHand("SELECT id FROM workspaces"), []);
      } finally {
        await database.remove();
        await rm(folder, { recursive: true, force: true });
      }
    });
  });
