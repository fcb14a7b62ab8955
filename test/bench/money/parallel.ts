import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { systemClock } from "../../../engine/clock.ts";
import { systemIds, type WorkspaceId } from "../../../engine/ids.ts";
import { createLedger } from "../../../engine/wallet/ledger.ts";
import { createWallet } from "../../../engine/wallet/wallet.ts";
import { createWorkspace } from "../../../engine/workspaces/workspaces.ts";
import { median, type Row } from "../table.ts";
import { benchDatabases, type BenchDatabase } from "./databases.ts";

const rounds = 5;
const script = new URL("writer.ts", import.meta.url).pathname;
const ids = systemIds(systemClock);

/**
 * Postings a second of so many processes, each for a workspace of its own and all on the house's accounts, against the same
 * rows by bare SQL in the same processes and as durable: the database's own limit. Takes `seconds` for each database.
 */
export async function parallelPostings(writers: number, seconds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const database of benchDatabases()) rows.push(await measure(database, writers, seconds));
  return rows;
}

async function measure(database: BenchDatabase, writers: number, seconds: number): Promise<Row> {
  const workspaces = await openWallets(database, writers);
  const crew = await Promise.all(workspaces.map((id) => Writer.start(database.url, id)));
  const perSecond: { ours: number; bare: number }[] = [];
  try {
    const secondsEach = seconds / (rounds + 1) / 2;
    for (let round = -1; round < rounds; round++) {
      const rate = {
        bare: await rateOf(crew, "bare", secondsEach),
        ours: await rateOf(crew, "ours", secondsEach),
      };
      // The first round only warms up.
      if (round >= 0) perSecond.push(rate);
    }
  } finally {
    await Promise.all(crew.map((writer) => writer.stop()));
  }
  await assertBooks(database, writers);
  const ours = median(perSecond.map((each) => each.ours));
  const bare = median(perSecond.map((each) => each.bare));
  return {
    what: `ledger postings of ${writers} processes at once, on ${database.name}, against bare SQL`,
    ...{ ours: `${Math.round(ours)} /s`, against: `${Math.round(bare)} /s` },
    // Round by round, because the machine is not the same from one to the next.
    ratio: median(perSecond.map((each) => each.ours / each.bare)),
    aim: { atLeast: 0.7 },
    note: `rounds: ${perSecond.map((each) => (each.ours / each.bare).toFixed(2)).join(", ")}`,
  };
}

async function openWallets(database: BenchDatabase, count: number): Promise<WorkspaceId[]> {
  const store = await database.open();
  const wallet = createWallet({ ledger: createLedger({ ids }) });
  const createdAtMs = systemClock.nowMs();
  const workspaces: WorkspaceId[] = [];
  for (let n = 0; n < count; n++)
    await store.write(async (tx) => {
      const { id } = await createWorkspace(tx, ids, { name: `Shop ${n}`, createdAtMs });
      const facts = { workspaceId: id, amountMinor: 100_000_000_000, reference: id, description: "Karibu" };
      await wallet.credit(tx, { ...facts, kind: "credit", createdAtMs });
      workspaces.push(id);
    });
  await store.close();
  await database.byHand(
    `INSERT INTO ledger_accounts (id, kind) VALUES ('acc_calls', 'revenue_calls'), ('acc_vat', 'vat')`,
  );
  return workspaces;
}

/** All that was posted is there, whoever did. */
async function assertBooks(database: BenchDatabase, writers: number): Promise<void> {
  const [row] = await database.byHand(
    `SELECT COUNT(*) AS wrong, (SELECT COUNT(*) FROM ledger_accounts WHERE kind = 'wallet') AS wallets
     FROM ledger_accounts a WHERE balance_minor <> (SELECT SUM(amount_minor) FROM ledger_entries e WHERE e.account_id = a.id)`,
  );
  assert.deepEqual([Number(row!["wrong"]), Number(row!["wallets"])], [0, writers]);
}

async function rateOf(crew: readonly Writer[], how: "ours" | "bare", seconds: number): Promise<number> {
  const startedMs = performance.now();
  const posted = await Promise.all(crew.map((writer) => writer.post(how, seconds)));
  return posted.reduce((sum, each) => sum + each, 0) / ((performance.now() - startedMs) / 1000);
}

class Writer {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  static async start(url: string, workspaceId: WorkspaceId): Promise<Writer> {
    const child = spawn(process.execPath, [script, url, workspaceId], { stdio: ["pipe", "pipe", "inherit"] });
    const writer = new Writer(child);
    await writer.#said();
    return writer;
  }

  async post(how: string, seconds: number): Promise<number> {
    this.#child.stdin.write(`${how} ${seconds}\n`);
    return Number(await this.#said());
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
  }

  async #said(): Promise<string> {
    const line: IteratorResult<string> = await this.#lines.next();
    if (line.done === true) throw new Error("A writer ended before it was told to.");
    return line.value;
  }
}
