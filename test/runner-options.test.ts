import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const runners = [
  {
    file: "test/faults/random/faults.ts",
    options: ["--seeds", "--from", "--batch", "--minutes", "--report", "--quiet"],
    wrong: [["--sedes", "3"], ["--seeds", "many"], ["--from", "-1"], ["--minutes", "an hour"], ["7"]],
  },
  {
    file: "test/soak/soak.ts",
    options: ["--minutes", "--report"],
    wrong: [["--hours", "1"], ["--minutes", "0"], ["60"]],
  },
  {
    file: "test/bench/bench.ts",
    options: ["--write", "events", "calls-apart", "statement"],
    wrong: [["--wirte"], ["evnets"]],
  },
];

describe("a runner", function () {
  this.timeout(30_000);
  const run = (file: string, args: readonly string[]) =>
    spawnSync(process.execPath, [join(root, file), ...args], { encoding: "utf8" });

  for (const { file, options, wrong } of runners) {
    it(`${file} --help says what it does, and each of its options, and does nothing`, () => {
      const { status, stdout, stderr } = run(file, ["--help"]);
      assert.deepEqual([status, stderr], [0, ""]);
      for (const option of options) assert.match(stdout, new RegExp(`^ +${option}\\b.* {2}\\S`, "m"), option);
    });

    it(`${file} tells in a line what it does not take, and ends with 2`, () => {
      const { stdout: usage } = run(file, ["--help"]);
      for (const args of wrong) {
        const { status, stdout, stderr } = run(file, args);
        assert.deepEqual([status, stdout], [2, ""], args.join(" "));
        assert.match(stderr, /^\S.*\n\n/);
        assert.equal(stderr.slice(stderr.indexOf("\n\n") + 2), usage);
      }
    });
  }
});
