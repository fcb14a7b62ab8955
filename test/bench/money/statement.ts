import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dayMs, systemClock } from "../../../engine/clock.ts";
import { monthOf, spanOf } from "../../../engine/east-africa-time.ts";
import { systemIds } from "../../../engine/ids.ts";
import { seedShippedDeck } from "../../../engine/metering/rates.ts";
import { createLedger } from "../../../engine/wallet/ledger.ts";
import { createWallet } from "../../../engine/wallet/wallet.ts";
import { createKey } from "../../../engine/workspaces/api-keys.ts";
import { createWorkspace } from "../../../engine/workspaces/workspaces.ts";
import { startSautikit } from "../../peers/child.ts";
import { freePort } from "../../peers/free-ports.ts";
import { sqliteFile } from "../../store/test-database.ts";
import type { Row } from "../table.ts";
import type { BenchDatabase } from "./databases.ts";
import { fillCalls, settleIn } from "./fill.ts";
import { assertSound } from "./sound.ts";

const ids = systemIds(systemClock);
/** One that is over. */
const month = monthOf(systemClock.nowMs() - 40 * dayMs);
const span = spanOf(month);
/** More take a minute to be verified, and would show no more. */
const verifiedMax = 10_000;

const documents = {
  "the monthly statement as JSON": `/v1/wallet/statements/${month}`,
  "the monthly statement as CSV": `/v1/wallet/statements/${month}.csv`,
  "the export of transactions":
    `/v1/wallet/transactions/export.csv?from=${new Date(span.fromMs).toISOString()}` +
    `&to=${new Date(span.toMs).toISOString()}`,
} as const;
type DocumentName = keyof typeof documents;

interface Peak {
  /** MiB: the most that was resident while it was asked for, and before. */
  peak: number;
  before: number;
  seconds: number;
  bytes: number;
}

/**
 * The memory of `sautikit start --role api` while it states a month of so many calls over HTTP, against another such process
 * that states a month of a hundredth of them as often as makes as many: what differs is how many are in one document.
 */
export async function statements(calls: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "sautikit-bench-"));
  try {
    const database: BenchDatabase = { ...sqliteFile(join(folder, "sautikit.db")), name: "SQLite" };
    const times = 100;
    const keys = await fill(database, { few: calls / times, many: calls });
    const few = await peaks(folder, database, keys.few, times);
    const many = await peaks(folder, database, keys.many, 1);
    return (Object.keys(documents) as DocumentName[]).map((name) => {
      const [ours, against] = [many[name], few[name]];
      const grown = ({ peak, before }: Peak) => `${(peak - before).toFixed(1)} MiB`;
      return {
        what: `memory of ${name}, of ${calls.toLocaleString("en")} calls, against ${(calls / times).toLocaleString("en")}`,
        ...{ ours: `${ours.peak.toFixed(0)} MiB`, against: `${against.peak.toFixed(0)} MiB` },
        ratio: ours.peak / against.peak,
        aim: { atMost: 1.15 },
        note:
          `grown by ${grown(ours)} for ${(ours.bytes / 1000).toFixed(0)} kB in ${ours.seconds.toFixed(1)} s, against ` +
          `${grown(against)} for ${times} times ${(against.bytes / times / 1000).toFixed(0)} kB in ${against.seconds.toFixed(1)} s`,
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function fill(
  database: BenchDatabase,
  counts: { few: number; many: number },
): Promise<{ few: string; many: string }> {
  const store = await database.open();
  const wallet = createWallet({ ledger: createLedger({ ids }) });
  const opened = async (name: string, count: number) => {
    const createdAtMs = span.fromMs;
    const made = await store.write(async (tx) => {
      const { id } = await createWorkspace(tx, ids, { name, createdAtMs });
      const credit = { workspaceId: id, amountMinor: 1_000_000_000, reference: id, description: "Karibu" };
      await wallet.credit(tx, { ...credit, kind: "credit", createdAtMs });
      const { key } = await createKey(tx, ids, { workspaceId: id, name, createdAtMs });
      return { id, key };
    });
    await fillCalls(database, made.id, { count, ...span });
    return made.key;
  };
  await store.write((tx) => seedShippedDeck(tx, ids, span.fromMs));
  const keys = { few: await opened("Wanjiru", counts.few), many: await opened("Otieno", counts.many) };
  await database.byHand("UPDATE workspaces SET requests_per_minute = 1000000");
  await settleIn(database);
  if (counts.many <= verifiedMax) await assertSound(store);
  await store.close();
  return keys;
}

async function peaks(
  folder: string,
  database: BenchDatabase,
  key: string,
  times: number,
): Promise<Record<DocumentName, Peak>> {
  const port = await freePort();
  const { child } = await startSautikit(["start", "--role", "api"], {
    folder,
    env: {
      DATA_DIR: join(folder, "data"),
      DATABASE_URL: database.url,
      PORT: String(port),
      // Nobody is asked there.
      ...{ S3_ENDPOINT: "http://127.0.0.1:9", S3_ACCESS_KEY_ID: "key", S3_SECRET_ACCESS_KEY: "secret" },
      LOG_LEVEL: "error",
    },
  });
  const ask = async (path: string): Promise<number> => {
    const headers = { authorization: `Bearer ${key}` };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
    assert.equal(response.status, 200, path);
    let bytes = 0;
    for await (const chunk of response.body!) bytes += (chunk as Uint8Array).length;
    return bytes;
  };
  try {
    // Its code is there, and the connection, before anything is counted.
    await ask("/v1/wallet/statements");
    const found: Partial<Record<DocumentName, Peak>> = {};
    for (const [name, path] of Object.entries(documents)) {
      // What was resident at most counts from now.
      writeFileSync(`/proc/${child.pid}/clear_refs`, "5");
      const before = mebibytes(child.pid, "VmRSS");
      const startedMs = performance.now();
      let bytes = 0;
      for (let n = 0; n < times; n++) bytes += await ask(path);
      const seconds = (performance.now() - startedMs) / 1000;
      found[name as DocumentName] = { peak: mebibytes(child.pid, "VmHWM"), before, seconds, bytes };
    }
    return found as Record<DocumentName, Peak>;
  } finally {
    await child.stop();
  }
}

/** Of a line of the kernel's account, in KiB there. */
function mebibytes(pid: number, name: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? NaN) / 1024;
}
