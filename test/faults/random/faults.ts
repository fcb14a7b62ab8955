import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { UsageError } from "../../../cli/usage.ts";
import { startPostgres } from "../../peers/postgres-server.ts";
import { switchKind, switchMissing } from "../../peers/switch-under-test.ts";
import { readOptions } from "../../runner-options.ts";
import { databaseKind } from "../../store/test-database.ts";
import { planOf } from "./plan.ts";
import { addBatch, newPart, readParts, savePart } from "./report.ts";
import { runBatch } from "./run.ts";

const usage = `npm run test:faults -- [options]

Random customers and random faults, all drawn from seeds, many seeds in one world; then the auditor. Ends with 1 if it finds anything.

  --seeds N    so many seeds (40)
  --from S     the first of them (where the report ended)
  --batch B    so many in one world (40)
  --minutes M  no world is begun later (no limit)
  --report     adds the figures to docs/reliability.json and docs/reliability.md after each world
  --quiet      says nothing of what goes on in a world

SAUTIKIT_SWITCH (simulator, freeswitch) and SAUTIKIT_DATABASE (sqlite, postgres) choose on what.
`;
const whole = (name: "seeds" | "from" | "batch", text: string): number => {
  const number = Number(text);
  const least = name === "from" ? 0 : 1;
  if (!Number.isSafeInteger(number) || number < least)
    throw new UsageError(`--${name} is a whole number from ${least} on.`);
  return number;
};
const { count, batch, from, minutes, values } = readOptions(usage, () => {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "40" },
      from: { type: "string" },
      batch: { type: "string", default: "40" },
      minutes: { type: "string", default: "Infinity" },
      report: { type: "boolean", default: false },
      quiet: { type: "boolean", default: false },
    },
  });
  const minutes = Number(values.minutes);
  if (Number.isNaN(minutes)) throw new UsageError("--minutes is a number.");
  return {
    ...{ values, minutes, count: whole("seeds", values.seeds), batch: whole("batch", values.batch) },
    from:
      values.from === undefined
        ? Math.max(1, ...readParts().map(({ to }) => to))
        : whole("from", values.from),
  };
});
if (switchMissing !== undefined) throw new Error(switchMissing);
const endsAtMs = performance.now() + minutes * 60_000;

// What Node makes of our TypeScript is kept from one process to the next: half of what a start costs.
const compiled = process.env["NODE_COMPILE_CACHE"] ?? (await mkdtemp(join(tmpdir(), "sautikit-compiled-")));
const isOurs = process.env["NODE_COMPILE_CACHE"] === undefined;
process.env["NODE_COMPILE_CACHE"] = compiled;
const ownServer = databaseKind === "postgres" && process.env["SAUTIKIT_POSTGRES_URL"] === undefined;
const postgres = ownServer ? await startPostgres() : undefined;
if (postgres) process.env["SAUTIKIT_POSTGRES_URL"] = postgres.url;

const say = (line: string) => void process.stdout.write(`${line}\n`);
const progress = values.quiet ? () => undefined : (line: string) => void process.stderr.write(`${line}\n`);
const part = newPart({ switch: switchKind, database: databaseKind, from, batch });
say(`seeds ${from} to ${from + count - 1}, ${batch} a world (${switchKind}, ${databaseKind})`);
try {
  for (let first = from; first < from + count && performance.now() < endsAtMs; first += batch) {
    const size = Math.min(batch, from + count - first);
    const cpuBefore = cpuSeconds();
    const result = await runBatch(
      Array.from({ length: size }, (_, index) => planOf(first + index)),
      { progress },
    );
    addBatch(part, result, cpuSeconds() - cpuBefore);
    if (values.report) savePart(part);
    const sumOf = (counts: Record<string, number>) =>
      Object.values(counts).reduce((sum, one) => sum + one, 0);
    say(
      `seeds ${first} to ${first + size - 1}: ${result.calls} calls, ${result.payments} payments, ` +
        `${sumOf(result.faults)} faults (${sumOf(result.killedAt)} kills at a failpoint), ` +
        `${result.wallSeconds} s, ${result.findings.length} findings`,
    );
    for (const finding of result.findings) say(`  ${finding}`);
    if (result.kept !== null && existsSync(result.kept))
      say(`  logs and evidence.json are kept in ${result.kept}`);
  }
} finally {
  await postgres?.stop();
  if (isOurs) await rm(compiled, { recursive: true, force: true });
}
say(
  `${part.seeds} seeds, ${part.discrepancies.length} discrepancies, ${Math.round(part.cpuSeconds)} s of CPU`,
);
process.exitCode = part.discrepancies.length === 0 ? 0 : 1;

/** Of this process and of its children that have ended, where the machine tells (Linux). */
function cpuSeconds(): number {
  if (!existsSync("/proc/self/stat")) return 0;
  const fields = readFileSync("/proc/self/stat", "latin1").split(") ")[1]?.split(" ") ?? [];
  // utime, stime, cutime, cstime of proc(5), in ticks.
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}
