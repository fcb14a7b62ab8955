import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import type { BatchResult } from "./run.ts";

const root = join(import.meta.dirname, "../../..");
export const reportFile = join(root, "docs/reliability.json");
const page = join(root, "docs/reliability.md");

/** Seeds that were run one after another at one commit, on one machine. */
export interface Part {
  commit: string;
  /** Something was changed since that commit. */
  changed: boolean;
  machine: string;
  switch: string;
  database: string;
  from: number;
  /** The one after the last. */
  to: number;
  /** Seeds a world. */
  batch: number;
  seeds: number;
  wallSeconds: number;
  cpuSeconds: number;
  sums: Sums;
  /** What the auditor found, and the seed or the batch that it was found in. */
  discrepancies: { batchFrom: number; finding: string }[];
}

/** What is counted, by name. */
export interface Sums {
  numbers: Record<string, number>;
  acts: Record<string, number>;
  recordings: Record<string, number>;
  faults: Record<string, number>;
  killedAt: Record<string, number>;
  notReached: Record<string, number>;
}

const noSums = (): Sums => ({
  numbers: {},
  acts: {},
  recordings: {},
  faults: {},
  killedAt: {},
  notReached: {},
});

const add = (to: Record<string, number>, more: Partial<Record<string, number>>): void => {
  for (const [name, count] of Object.entries(more)) to[name] = (to[name] ?? 0) + (count ?? 0);
};

/** Puts a batch to its part. */
export function addBatch(part: Part, result: BatchResult, cpuSeconds: number): void {
  const { sums } = part;
  const { calls, legs, answeredLegs, seconds, events, webhooks, payments, months, mails } = result;
  add(sums.numbers, { calls, legs, answeredLegs, seconds, events, webhooks, payments, months, mails });
  for (const name of ["acts", "recordings", "faults", "killedAt", "notReached"] as const)
    add(sums[name], result[name]);
  part.to = Math.max(part.to, ...result.seeds.map((seed) => seed + 1));
  part.seeds += result.seeds.length;
  part.wallSeconds += result.wallSeconds;
  part.cpuSeconds += cpuSeconds;
  for (const finding of result.findings)
    part.discrepancies.push({ batchFrom: result.seeds[0] ?? 0, finding: withoutFolders(finding) });
}

/** Errors name files of the machine that they came from. */
const withoutFolders = (text: string) =>
  (text.split("\n")[0] ?? "").replaceAll(/(file:\/\/)?\/[\w./-]*\/(?=test|node_modules)/g, "");

export function newPart(options: Pick<Part, "switch" | "database" | "from" | "batch">): Part {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  const model = cpus()[0]?.model ?? "unknown";
  return {
    commit: git("rev-parse", "HEAD"),
    changed: git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs") !== "",
    machine: `${cpus().length} × ${model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform}`,
    ...options,
    ...{ to: options.from, seeds: 0, wallSeconds: 0, cpuSeconds: 0, sums: noSums(), discrepancies: [] },
  };
}

export const readParts = (): Part[] =>
  existsSync(reportFile) ? (JSON.parse(readFileSync(reportFile, "utf8")) as { parts: Part[] }).parts : [];

/** The part takes the place of what it said before. Several runs may tell at the same time. */
export function savePart(part: Part): void {
  const lock = `${reportFile}.lock`;
  for (let tries = 0; ; tries++) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (tries > 200) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
  try {
    write(part);
  } finally {
    rmdirSync(lock);
  }
}

function write(part: Part): void {
  const others = readParts().filter(({ from, commit }) => from !== part.from || commit !== part.commit);
  const parts = [...others, part].sort((a, b) => a.from - b.from);
  writeFileSync(reportFile, `${JSON.stringify({ parts }, null, 2)}\n`);
  writePage(parts);
}

const begin = "<!-- runs: written by npm run test:faults -->";
const end = "<!-- end of runs -->";

/** Writes the figures into the page, between its marks. */
export function writePage(parts: readonly Part[]): void {
  if (!existsSync(page)) return;
  const text = readFileSync(page, "utf8");
  const [before = "", rest = ""] = text.split(begin);
  const [, after = ""] = rest.split(end);
  writeFileSync(page, `${before}${begin}\n\n${figures(parts)}\n\n${end}${after}`);
}

/** The part of the page that is figures. */
export function figures(parts: readonly Part[]): string {
  const sums = noSums();
  for (const part of parts)
    for (const name of Object.keys(sums) as (keyof Sums)[]) add(sums[name], part.sums[name]);
  const total = (of: (part: Part) => number) => parts.reduce((sum, part) => sum + of(part), 0);
  const seeds = total((part) => part.seeds);
  const kills = Object.entries(sums.faults)
    .filter(([kind]) => kind.endsWith("killed"))
    .reduce((sum, [, count]) => sum + count, 0);
  const n = sums.numbers;
  const discrepancies = parts.flatMap((part) =>
    part.discrepancies.map((one) => ({ ...one, commit: part.commit })),
  );
  const rows: [string, string | number][] = [
    ["seeds", seeds],
    ["kills (`kill -9`)", kills],
    ["… of them at a named failpoint", Object.values(sums.killedAt).reduce((sum, count) => sum + count, 0)],
    ["other faults", Object.values(sums.faults).reduce((sum, count) => sum + count, 0) - kills],
    [
      "calls, legs, answered legs",
      [n["calls"], n["legs"], n["answeredLegs"]].map((one) => one ?? 0).join(", "),
    ],
    ["seconds billed", n["seconds"] ?? 0],
    ["events; webhooks received", [n["events"], n["webhooks"]].map((one) => one ?? 0).join("; ")],
    ["payments by M-Pesa", n["payments"] ?? 0],
    ["numbers claimed; months paid", [sums.acts["claims"], n["months"]].map((one) => one ?? 0).join("; ")],
    ["recordings", listed(sums.recordings)],
    ["discrepancies", discrepancies.length],
    [
      "wall time; CPU time",
      `${hours(total((part) => part.wallSeconds))}; ${hours(total((part) => part.cpuSeconds))}`,
    ],
  ];
  return [
    table(["", ""], rows),
    "What the customers did:",
    table(["act", "times"], sorted(sums.acts)),
    "What was done to the processes:",
    table(["fault", "times"], sorted(sums.faults)),
    "`kill -9` by failpoint; the last column counts those who did not come there within 2.5 s, and were killed at whatever they did:",
    table(
      ["failpoint", "killed there", "not reached"],
      [...new Set([...Object.keys(sums.killedAt), ...Object.keys(sums.notReached)])]
        .sort()
        .map((point) => [point, sums.killedAt[point] ?? 0, sums.notReached[point] ?? 0]),
    ),
    "The parts:",
    table(
      ["seeds", "commit", "on", "machine", "discrepancies"],
      parts.map((part) => [
        `${part.from} to ${part.to - 1}, ${part.batch} a world`,
        `\`${part.commit.slice(0, 12)}\`${part.changed ? " and changes" : ""}`,
        `${part.switch}, ${part.database}`,
        part.machine,
        part.discrepancies.length,
      ]),
    ),
    ...(discrepancies.length === 0
      ? ["Nothing was found."]
      : [
          "What was found:",
          discrepancies
            .map(
              ({ batchFrom, finding, commit }) =>
                `- \`${commit.slice(0, 12)}\`, world of seed ${batchFrom}: ${escaped(finding)}`,
            )
            .join("\n"),
        ]),
  ].join("\n\n");
}

const sorted = (counts: Record<string, number>) => Object.entries(counts).sort(([, a], [, b]) => b - a);
const listed = (counts: Record<string, number>) =>
  sorted(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
const hours = (seconds: number) =>
  seconds < 3_600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
const escaped = (text: string) => text.replaceAll(/[<>|`]/g, " ");

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => String(cell)));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [
    line(cells[0] ?? []),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...cells.slice(1).map(line),
  ].join("\n");
}
