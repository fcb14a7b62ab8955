import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../engine/clock.ts";
import { systemIds, type WorkspaceId } from "../../engine/ids.ts";
import { openSqlite } from "../../engine/store/sqlite.ts";
import type { Store } from "../../engine/store/store.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { median, type Row } from "./table.ts";

const rounds = 5;
/** Twice as many as share a commit, so that the next is full while one is written. */
const together = 128;

/** Three accounts, as a call's charge has; but money put in, lest the wallet be empty. */
const moved = { wallet: 235, adjustments: -203, promotions: -32 } as const;

/** Posts as fast as it can for so many seconds; how many a second. */
type Poster = (seconds: number) => Promise<number>;

/** Ledger postings a second through the store, against the same rows written by the bare driver in a transaction each. Takes `seconds` in all. */
export async function ledgerPostings(seconds: number): Promise<Row[]> {
  const secondsEach = seconds / (rounds + 1) / 3;
  const folder = mkdtempSync(join(tmpdir(), "sautikit-ledger-"));
  const store = await openSqlite(join(folder, "ours.db"), { clock: systemClock });
  // The schema is the same; each has a file of its own.
  await (await openSqlite(join(folder, "bare.db"), { clock: systemClock })).close();
  const bareDb = new Database(join(folder, "bare.db"));
  try {
    const workspaceId = await openWallet(store);
    const posters = {
      bare: bare(bareDb),
      single: ours(store, workspaceId, 1),
      shared: ours(store, workspaceId, together),
    };
    const perSecond: Record<keyof typeof posters, number[]> = { bare: [], single: [], shared: [] };
    for (let round = -1; round < rounds; round++) {
      for (const name of ["bare", "single", "shared"] as const) {
        const rate = await posters[name](secondsEach);
        // The first round only warms up.
        if (round >= 0) perSecond[name].push(rate);
      }
    }
    const findings = await store.read(verifyLedger);
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
    const rate = (name: keyof typeof posters) => `${Math.round(median(perSecond[name]))} /s`;
    // Round by round, because the machine is not the same from one to the next.
    const ratio = (name: keyof typeof posters) =>
      median(perSecond[name].map((each, round) => each / (perSecond.bare[round] ?? NaN)));
    const against = rate("bare");
    return [
      {
        what: "ledger postings, one by one",
        ...{ ours: rate("single"), against, ratio: ratio("single"), aim: { atLeast: 0.7 } },
      },
      {
        what: `ledger postings, ${together} at once, against one by one`,
        ...{ ours: rate("shared"), against, ratio: ratio("shared"), aim: { atLeast: 5 } },
      },
    ];
  } finally {
    bareDb.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function timed(seconds: number, atOnce: number, post: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  let posted = 0;
  const lanes = Array.from({ length: atOnce }, async () => {
    for (; performance.now() - startedMs < seconds * 1000; posted++) await post();
  });
  await Promise.all(lanes);
  return posted / ((performance.now() - startedMs) / 1000);
}

const ids = systemIds(systemClock);

function openWallet(store: Store): Promise<WorkspaceId> {
  return store.write(async (tx) => {
    const createdAtMs = systemClock.nowMs();
    return (await createWorkspace(tx, ids, { name: "Wanjiru", createdAtMs })).id;
  });
}

function ours(store: Store, workspaceId: WorkspaceId, atOnce: number): Poster {
  const ledger = createLedger({ ids });
  const postOne = () =>
    store.write((tx) =>
      ledger.post(tx, {
        reference: `credit ${ids.next("txn")}`,
        kind: "credit",
        description: "Credit",
        workspaceId,
        createdAtMs: systemClock.nowMs(),
        entries: [
          { account: { kind: "wallet", workspaceId }, amountMinor: moved.wallet },
          { account: { kind: "adjustments" }, amountMinor: moved.adjustments },
          { account: { kind: "promotions" }, amountMinor: moved.promotions },
        ],
      }),
    );
  return (seconds) => timed(seconds, atOnce, postOne);
}

/** The same seven statements in a transaction, and nothing around them. */
function bare(db: Database.Database): Poster {
  for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"]) db.pragma(pragma);
  const workspaceId = ids.next("ws");
  db.prepare("INSERT INTO workspaces (id, name, created_at_ms, mpesa_account_ref) VALUES (?, ?, 0, ?)").run(
    ...[workspaceId, "Wanjiru", workspaceId],
  );
  const accounts = Object.entries(moved).map(([kind, amount]) => ({ kind, amount, id: ids.next("acc") }));
  for (const { kind, id } of accounts) {
    db.prepare("INSERT INTO ledger_accounts (id, kind, workspace_id) VALUES (?, ?, ?)").run(
      ...[id, kind, kind === "wallet" ? workspaceId : null],
    );
  }
  const insertTransaction = db.prepare(
    `INSERT INTO ledger_transactions (id, reference, kind, description, workspace_id, corrects_id, created_at_ms)
     VALUES (?, ?, 'credit', ?, ?, NULL, ?)`,
  );
  const move = db.prepare(
    `UPDATE ledger_accounts SET balance_minor = balance_minor + ?, last_sequence = last_sequence + 1
     WHERE id = ? RETURNING last_sequence AS sequence, balance_minor AS balance`,
  );
  const insertEntry = db.prepare(
    `INSERT INTO ledger_entries (transaction_id, account_id, sequence, amount_minor, balance_after_minor)
     VALUES (?, ?, ?, ?, ?)`,
  );
  const post = db.transaction(() => {
    const id = ids.next("txn");
    const description = "Credit";
    const reference = `credit ${ids.next("txn")}`;
    insertTransaction.run(id, reference, description, workspaceId, systemClock.nowMs());
    for (const account of accounts) {
      const row = move.get(account.amount, account.id) as { sequence: number; balance: number };
      insertEntry.run(id, account.id, row.sequence, account.amount, row.balance);
    }
  });
  return (seconds) =>
    timed(seconds, 1, () => {
      post.immediate();
      return Promise.resolve();
    });
}
