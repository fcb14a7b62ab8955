import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { UsageError } from "../../cli/usage.ts";
import { readOptions } from "../runner-options.ts";
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

const seconds = Number(process.env["BENCH_SECONDS"] ?? 30);
const freeswitch = process.env["FREESWITCH_BIN"];

const kind = freeswitch ? "freeswitch" : "simulator";
interface Bench {
  /** For the usage. */
  measures: string;
  run: () => Promise<Row[]> | Row[];
}
type Benches = Record<string, Bench>;
const calls: Benches = {
  events: { measures: "reading the media server's events, against modesl", run: () => eslEvents() },
  overdraw: { measures: "how far calls go beyond the end of their money", run: () => overdraw(kind) },
  ivr: {
    measures: "from a key to the next prompt, against a client that does nothing else",
    run: async () => [
      ...(await ivr(kind, 1, seconds)),
      ...(await ivr("simulator", Math.min(200, seconds * 40), seconds)),
    ],
  },
  streams: {
    measures: "a bot's audio, to the party and back, against the same through the switch alone",
    run: () => streamBench(kind, seconds / 2),
  },
  flood: {
    measures: "who talks and who calls under a flood, against the same without",
    run: () => floodBench(kind, seconds / 3),
  },
  live: {
    measures: "what a live call costs while nothing happens to it",
    run: () => liveCalls(seconds / 5),
  },
  "calls-unrecorded": {
    measures: "calls set up and torn down, against a loop of the same commands",
    run: () => callSetUp({ kind, seconds, record: false }),
  },
  "calls-recorded": {
    measures: "the same, recorded",
    run: () => callSetUp({ kind, seconds, record: true }),
  },
  "calls-apart": {
    measures: "the same, not recorded, with the switch on a core of its own",
    run: () => callSetUp({ kind, seconds: seconds / 3, record: false, apart: true }),
  },
};
const money: Benches = {
  ledger: {
    measures: "ledger postings, against the same rows by the bare driver",
    run: () => ledgerPostings(seconds * 0.7),
  },
  postings: {
    measures: "the same of several processes at once, on each database",
    run: () => parallelPostings(seconds < 1 ? 2 : 16, seconds),
  },
  balance: {
    measures: "the balance of a wallet with many entries, against one with few",
    run: () => balances(Math.min(1_000_000, seconds * 40_000), seconds / 3),
  },
  statement: {
    measures: "memory for a month's statement of many calls, against one of few",
    run: () => statements(Math.min(100_000, seconds * 4_000)),
  },
};
/** By the marks of their tables in the page. */
const tables: Record<string, Benches> = { bench: calls, "bench money": money };

const page = new URL("../../docs/performance.md", import.meta.url);

const lines = Object.values(tables)
  .flatMap((benches) => Object.entries(benches))
  .map(([name, { measures }]) => `  ${name.padEnd(16)}  ${measures}\n`);
const usage = `npm run bench -- [--write] [NAME …]

How fast, as ratios within one run: of everything, or of what is named.

  --write           puts the tables, of calls and of money, into docs/performance.md too, each as a whole

${lines.join("")}
FREESWITCH_BIN names a real FreeSWITCH; without one the calls run on the simulator, which has no limit worth comparing with.
BENCH_SECONDS (30) is how long each run of calls is measured; all else is in proportion.
`;
const { write, wanted } = readOptions(usage, () => {
  const { values, positionals } = parseArgs({
    options: { write: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  for (const name of positionals)
    if (!Object.values(tables).some((benches) => Object.hasOwn(benches, name)))
      throw new UsageError(`There is no bench "${name}".`);
  return { write: values.write, wanted: positionals };
});
for (const [mark, benches] of Object.entries(tables)) {
  const rows: Row[] = [];
  for (const [name, { run }] of Object.entries(benches)) {
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
