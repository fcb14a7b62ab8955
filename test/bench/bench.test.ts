import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { postgresPrograms } from "../peers/postgres-server.ts";

const bench = new URL("bench.ts", import.meta.url).pathname;

/** What was measured, row by row. Half a second says nothing about how fast it was. */
async function measured(...names: string[]): Promise<string[]> {
  const env = { ...process.env, BENCH_SECONDS: "0.5", FREESWITCH_BIN: "" };
  const { stdout } = await promisify(execFile)(process.execPath, [bench, ...names], { env });
  const rows = stdout.split("\n").flatMap((line) => /^\| (.*?) +\| /.exec(line)?.[1] ?? []);
  return rows.filter((what) => what !== "measured" && !/^-+$/.test(what));
}

describe("npm run bench", function () {
  this.timeout(60_000);

  it("measures what needs no switch", async () => {
    assert.deepEqual(await measured("events", "ledger"), [
      "ESL events per CPU second, against modesl 1.2.1",
      "ESL events per CPU second, against framing alone",
      "ledger postings, one by one",
      "ledger postings, 128 at once, against one by one",
    ]);
  });

  it("measures what money takes, of each database that is here", async function () {
    this.timeout(300_000);
    const databases = postgresPrograms() === null ? ["SQLite"] : ["SQLite", "PostgreSQL"];
    assert.deepEqual(await measured("postings", "balance", "statement"), [
      ...databases.map((name) => `ledger postings of 2 processes at once, on ${name}, against bare SQL`),
      ...databases.flatMap((name) => [
        `balance with 20,000 entries, against 10, on ${name}`,
        `available with 50 live calls and 20,000 entries, against 10, on ${name}`,
      ]),
      "memory of the monthly statement as JSON, of 2,000 calls, against 20",
      "memory of the monthly statement as CSV, of 2,000 calls, against 20",
      "memory of the export of transactions, of 2,000 calls, against 20",
    ]);
  });

  it("measures a key and the prompt that follows, of one caller and of many", async () => {
    assert.deepEqual(await measured("ivr"), [
      "from a key to the next prompt, p50 (one caller, simulator)",
      "from a key to the next prompt, p50 (20 callers, simulator)",
      "from a key to the next prompt, p99 (20 callers, simulator)",
      "keys answered by a prompt (20 callers, simulator)",
      "our CPU a key against the switch's (20 callers, simulator)",
    ]);
  });

  it("measures what a flood does to a talk, to the next call, and to the controller's memory", async () => {
    const during = "during a flood of 300 packets a second (simulator)";
    assert.deepEqual(await measured("flood"), [
      `from a device's INVITE to its answer, p50, ${during}`,
      `frames a second that a talking customer hears ${during}`,
      `longest time between two frames ${during}`,
      "memory of the controller after that flood (simulator)",
    ]);
  });

  it("puts calls through the product, and through a bare loop with the same commands", async function () {
    if (spawnSync("sipp", ["-v"]).error !== undefined) {
      assert.notEqual(process.env["CI"], "true", "SIPp (Debian: sip-tester) must be there in CI");
      console.log("    skipped: SIPp (Debian: sip-tester) is not on this machine");
      this.skip();
    }

    assert.deepEqual(await measured("calls-recorded"), [
      "calls set up and torn down (simulator, recording on)",
      "our CPU a call against the switch's (simulator, recording on)",
      "bare loop with our 8 commands against one with 3 (simulator, recording on)",
    ]);
  });
});
