import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../engine/clock.ts";
import { systemIds, type WorkspaceId } from "../../engine/ids.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { requestPort } from "../../engine/numbers/ports.ts";
import { openSqlite } from "../../engine/store/sqlite.ts";
import { customer, eventsOf } from "../numbers/world.ts";
import { sautikit, toldLine } from "./sautikit.ts";

describe("the operator's commands for numbers", function () {
  this.timeout(60_000);
  let folder: string;
  let workspace: WorkspaceId;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-operator-"));
    workspace = (await told("workspace", "create", "Wanjiru"))["workspace_id"] as WorkspaceId;
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const run = (...args: string[]) => sautikit(args, { DATA_DIR: folder });
  const told = (...args: string[]) => toldLine(args, { DATA_DIR: folder });
  async function refused(says: RegExp, ...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await run(...args);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, says);
    assert.doesNotMatch(stderr, /\n {4}at /);
  }
  const inStore = async <T>(
    work: (store: Awaited<ReturnType<typeof openSqlite>>) => Promise<T>,
  ): Promise<T> => {
    const store = await openSqlite(join(folder, "sautikit.db"), { clock: systemClock });
    return work(store).finally(() => store.close());
  };

  it("import an inventory, once, after a look at what that changes", async () => {
    const file = join(folder, "numbers.csv");
    await writeFile(file, "number,city\n+254 20 700 0000-0009,Nairobi\n+254207000100,Nairobi\n");
    const added = { added: 11, known: 0, held: 0, others: 0 };
    const blocks = { ported_out: [], added_blocks: ["+254207000000-9", "+254207000100"] };
    assert.deepEqual(await told("numbers", "import", file, "--dry-run"), {
      dry_run: true,
      ...added,
      ...blocks,
    });
    assert.deepEqual(await told("numbers", "import", file), { dry_run: false, ...added, ...blocks });
    await told("number", "add", workspace, "+254207000003");
    assert.deepEqual(await told("numbers", "import", "+254 20 700 0003-0012"), {
      ...{ dry_run: false, added: 3, known: 7, held: 1, others: 4 },
      ...{ ported_out: [], added_blocks: ["+254207000010-2"] },
    });
  });

  it("import nothing of a file with a fault, and name each by its line", async () => {
    const file = join(folder, "faulty.csv");
    await writeFile(file, "+254207500000\nNairobi\n+254207500000\n");
    await refused(
      /Nothing was imported:\n {2}line 2: "Nairobi" is neither .*\n {2}line 3: \+254207500000 is on line 1 already/,
      ...["numbers", "import", file],
    );
    assert.equal((await told("numbers", "import", "+254207500000", "--dry-run"))["added"], 1);
    await refused(/There is no file ".*none\.csv"/, "numbers", "import", join(folder, "none.csv"));
  });

  it("import what is not Nairobi's only where that is asked for", async () => {
    for (const number of ["+254712000001", "+254412000001", "+442071838750"]) {
      await refused(
        new RegExp(`\\${number} \\(line 1\\) is not one of Nairobi's`),
        "numbers",
        "import",
        number,
      );
      assert.equal((await told("numbers", "import", number, "--any-range", "--dry-run"))["added"], 1);
    }
  });

  it("give a number by hand, of which the workspace's endpoints are told as of a claim", async () => {
    const number = "+254207400001";
    await inStore((store) =>
      store.write((tx) =>
        tx.run(
          `INSERT INTO webhook_endpoints (id, workspace_id, url, events, signing_secret, created_at_ms, updated_at_ms)
           VALUES (?, ?, 'https://wanjiru.example/hook', '["*"]', 'x', 1, 1)`,
          [systemIds(systemClock).next("wh"), workspace],
        ),
      ),
    );
    const { number_id } = await told("number", "add", workspace, number);
    const events = await inStore((store) => eventsOf(store, workspace));
    const { provisioned_at, ...data } = events.at(-1)!.data;
    assert.equal(events.at(-1)!.kind, "number.provisioned");
    assert.deepEqual(data, { number_id, number, country: "ke", by: "operator" });
    assert.match(String(provisioned_at), /Z$/);
    await refused(/belongs to somebody already/, "number", "add", workspace, number);
    assert.equal((await inStore((store) => eventsOf(store, workspace))).length, events.length);
  });

  it("take a number out of service and back", async () => {
    const number = "+254207000003";
    const suspended = await told("number", "suspend", number);
    assert.deepEqual([suspended["in_service"], suspended["suspended_by_operator"]], [false, true]);
    const resumed = await told("number", "resume", number);
    assert.deepEqual([resumed["in_service"], resumed["suspended_by_operator"]], [true, false]);
    await refused(/Nobody here has the number/, "number", "suspend", "+254207999999");
    await refused(/less than 30 days; it may go from 20/, "ports", "out", number);
  });

  it("list, show and move porting requests, and the number is the workspace's at the end", async () => {
    const number = "+254207654321";
    const port = await inStore(async (store) => {
      const { parts } = await customer(store, new Date(systemClock.nowMs()).toISOString());
      const ids = systemIds(systemClock);
      // As the first start does it.
      await store.write((tx) => seedShippedDeck(tx, ids, systemClock.nowMs()));
      return store.write((tx) =>
        requestPort(tx, { ...parts, ids }, workspace, {
          ...{ number, currentCarrier: "Telkom Kenya", accountReference: "TKL-0042" },
          ...{ documentUrl: null, voiceCallbackUrl: null },
        }),
      );
    });
    const listed = await told("ports", "list");
    assert.deepEqual([listed["port_id"], listed["status"]], [port.id, "submitted"]);
    assert.equal((await told("ports", "show", port.id))["account_reference"], "TKL-0042");
    await refused(/is submitted; it cannot become completed/, "ports", "move", port.id, "completed");
    await refused(/--reason/, "ports", "move", port.id, "rejected");
    await told("ports", "move", port.id, "in_review");
    await refused(/--at TIME/, "ports", "move", port.id, "scheduled");
    await refused(/not a time with its zone/, "ports", "move", port.id, "scheduled", "--at", "tomorrow");
    const past = ["ports", "move", port.id, "scheduled", "--at", "2026-06-30T09:00+03:00"];
    await refused(/2026-06-30T09:00\+03:00 is past/, ...past);
    const at = await told("ports", "move", port.id, "scheduled", "--at", "2196-06-30T09:00+03:00");
    assert.equal(at["scheduled_for"], "2196-06-30T06:00:00Z");
    await refused(/--force belongs to completed/, "ports", "move", port.id, "canceled", "--force");
    await refused(/is scheduled for 2196-06-30T06:00:00Z/, "ports", "move", port.id, "completed");
    await told("credit", workspace, "116");
    const done = await told("ports", "move", port.id, "completed", "--force");
    assert.match(String(done["number_id"]), /^num_/);
    assert.equal((await run("ports", "list")).stdout, "", "none is open");
    assert.equal((await told("ports", "list", "--status", "completed"))["number"], number);
    await refused(/less than 30 days/, "ports", "out", number);
    const { code, stdout } = await run("ledger", "verify");
    assert.equal(code, 0, stdout);
    await inStore((store) => store.write((tx) => tx.run("UPDATE numbers SET provisioned_at_ms = 1")));
    assert.equal((await told("ports", "out", number))["status"], "released");
    await refused(/Nobody here has the number/, "ports", "out", number);
  });
});
