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
import { addToInventory } from "../../engine/numbers/inventory.ts";
import { addNumber } from "../../engine/numbers/numbers.ts";
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

  const block = (count: number) =>
    Array.from({ length: count }, (_, index) => `+25420700${String(index).padStart(4, "0")}`);
  const stock = (e164s: string[]) =>
    store.write((tx) =>
      addToInventory(
        tx,
        { ids, clock: systemClock },
        e164s.map((e164) => ({ e164, country: "ke" })),
      ),
    );
  /** A workspace with so much in its wallet. */
  const fund = (name: string, amountMinor: number) =>
    store.write(async (tx) => {
      const { id } = await createWorkspace(tx, ids, { name, createdAtMs: 0 });
      await createWallet({ ledger: createLedger({ ids }) }).credit(tx, {
        ...{ workspaceId: id, amountMinor, reference: name, description: "", createdAtMs: 0, kind: "credit" },
      });
      return id;
    });
  const heldBy = (id: WorkspaceId) =>
    store.read((tx) =>
      tx.all("SELECT id FROM numbers WHERE workspace_id = ? AND held_e164 IS NOT NULL", [id]),
    );
  const rentals = () =>
    store.read((tx) => tx.all("SELECT id FROM ledger_transactions WHERE kind = 'number_rental'"));

  it("claim the same numbers for several workspaces: each is somebody's, who alone has paid for it", async () => {
    const names = ["Achieng", "Otieno", "Wambui", "Njoroge"];
    const workspaces = await Promise.all(names.map((name) => fund(name, 20 * 11_600)));
    const wanted = block(20);
    await stock(wanted);

    const said = await inParallel(database, processes, "claim", [workspaces.join(","), wanted.join(",")]);

    const outcomes = said.flatMap((line) => line.split(","));
    assert.equal(outcomes.filter((outcome) => outcome === "got").length, 20);
    assert.equal(outcomes.filter((outcome) => outcome === "numbers.already_claimed").length, 60);
    assert.equal((await rentals()).length, 20);
    for (const id of workspaces) {
      const held = (await heldBy(id)).length;
      assert.equal(await store.read((tx) => walletBalanceMinor(tx, id)), (20 - held) * 11_600);
    }
  });

  it("claim with a workspace's last shilling: as many numbers as it pays for, and no cent too much or too little", async () => {
    const id = await fund("Achieng", 3 * 11_600 + 11_599);
    const wanted = block(40);
    await stock(wanted);
    const said = await inParallel(database, processes, "claim", [id, wanted.join(",")]);

    assert.equal(said.flatMap((line) => line.split(",")).filter((outcome) => outcome === "got").length, 3);
    assert.equal((await heldBy(id)).length, 3);
    assert.equal((await rentals()).length, 3);
    assert.equal(await store.read((tx) => walletBalanceMinor(tx, id)), 11_599);
  });

  it("look at the same rents: each month is paid once, and who cannot pay is suspended once", async () => {
    const [rich, poor] = [await fund("Achieng", 20 * 11_600), await fund("Otieno", 10 * 11_600)];
    const wanted = block(20);
    await stock(wanted);
    await inParallel(database, 1, "claim", [rich, wanted.slice(0, 10).join(",")]);
    await inParallel(database, 1, "claim", [poor, wanted.slice(10).join(",")]);
    // A month has gone by.
    await store.write(async (tx) => {
      const before = (column: string) => `${column} = ${column} - ${32 * 86_400_000}`;
      await tx.run(`UPDATE numbers SET ${before("provisioned_at_ms")}, ${before("paid_until_ms")}, ${before("due_at_ms")}
        WHERE paid_months IS NOT NULL`);
      await tx.run(`UPDATE number_rentals SET ${before("begins_at_ms")}, ${before("ends_at_ms")}`);
    });

    await inParallel(database, processes, "renew");

    assert.equal((await rentals()).length, 30);
    assert.equal(await store.read((tx) => walletBalanceMinor(tx, rich)), 0);
    const statuses = await store.read((tx) =>
      tx.all<{ workspaceId: string; status: string; count: number }>(
        `SELECT workspace_id, status, COUNT(*) AS count FROM numbers WHERE paid_months IS NOT NULL
         GROUP BY workspace_id, status ORDER BY status`,
      ),
    );
    assert.deepEqual(
      statuses.map(({ workspaceId: of, status, count }) => [of, status, count]),
      [
        [rich, "active", 10],
        [poor, "suspended", 10],
      ],
    );
    const suspensions = await store.read((tx) =>
      tx.all("SELECT id FROM audit_entries WHERE action = 'suspend number'"),
    );
    assert.equal(suspensions.length, 10);
  });

  async function placedCall(): Promise<CallId> {
    await inParallel(database, 1, "originate", [workspaceId, nairobi, "1"]);
    const [call] = await store.read((tx) => tx.all<{ id: CallId }>("SELECT id FROM calls"));
    return call!.id;
  }
});
