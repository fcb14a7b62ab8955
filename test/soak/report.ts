import { cpus, release, totalmem } from "node:os";
import type { SoakResult } from "./run.ts";
import type { Trend } from "./trend.ts";

export function isWell({ trends, leftOver, troubles }: SoakResult): boolean {
  return (
    troubles.length === 0 &&
    trends.every(({ flat }) => flat) &&
    Object.values(leftOver).every((count) => count === 0)
  );
}

/** The trends as a Markdown table. */
export function trendTable(trends: readonly Trend[]): string {
  const rows = trends.map((trend) => [
    `${trend.measure.name}${trend.measure.unit === "" ? "" : `, ${trend.measure.unit}`}`,
    ...[trend.first, trend.middle, trend.last, trend.slopePerHour, trend.climb, trend.climbMax].map((value) =>
      value.toFixed(1),
    ),
    trend.flat ? "yes" : "**no**",
  ]);
  const all = [
    ["measured", "first", "middle", "last", "slope an hour", "climb", "climb allowed", "flat"],
    ...rows,
  ];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const lines = all.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`,
  );
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}

/** What is said beside the table. */
export function summary(result: SoakResult): string {
  const minutes = (result.endedAt.getTime() - result.startedAt.getTime()) / 60_000;
  const leftOver = Object.entries(result.leftOver).filter(([, count]) => count > 0);
  return [
    `From ${result.startedAt.toISOString()}, ${minutes.toFixed(1)} minutes: ${result.placed} calls ` +
      `(${result.callsPerSecond} a second), ${result.legs} legs, ${result.recordings} recordings stored, ` +
      `${result.webhooks} events told, KES ${(result.billedMinor / 100).toFixed(2)} charged; ` +
      `${result.readings} readings judged.`,
    leftOver.length === 0
      ? "After the last call nothing was in flight."
      : `After the last call still in flight: ${leftOver.map(([name, count]) => `${count} ${name}`).join(", ")}.`,
    result.troubles.length === 0
      ? "Every call ended as its kind does, with its recordings and its events told."
      : `Otherwise than it should: ${result.troubles.length}.\n\n${result.troubles
          .slice(0, 20)
          .map((line) => `- ${line}`)
          .join("\n")}`,
    `\`sautikit ledger verify\`: ${result.ledger}`,
  ].join("\n\n");
}

/** `docs/soak.md`. */
export function report(
  result: SoakResult,
  about: { command: string; database: string; warmUpMinutes: number },
): string {
  const [cpu] = cpus();
  return `# Soak: an hour of steady calls

What \`${about.command}\` wrote; the same run of two minutes is in the tests (\`test/soak/\`).

The whole product in processes of its own under steady calls: joined, recorded, rung out, busy, rejected, hung up, cut
off, of 2 to 20 s. Each 10 s it is looked at from outside: \`/proc\`, \`/metrics\`, the heap after a garbage collection,
and the rows and files that belong to something which is not over. A straight line is laid through the readings by
least squares, those of the first ${about.warmUpMinutes} minutes left out; a measure is flat if over the run that line climbs no further
than stated.

- Machine: ${cpus().length} cores (${cpu?.model.trim() ?? "unknown"}), ${(totalmem() / 1024 ** 3).toFixed(0)} GiB, Linux ${release()}; other work ran beside.
- Node ${process.versions.node}, switch: ${result.switchVersion}, database: ${about.database}.

${summary(result)}

${trendTable(result.trends)}
`;
}
