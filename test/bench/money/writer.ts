/** One of several processes that post at once: `<url> <workspace>`. For each line `ours|bare <seconds>` it says how many it posted. */
import { createInterface } from "node:readline";
import Database from "better-sqlite3";
import pg from "pg";
import { readConfig } from "../../../cli/config.ts";
import { openStore } from "../../../cli/open-store.ts";
import { systemClock } from "../../../engine/clock.ts";
import { systemIds, type WorkspaceId } from "../../../engine/ids.ts";
import { createLedger } from "../../../engine/wallet/ledger.ts";

const [url = "", workspace = ""] = process.argv.slice(2);
const workspaceId = workspace as WorkspaceId;
const ids = systemIds(systemClock);

/** A call of 47 seconds, as it is settled. */
const moved = { wallet: -235, revenue_calls: 203, vat: 32 } as const;

const steps = [
  ["wallet", workspaceId, moved.wallet],
  ["house", "revenue_calls", moved.revenue_calls],
  ["house", "vat", moved.vat],
] as const;

type Post = () => Promise<unknown>;

const { database } = readConfig({ DATABASE_URL: url });
const posts: Record<string, Post> = {
  ours: await ours(),
  bare: database.kind === "sqlite" ? bareSqlite(database.file) : await barePostgres(),
};

process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const [name = "", seconds = ""] = line.split(" ");
  const endsAtMs = performance.now() + Number(seconds) * 1000;
  let posted = 0;
  for (; performance.now() < endsAtMs; posted++) await posts[name]!();
  process.stdout.write(`${posted}\n`);
}
process.exit();

async function ours(): Promise<Post> {
  const store = await openStore({ database }, { clock: systemClock });
  const ledger = createLedger({ ids });
  return () =>
    store.write((tx) =>
      ledger.post(tx, {
        reference: `${ids.next("leg")} settled`,
        ...{ kind: "call", description: "A call", workspaceId, createdAtMs: systemClock.nowMs() },
        entries: [
          { account: { kind: "wallet", workspaceId }, amountMinor: moved.wallet },
          { account: { kind: "revenue_calls" }, amountMinor: moved.revenue_calls },
          { account: { kind: "vat" }, amountMinor: moved.vat },
        ],
      }),
    );
}

/** The statements of that posting, in its order; `?` is a parameter. */
function statements(parameter: (position: number) => string) {
  const p = parameter;
  return {
    transaction: `INSERT INTO ledger_transactions (id, reference, kind, description, workspace_id, corrects_id, created_at_ms)
      VALUES (${p(1)}, ${p(2)}, 'call', 'A call', ${p(3)}, NULL, ${p(4)})`,
    wallet: `UPDATE ledger_accounts SET balance_minor = balance_minor + ${p(1)}, last_sequence = last_sequence + 1
      WHERE kind = 'wallet' AND workspace_id = ${p(2)} RETURNING id, last_sequence AS sequence, balance_minor AS balance`,
    house: `UPDATE ledger_accounts SET balance_minor = balance_minor + ${p(1)}, last_sequence = last_sequence + 1
      WHERE kind = ${p(2)} AND workspace_id IS NULL RETURNING id, last_sequence AS sequence, balance_minor AS balance`,
    entry: `INSERT INTO ledger_entries (transaction_id, account_id, sequence, amount_minor, balance_after_minor)
      VALUES (${p(1)}, ${p(2)}, ${p(3)}, ${p(4)}, ${p(5)})`,
  };
}

interface Moved {
  id: string;
  sequence: number | string;
  balance: number | string;
}

function bareSqlite(file: string): Post {
  const db = new Database(file, { timeout: 60_000 });
  for (const pragma of ["synchronous = FULL", "foreign_keys = ON"]) db.pragma(pragma);
  const sql = statements(() => "?");
  const transaction = db.prepare(sql.transaction);
  const move = { wallet: db.prepare(sql.wallet), house: db.prepare(sql.house) };
  const entry = db.prepare(sql.entry);
  const post = db.transaction(() => {
    const id = ids.next("txn");
    transaction.run(id, `${ids.next("leg")} settled`, workspaceId, systemClock.nowMs());
    for (const [kind, which, amount] of steps) {
      const row = move[kind].get(amount, which) as Moved;
      entry.run(id, row.id, row.sequence, amount, row.balance);
    }
  });
  return () => Promise.resolve(post.immediate());
}

async function barePostgres(): Promise<Post> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const sql = statements((position) => `$${position}`);
  const query = (name: keyof typeof sql, values: unknown[]) =>
    client.query<Moved>({ name, text: sql[name], values });
  return async () => {
    const id = ids.next("txn");
    await client.query("BEGIN");
    await query("transaction", [id, `${ids.next("leg")} settled`, workspaceId, systemClock.nowMs()]);
    for (const [kind, which, amount] of steps) {
      const [row] = (await query(kind, [amount, which])).rows;
      await query("entry", [id, row!.id, row!.sequence, amount, row!.balance]);
    }
    await client.query("COMMIT");
  };
}
