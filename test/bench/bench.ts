import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { callSetUp } from "./calls/set-up.ts";
import { eslEvents } from "./esl-events.ts";
import { floodBench } from "./flood.ts";
import { ivr } from "./ivr.ts";
import { ledgerPostings } from "./ledger.ts";
import { liveCalls } from "./live-calls.ts";
import { overdraw } from "./overdraw.ts";
import { streamBench } from "./streams.ts";
import { balances } from "./money/balance.ts";
import { parallelPostings } from "./money/parallel.ts";
import { statements } from "./money/statement.ts";
import { markdown, type Row } from "./table.ts";

/**
 * How fast, as ratios within one run: `npm run bench`, or `npm run bench -- <name> …` for some of it. With `--write` the
 * tables, of calls and of money, also go into docs/performance.md, each as a whole. FREESWITCH_BIN names a real FreeSWITCH; without one the calls run on the
 * simulator, which has no limit worth comparing with. BENCH_SECONDS is how long each run of calls is measured (default
 * 30); all else is in proportion.
 */
const seconds = Number(process.env["BENCH_SECONDS"] ?? 30);
const freeswitch = process.env["FREESWITCH_BIN"];

const kind = freeswitch ? "freeswitch" : "simulator";
type Benches = Record<string, () => Promise<Row[]> | Row[]>;
const calls: Benches = {
  events: () => eslEvents(),
  overdraw: () => overdraw(kind),
  ivr: async () => [
    ...(await ivr(kind, 1, seconds)),
    ...(await ivr("simulator", Math.min(200, seconds * 40), seconds)),
  ],
  streams: () => streamBench(kind, seconds / 2),
  flood: () => floodBench(kind, seconds / 3),
  live: () => liveCalls(seconds / 5),
  "calls-unrecorded": () => callSetUp({ kind, seconds, record: false }),
  "calls-recorded": () => callSetUp({ kind, seconds, record: true }),
  "calls-apart": () => callSetUp({ kind, seconds: seconds / 3, record: false, apart: true }),
};
const money: Benches = {
  ledger: () => ledgerPostings(seconds * 0.7),
  postings: () => parallelPostings(seconds < 1 ? 2 : 16, seconds),
  balance: () => balances(Math.min(1_000_000, seconds * 40_000), seconds / 3),
  statement: () => statements(Math.min(100_000, seconds * 4_000)),
};
/** By the marks of their tables in the page. */
const tables: Record<string, Benches> = { bench: calls, "bench money": money };

const page = new URL("../../docs/performance.md", import.meta.url);

const write = process.argv.includes("--write");
const wanted = process.argv.slice(2).filter((argument) => argument !== "--write");
const known = Object.values(tables).flatMap((benches) => Object.keys(benches));
for (const name of wanted) {
  if (!known.includes(name)) throw new Error(`There is no bench ${name}: ${known.join(", ")}.`);
}
for (const [mark, benches] of Object.entries(tables)) {
  const rows: Row[] = [];
  for (const [name, run] of Object.entries(benches)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    process.stderr.write(`${name} …\n`);
    rows.push(...(await run()));
  }
  if (rows.length === 0) continue;
  const text = `${machine()}\n\n${markdown(rows)}\n`;
  process.stdout.write(`\n${text}`);
  if (write) writeInto(page, mark, text);
}

function machine(): string {
  const [cpu] = cpus();
  const gib = Math.round(totalmem() / 1024 ** 3);
  return [
    new Date().toISOString().slice(0, 10),
    `${cpus().length} × ${cpu?.model.trim() ?? "unknown CPU"}, ${gib} GiB`,
    `Linux ${release()}`,
    `Node ${process.version}`,
    ...(freeswitch ? [versionOf(freeswitch)] : []),
  ].join("; ");
}

/** As it says itself: `FreeSWITCH version: 1.11.1-release~64bit ( 64bit)`. */
function versionOf(binary: string): string {
  const [, version = "of unknown version"] =
    /version: (\S+)/.exec(execFileSync(binary, ["-version"], { encoding: "utf8" })) ?? [];
  return `FreeSWITCH ${version}`;
}

/** Between its two marks; the reasoning around them is written by hand. */
function writeInto(page: URL, mark: string, table: string): void {
  const before = readFileSync(page, "utf8");
  const marked = new RegExp(`(<!-- ${mark} -->\n)[\\s\\S]*(<!-- /${mark} -->)`);
  if (!marked.test(before)) throw new Error("docs/performance.md has lost its marks.");
  writeFileSync(
    page,
    before.replace(marked, (_, from: string, to: string) => `${from}\n${table}\n${to}`),
  );
}
