import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sautikit, toldLines } from "./sautikit.ts";

describe("the operator's deck and prices", function () {
  this.timeout(60_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sautikit-rates-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const run = (...args: string[]) => sautikit(args, { DATA_DIR: join(folder, "data") });
  const file = async (text: string) => {
    const path = join(folder, "deck.csv");
    await writeFile(path, text);
    return path;
  };
  const told = (...args: string[]) => toldLines(args, { DATA_DIR: join(folder, "data") });

  it("are imported from CSV after a look at what would change, listed, exported, and set for one workspace", async () => {
    // The deck that a first start seeds.
    const deck = await file(
      "prefix,country,description,kes_per_minute\n254,KE,Kenya,3\n44,GB,United Kingdom,12.50\n",
    );
    const { stderr, code } = await run("rates", "import", deck);
    assert.equal(code, 0, stderr);

    const wrong = await file("prefix,kes_per_minute\n254,3\n44,twelve\n4x,1\n");
    const refused = await run("rates", "import", wrong);
    assert.equal(refused.code, 1);
    assert.equal(refused.stdout, "");
    assert.match(refused.stderr, /nothing was imported[^]*line 3: kes_per_minute[^]*line 4: the prefix "4x"/);

    const dearer = await file("prefix,kes_per_minute\n254,3\n44,14\n");
    const dry = await told("rates", "import", dearer, "--dry-run");
    assert.equal(dry[0]!["change"], "changed");
    assert.deepEqual([dry[0]!["before_kes_per_minute"], dry[0]!["after_kes_per_minute"]], ["12.50", "14.00"]);
    assert.equal(dry.at(-1)!["imported"], false);
    const done = await told("rates", "import", dearer);
    assert.equal(done.at(-1)!["imported"], true);
    assert.match(String(done.at(-1)!["notice_id"]), /^prc_/);
    assert.equal((await told("rates", "list")).filter((rate) => rate["prefix"] === "44").length, 2);

    const { stdout: exported } = await run("rates", "export");
    const again = await told("rates", "import", await file(exported));
    assert.equal(again.length, 1, "nothing changes");

    const [made] = await told("workspace", "create", "Wanjiru's kiosk");
    const workspace = String(made!["workspace_id"]);
    const [own] = await told("rates", "set", workspace, "+44", "9.99", "--from", "2199-01-01");
    assert.equal(own!["effective_from"], "2198-12-31T21:00:00Z", "midnight in East Africa");
    assert.equal((await told("rates", "list", "--workspace", workspace)).length, 1);
    const refusals = [
      [/has passed/, workspace, "44", "9", "--from", "2020-01-01"],
      [/not a prefix/, workspace, "UK", "9"],
      [/a price a minute/, workspace, "44", "cheap"],
      [/never sold/, workspace, "8816", "9"],
    ] as const;
    await Promise.all(
      refusals.map(async ([says, ...args]) => {
        const { code: failed, stderr: why } = await run("rates", "set", ...args);
        assert.equal(failed, 1);
        assert.match(why, says);
      }),
    );
  });

  it("are set with 30 days of notice, or forced", async () => {
    const soon = new Date(Date.now() + 86_400_000).toISOString();
    const refused = await run("prices", "set", "number_monthly", "120", "--from", soon);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /30 days after it is set, not sooner: from \d{4}-/);
    const [forced] = await told("prices", "set", "number_monthly", "120", "--from", soon, "--force");
    assert.equal(forced!["set"], true);
    const [vat] = await told("prices", "set", "vat_basis_points", "1400", "--from", soon);
    assert.equal(vat!["set"], true);
    const listed = await told("prices", "list");
    assert.ok(listed.some((price) => price["name"] === "number_monthly" && price["amount"] === "120.00"));
    const refusals = [
      ["number_yearly", "1"],
      ["recording_free_gb", "5.5"],
      ["number_monthly", "1e3"],
    ] as const;
    await Promise.all(
      refusals.map(async ([name, amount]) => {
        const { code, stdout } = await run("prices", "set", name, amount, "--from", "2199-01-01");
        assert.deepEqual([code, stdout], [1, ""], name);
      }),
    );
  });
});
