import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { UsageError } from "../../cli/usage.ts";
import { readOptions } from "../runner-options.ts";
import { databaseKind } from "../store/test-database.ts";
import { anHour, twoMinutes } from "./measures.ts";
import { isWell, report, summary, trendTable } from "./report.ts";
import { runSoak } from "./run.ts";

const usage = `npm run soak -- [options]

Steady calls for so long, and a table of what was flat. Ends with 1 if anything was not.

  --minutes M    from 1 on (60); from 20 on it is judged as an hour is
  --report FILE  writes the page with its tables there

SAUTIKIT_SWITCH (simulator, freeswitch) and SAUTIKIT_DATABASE (sqlite, postgres) choose on what.
`;
const { minutes, reportFile } = readOptions(usage, () => {
  const { values } = parseArgs({
    options: { minutes: { type: "string", default: "60" }, report: { type: "string" } },
  });
  const minutes = Number(values.minutes);
  if (!(minutes >= 1)) throw new UsageError("--minutes takes a number from 1 on.");
  return { minutes, reportFile: values.report };
});
const warmUpMinutes = Math.min(15, minutes / 4);

const result = await runSoak({
  trafficMs: minutes * 60_000,
  warmUpMs: warmUpMinutes * 60_000,
  measures: minutes >= 20 ? anHour : twoMinutes,
  progress: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write(`${summary(result)}\n\n${trendTable(result.trends)}\n`);
if (reportFile !== undefined) {
  const command = `npm run soak -- --minutes ${minutes} --report ${reportFile}`;
  const about = { command, database: databaseKind, warmUpMinutes };
  writeFileSync(reportFile, report(result, about));
}
process.exitCode = isWell(result) ? 0 : 1;
