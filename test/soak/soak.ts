import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { databaseKind } from "../store/test-database.ts";
import { anHour, twoMinutes } from "./measures.ts";
import { isWell, report, summary, trendTable } from "./report.ts";
import { runSoak } from "./run.ts";

/**
 * `npm run soak -- --minutes 60 [--report FILE]`: steady calls for so long, a table of what was flat. Ends with 1 if
 * anything was not. From 20 minutes on it is judged as an hour is.
 */
const { values } = parseArgs({
  options: { minutes: { type: "string", default: "60" }, report: { type: "string" } },
});
const minutes = Number(values.minutes);
if (!(minutes >= 1)) throw new Error("--minutes takes a number from 1 on");
const warmUpMinutes = Math.min(15, minutes / 4);

const result = await runSoak({
  trafficMs: minutes * 60_000,
  warmUpMs: warmUpMinutes * 60_000,
  measures: minutes >= 20 ? anHour : twoMinutes,
  progress: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write(`${summary(result)}\n\n${trendTable(result.trends)}\n`);
if (values.report !== undefined) {
  const command = `npm run soak -- --minutes ${minutes} --report ${values.report}`;
  const about = { command, database: databaseKind, warmUpMinutes };
  writeFileSync(values.report, report(result, about));
}
process.exitCode = isWell(result) ? 0 : 1;
