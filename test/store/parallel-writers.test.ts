import assert from "node:assert/strict";
import { systemClock } from "../../engine/clock.ts";
import { systemIds, type CallId, type WorkspaceId } from "../../engine/ids.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import { callById, countLiveCalls, eventsOfCall } from "../../engine/store/calls.ts";
import { walletBalanceMinor } from "../../engine/store/ledger.ts";
import type { Store } from "../../engine/store/store.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { createWallet } from "../../engine/wallet/wallet.ts";
import { addNumber } from "../../engine/workspaces/numbers.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { inParallel } from "./processes.ts";
import { databaseKind, testDatabase, type TestDatabase } from "./test-database.ts";

const ids = systemIds(systemClock);
const nairobi = "+254200000001";
const processes = 4;

describe(`processes that write at once, on ${databaseKind}`, function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let store: Store;
  let workspaceId: WorkspaceId;

  beforeEach(async () => {
    database = await testDatabase();
    store = await database.open();
    workspaceId = await store.write(async (tx) => {
      await seedShippedDeck(tx, ids, systemClock.nowMs());
      const { id } = await createWorkspace(tx, ids, { name: "Wanjiru", createdAtMs: 0 });
      await createWallet({ ledger: createLedger({ ids }) }).credit(tx, {
        ...{ workspaceId: id, amountMinor: 10_000, reference: "first", description: "", createdAtMs: 0 },
        kind: "credit",
      });
      const secrets = aesSecrets(Buffer.alloc(32, 7), ids);
      const number = { workspaceId: id, e164: nairobi, country: "ke", provisionedAtMs: 0 };
      await addNumber(tx, { ids, secrets }, number);
      return id;
    });
  });
  afterEach(async () => {
    const findings = await store.read(verifyLedger);
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
    await store.close();
    await database.remove();
  });

  it("post each credit to one wallet once, and lose none", async () => {
    const posted = await inParallel(database, processes, "credit", [workspaceId, "50"]);

    // 50 of each process's own, and 50 that they share.
    const transactions = processes * 50 + 50;
    assert.equal(
      posted.reduce((sum, count) => sum + Number(count), 0),
      transactions,
    );
    const balance = await store.read((tx) => walletBalanceMinor(tx, workspaceId));
    assert.equal(balance, 10_000 + transactions * 100);
  });

  it("tell a call's events in one sequence without a gap", async () => {
    const callId = await placedCall();

    await inParallel(database, processes, "emit", [callId, "40"]);

    const { call, events } = await store.read(async (tx) => ({
      call: await callById(tx, callId),
      events: await eventsOfCall(tx, callId),
    }));
    const counted = Array.from({ length: processes * 40 }, (_, index) => index + 1);
    assert.deepEqual(
      events.map(({ sequence }) => sequence),
      counted,
    );
    assert.deepEqual([call?.lastPosition, call?.lastSequence], [counted.length, counted.length]);
  });

  it("admit as many calls between them as a workspace may have, and no more", async () => {
    await store.write((tx) =>
      tx.run("UPDATE workspaces SET concurrent_calls = 7, calls_per_second = 1000 WHERE id = ?", [
        workspaceId,
      ]),
    );

    const placed = await inParallel(database, processes, "originate", [workspaceId, nairobi, "10"]);

    assert.equal(
      placed.reduce((sum, count) => sum + Number(count), 0),
      7,
    );
    assert.equal(await store.read((tx) => countLiveCalls(tx, workspaceId)), 7);
  });

  it("end a workspace's calls at once: each is charged once, and nobody waits for each other", async () => {
    await store.write((tx) =>
      tx.run(
        `UPDATE workspaces SET concurrent_calls = 1000, calls_per_second = 1000, on_zero_balance = 'hangup'
         WHERE id = ?`,
        [workspaceId],
      ),
    );
    await inParallel(database, 1, "originate", [workspaceId, nairobi, "30"]);

    await inParallel(database, processes, "end", [workspaceId]);

    assert.equal(await store.read((tx) => countLiveCalls(tx, workspaceId)), 0);
    // 47 s at KES 3.00 a minute.
    const balance = await store.read((tx) => walletBalanceMinor(tx, workspaceId));
    assert.equal(balance, 10_000 - 30 * 235);
    if (databaseKind !== "postgres") return;
    const [counted] = await database.byHand(
      "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    );
    assert.equal(counted!["deadlocks"], "0");
  });

  async function placedCall(): Promise<CallId> {
    await inParallel(database, 1, "originate", [workspaceId, nairobi, "1"]);
    const [call] = await store.read((tx) => tx.all<{ id: CallId }>("SELECT id FROM calls"));
    return call!.id;
  }
});
