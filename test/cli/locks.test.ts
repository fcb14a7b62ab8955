import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Demo } from "../../cli/demo-workspace.ts";
import { systemClock } from "../../engine/clock.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { mountSmallDisk, smallDiskMissing } from "../peers/small-disk.ts";
import { testDatabase } from "../store/test-database.ts";
import { Customer } from "../world/customer.ts";
import { sautikit } from "./sautikit.ts";

const wanjiru = "+254700000001";

describe("a folder of data", function () {
  this.timeout(40_000);
  let folder: string;
  let dataDir: string;
  let env: Record<string, string>;
  let first: Child;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-locks-"));
    dataDir = join(folder, "data");
    env = { DATA_DIR: dataDir, PORT: "0", LOG_LEVEL: "warn" };
    first = await start();
  });
  afterEach(async () => {
    await first.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async () => (await startSautikit(["start"], { folder, env })).child;
  const customer = async () => {
    const demo = JSON.parse(await readFile(join(dataDir, "demo.json"), "utf8")) as Demo;
    return { number: demo.number, account: new Customer(demo.base_url, demo.api_key) };
  };

  for (const [roles, named] of [
    ["api,controller,spool", "controller"],
    ["controller", "controller"],
    ["spool", "spool"],
  ] as const) {
    it(`has one ${named}: a second start of ${roles} is refused, and the first one's call goes on`, async () => {
      const { account, number } = await customer();
      const id = await account.place({ from: number, to: wanjiru });
      await account.until(id, "its answer", ({ status }) => status === "answered");

      const second = await sautikit(["start", "--role", roles], env);

      assert.equal(second.code, 1);
      assert.equal(second.stdout, "");
      assert.equal(
        second.stderr,
        `sautikit: The ${named} of ${dataDir} runs already, as process ${first.pid}. ` +
          "Stop that one first, or set another DATA_DIR.\n",
      );
      // Longer than a controller needs to end what it does not know.
      await systemClock.sleep(2_000);
      assert.equal((await account.call(id)).status, "answered");
      await account.hangUp(id);
      const [leg] = (await account.ended(id)).legs;
      assert.equal(
        leg!.billed_seconds,
        Math.ceil((Date.parse(leg!.ended_at!) - Date.parse(leg!.answered_at!)) / 1000),
      );
    });
  }

  it("is the next one's at once when its holder was killed, and when it was stopped", async () => {
    first.kill("SIGKILL");
    await first.exited();
    first = await start();
    await first.stop();
    first = await start();
    assert.equal((await (await customer()).account.ask("GET", "/v1/wallet")).status, 200);
  });

  it("is open to the operator's commands while its controller runs", async () => {
    const made = await sautikit(["workspace", "create", "Otieno"], env);
    assert.equal(made.code, 0, made.stderr);
  });
});

const cannotMount = smallDiskMissing();
(cannotMount === undefined ? describe : describe.skip)(
  cannotMount === undefined ? "a full folder of data" : `a full folder of data (skipped, ${cannotMount})`,
  function () {
    this.timeout(60_000);

    it("keeps no controller from its start whose database is elsewhere", async () => {
      const folder = await mkdtemp(join(tmpdir(), "sautikit-full-"));
      const disk = mountSmallDisk(4);
      const database = await testDatabase();
      const env = {
        ...{ DATA_DIR: join(disk.folder, "data"), DATABASE_URL: database.url, LOG_LEVEL: "warn" },
        ...{ FREESWITCH_URLS: "freeswitch://:none@127.0.0.1:9", SPOOL_DIR: join(folder, "spool") },
        ...{ S3_ENDPOINT: "http://127.0.0.1:9", S3_ACCESS_KEY_ID: "none", S3_SECRET_ACCESS_KEY: "none" },
      };
      const start = async () =>
        (await startSautikit(["start", "--role", "controller"], { folder, env })).child;
      try {
        await (await start()).stop();
        disk.fill();
        await (await start()).stop();
      } finally {
        disk.remove();
        await database.remove();
        await rm(folder, { recursive: true, force: true });
      }
    });
  },
);
