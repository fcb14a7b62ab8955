import { systemClock, dayMs } from "../../../engine/clock.ts";
import { systemIds, type WorkspaceId } from "../../../engine/ids.ts";
import { seedShippedDeck } from "../../../engine/metering/rates.ts";
import { walletBalanceMinor } from "../../../engine/store/ledger.ts";
import type { ReadTx } from "../../../engine/store/store.ts";
import { available } from "../../../engine/wallet/wallet.ts";
import { createWorkspace } from "../../../engine/workspaces/workspaces.ts";
import { median, type Row } from "../table.ts";
import { assertSound } from "./sound.ts";
import { benchDatabases, type BenchDatabase } from "./databases.ts";
import { fillCalls, fillCredits, fillLiveCalls, settleIn } from "./fill.ts";

const rounds = 21;
const liveCalls = 50;
const few = 10;
/** More take minutes to be verified, and would show no more. */
const verifiedMax = 100_000;

const ids = systemIds(systemClock);

/** What a balance takes to read in a workspace with so many entries, against one with ten. Takes `seconds` for each question. */
export async function balances(entries: number, seconds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const database of benchDatabases()) rows.push(...(await measure(database, entries, seconds)));
  return rows;
}

async function measure(database: BenchDatabase, entries: number, seconds: number): Promise<Row[]> {
  const store = await database.open();
  const atMs = systemClock.nowMs() - dayMs;
  await store.write((tx) => seedShippedDeck(tx, ids, atMs - dayMs));
  const opened = (name: string) =>
    store.write(async (tx) => (await createWorkspace(tx, ids, { name, createdAtMs: atMs })).id);
  const [small, large] = [await opened("Wanjiru"), await opened("Otieno")];
  // A tenth of it are calls, whose legs are history as well.
  const [credits, calls] = [entries - Math.floor(entries / 10), Math.floor(entries / 10)];
  await fillCredits(database, small, { count: few, atMs });
  await fillCredits(database, large, { count: credits, atMs });
  await fillCalls(database, large, { count: calls, fromMs: atMs, toMs: atMs + 3_600_000 });
  for (const id of [small, large]) await fillLiveCalls(database, id, { count: liveCalls, atMs });
  await settleIn(database);
  if (entries <= verifiedMax) await assertSound(store);
  try {
    const balance = (tx: ReadTx, id: WorkspaceId) => walletBalanceMinor(tx, id);
    const what = `${entries.toLocaleString("en")} entries, against ${few}, on ${database.name}`;
    return [
      await row(`balance with ${what}`, balance),
      await row(`available with ${liveCalls} live calls and ${what}`, (tx, id) =>
        available(tx, id, systemClock.nowUs()),
      ),
    ];
  } finally {
    await store.close();
  }

  async function row(what: string, ask: (tx: ReadTx, id: WorkspaceId) => Promise<unknown>): Promise<Row> {
    const us: { small: number; large: number }[] = [];
    for (let round = -1; round < rounds; round++) {
      const each = { small: await timed(small), large: await timed(large) };
      if (round >= 0) us.push(each);
    }
    const text = (which: "small" | "large") => `${median(us.map((each) => each[which])).toFixed(1)} µs`;
    return {
      what,
      ...{ ours: text("large"), against: text("small") },
      ratio: median(us.map((each) => each.large / each.small)),
      aim: { atMost: 1.25 },
    };

    /** µs for each question. */
    async function timed(id: WorkspaceId): Promise<number> {
      const startedMs = performance.now();
      const endsAtMs = startedMs + (seconds * 1000) / (rounds + 1) / 2;
      let asked = 0;
      do {
        await store.read((tx) => ask(tx, id));
        asked++;
      } while (performance.now() < endsAtMs);
      return ((performance.now() - startedMs) * 1000) / asked;
    }
  }
}
