import { writeFileSync } from "node:fs";
import { ownMs } from "../peers/side-by-side.ts";
import { describeOnSwitch } from "../peers/switch-under-test.ts";

/** In `docs/contract-<version>.json`, written when CONTRACT_REPORT=yes. */
interface Report {
  /** As the switch itself gave it. */
  version: string;
  date: string;
  results: { test: string; result: "passed" | "failed" | "skipped"; ms: number }[];
}

const results: Report["results"] = [];
let version: string | undefined;

export function noteVersion(text: string): void {
  version = text.trim();
}

/** A suite of the contract: the same for every switch, and each of its tests in the report. */
export function describeContract(title: string, suite: (this: Mocha.Suite) => void): void {
  describeOnSwitch(title, function () {
    suite.call(this);
    reportResults();
  });
}

/** Within a suite: its results are in the report. */
export function reportResults(): void {
  afterEach(function () {
    const test = this.currentTest!;
    const result = test.state === "failed" ? "failed" : test.state === "passed" ? "passed" : "skipped";
    results.push({ test: test.fullTitle(), result, ms: ownMs.get(test.fullTitle()) ?? test.duration ?? 0 });
  });
  after(write);
}

/** After each suite anew, so that the last one leaves it whole. */
function write(): void {
  if (process.env["CONTRACT_REPORT"] !== "yes" || version === undefined) return;
  const [name] = /(freeswitch version|simulator) [0-9.]+/i.exec(version) ?? [version];
  const slug = name
    .toLowerCase()
    .replace(" version", "")
    .replace(/[^a-z0-9.]+/g, "-");
  const report: Report = { version, date: new Date().toISOString(), results };
  const file = new URL(`../../docs/contract-${slug}.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}
