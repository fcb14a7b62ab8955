import { strict as assert } from "node:assert";
import { systemClock, type Clock } from "../../engine/clock.ts";
import type { RecordingId, WorkspaceId } from "../../engine/ids.ts";
import type { Log } from "../../engine/log.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { gb, storageChargeMinor } from "../../engine/metering/storage-charge.ts";
import { StorageMeter } from "../../engine/metering/storage-meter.ts";
import { storageView } from "../../engine/metering/storage-view.ts";
import { insertMember, upsertUser } from "../../engine/store/members.ts";
import { insertPrice } from "../../engine/store/rates.ts";
import * as recordings from "../../engine/store/recordings.ts";
import type { Store } from "../../engine/store/store.ts";
import { createLedger } from "../../engine/wallet/ledger.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { silentLog } from "../switch/peers.ts";
import { type Books, ids, leg, openBooks, workspace } from "../wallet/books.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** A midnight of East Africa. */
const eat = (year: number, month: number, day = 1) => Date.UTC(year, month - 1, day) - 3 * hourMs;

describe("the charge for storage", () => {
  const month = 30 * 86_400;
  for (const [name, averageGb, costs] of [
    ["5 GB is free", 5, 0],
    ["a cent's hundredth above is free too", 5.00001, 0],
    ["half a cent is one", 5.0025, 1],
    ["KES 2.00 a GB above", 6, 200],
    ["the average above counts, not whole GB", 7.25, 450],
    ["a petabyte is counted to the cent", 1_000_005, 200_000_000],
  ] as const)
    it(name, () => {
      const byteSeconds = BigInt(Math.round(averageGb * gb)) * BigInt(month);
      assert.equal(storageChargeMinor(byteSeconds, month, { freeGb: 5, gbMonthMinor: 200 }), costs);
      if (costs === 1)
        assert.equal(storageChargeMinor(byteSeconds - 1n, month, { freeGb: 5, gbMonthMinor: 200 }), 0);
    });
});

describe("the storage of recordings", function () {
  this.timeout(20_000);
  let books: Books;
  let store: Store;
  let wanjiru: WorkspaceId;
  /** Moved by hand. */
  let nowMs: number;
  const clock: Clock = { ...systemClock, nowMs: () => nowMs, nowUs: () => nowMs * 1000 };
  beforeEach(async () => {
    books = await openBooks();
    ({ store } = books);
    wanjiru = await store.write((tx) => workspace(tx));
    nowMs = eat(2027, 1);
  });
  afterEach(() => books.close());

  const meter = (over: Store = store, log: Log = silentLog) =>
    new StorageMeter({
      ...{ store: over, clock, ids, log, ledger: createLedger({ ids }) },
      outbox: createOutbox({ clock, ids, wake: () => undefined }),
      mails: createMailQueue({ ids, clock, wake: () => undefined }),
    });
  const look = () => meter().look();

  async function stored(bytes: number, atMs = nowMs, workspaceId = wanjiru): Promise<RecordingId> {
    const id = ids.next("rec");
    await store.write(async (tx) => {
      const { legId, callId } = await leg(tx, { workspaceId, endedAtUs: null });
      const born = { id, callId, legId, workspaceId, box: "box", createdAtMs: atMs };
      await recordings.insert(tx, { ...born, status: "starting", askedInCall: false });
      await recordings.markReady(tx, id, {
        ...{ durationMs: 1, trimmedMs: null, talkMs: 1, short: 0, sha256: "00", objectKey: id },
        ...{ sizeBytes: bytes, storedAtMs: atMs },
      });
    });
    return id;
  }
  const deleted = (id: RecordingId, atMs = nowMs) =>
    store.write((tx) => recordings.markDeleted(tx, id, "requested", atMs));
  const postings = (workspaceId = wanjiru) =>
    store.read((tx) =>
      tx.all<{ reference: string; amountMinor: number }>(
        `SELECT t.reference, e.amount_minor FROM ledger_transactions t
         JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
         WHERE t.kind = 'storage' AND a.kind = 'wallet' AND a.workspace_id = ? ORDER BY t.reference`,
        [workspaceId],
      ),
    );
  const amounts = async (workspaceId = wanjiru) =>
    (await postings(workspaceId)).map((one) => [one.reference.slice(-7), -one.amountMinor]);
  const days = () =>
    store.read((tx) =>
      tx.all<{ workspaceId: string; day: number; gbSeconds: number; byteSeconds: number }>(
        "SELECT workspace_id, day, gb_seconds, byte_seconds FROM storage_days ORDER BY workspace_id, day",
      ),
    );
  async function holds(): Promise<void> {
    const broken = (await store.read(verifyLedger)).filter((finding) => !finding.ok);
    assert.deepEqual(broken, []);
  }

  it("walked through a year: 5 GB free, KES 2.00 a GB and month above, settled once each month", async () => {
    await stored(4 * gb);
    const otieno = await store.write((tx) => workspace(tx, "Otieno's garage"));
    await stored(5 * gb, nowMs, otieno);
    let extra: RecordingId | undefined;
    for (; nowMs < eat(2028, 1, 3); nowMs += dayMs) {
      // 4 GB more in February; 31 days of 3 GB more from the middle of April.
      if (nowMs === eat(2027, 2)) extra = await stored(4 * gb);
      if (nowMs === eat(2027, 3)) await deleted(extra!);
      if (nowMs === eat(2027, 4, 16)) extra = await stored(3 * gb);
      if (nowMs === eat(2027, 5, 17)) await deleted(extra!);
      await look();
    }
    // April: 4 + 3 × 15/30 = 5.5 GB. May: 4 + 3 × 16/31 = 5.548 GB.
    assert.deepEqual(await amounts(), [
      ["2027-02", 600],
      ["2027-04", 100],
      ["2027-05", 110],
    ]);
    assert.deepEqual(await amounts(otieno), [], "5 GB of recording storage at no additional cost");
    const rows = await store.read((tx) => tx.all("SELECT * FROM storage_months"));
    assert.equal(rows.length, 24);
    const house = await store.read((tx) =>
      tx.all<{ kind: string; balanceMinor: number }>(
        "SELECT kind, balance_minor FROM ledger_accounts WHERE kind IN ('revenue_storage', 'vat') ORDER BY kind",
      ),
    );
    // 16 % in 600, 100 and 110: 83, 14 and 15.
    assert.deepEqual(house, [
      { kind: "revenue_storage", balanceMinor: 698 },
      { kind: "vat", balanceMinor: 112 },
    ]);
    await holds();
  });

  it("is exact to the second on average use, and counts a recording until it is deleted", async () => {
    const id = await stored(60 * gb, eat(2027, 4, 10) + 6 * hourMs + 500);
    await deleted(id, eat(2027, 4, 13) + 6 * hourMs + 250);
    nowMs = eat(2027, 5) + hourMs;
    await look();
    // 60 GB for 3 of 30 days: 6 GB on average.
    assert.deepEqual(await amounts(), [["2027-04", 200]]);
    await holds();
  });

  it("missed days are made up exactly, and none is taken twice", async () => {
    await stored(7 * gb + 123_456_789, nowMs + 5_000);
    const daily = async () => {
      for (const end = eat(2027, 4, 3); nowMs < end; nowMs += dayMs) await look();
      return { days: await days(), amounts: await amounts() };
    };
    const walked = await daily();
    assert.ok(walked.amounts.length === 3);
    await store.write(async (tx) => {
      // As if the machine had been off since it was stored.
      for (const table of ["storage_months", "storage_days", "storage_meters"])
        await tx.run(`DELETE FROM ${table}`);
      await tx.run("DELETE FROM ledger_entries");
      await tx.run("DELETE FROM ledger_transactions");
      await tx.run("DELETE FROM wallet_days");
      await tx.run("DELETE FROM ledger_accounts");
      await tx.run(
        "INSERT INTO storage_meters (workspace_id, next_day, settled_to_day, used_bytes) VALUES (?, 20819, 20819, ?)",
        [wanjiru, 7 * gb + 123_456_789],
      );
    });
    nowMs -= dayMs;
    await Promise.all([look(), look(), look()]);
    await look();
    assert.deepEqual({ days: await days(), amounts: await amounts() }, walked);
    await holds();
  });

  it("a crash before or after any commit changes nothing of what is charged", async () => {
    await stored(8 * gb);
    const otieno = await store.write((tx) => workspace(tx, "Otieno's garage"));
    await stored(6 * gb, nowMs, otieno);
    nowMs = eat(2027, 3) + hourMs;
    let writes = 0;
    let crashes = 0;
    const crashing: Store = {
      ...store,
      read: (work) => store.read(work),
      close: () => store.close(),
      async write(work) {
        const nth = ++writes;
        if (nth % 3 === 1) throw new Error("killed before");
        const result = await store.write(work);
        if (nth % 3 === 2) throw new Error("killed after");
        return result;
      },
    };
    for (let done = false; !done;)
      done = await meter(crashing)
        .look()
        .then(
          () => true,
          () => {
            crashes++;
            return false;
          },
        );
    assert.ok(crashes > 20, `${crashes} crashes`);
    assert.deepEqual(await amounts(), [
      ["2027-01", 600],
      ["2027-02", 600],
    ]);
    assert.deepEqual(await amounts(otieno), [
      ["2027-01", 200],
      ["2027-02", 200],
    ]);
    assert.equal((await days()).length, 2 * 59);
    await holds();
  });

  it("one that cannot be metered is told and tried again, and keeps nobody else from it", async () => {
    // More than are looked at together, and the broken ones come first.
    const others: WorkspaceId[] = [];
    for (let count = 0; count < 3; count++) {
      const id = await store.write((tx) => workspace(tx, "Otieno's garage"));
      await stored(6 * gb, nowMs, id);
      others.push(id);
    }
    await store.write(async (tx) => {
      for (let count = 0; count < 60; count++) {
        const id = await workspace(tx, "A broken one");
        await tx.run(
          `INSERT INTO storage_meters (workspace_id, next_day, settled_to_day, stirred) VALUES (?, 20818, 20818, 0)`,
          [id],
        );
        // Its day is there already: a hand in the database.
        await tx.run(
          "INSERT INTO storage_days (workspace_id, day, gb_seconds, byte_seconds) VALUES (?, 20818, 0, 0)",
          [id],
        );
      }
    });
    nowMs = eat(2027, 2) + hourMs;
    const told: object[] = [];
    const log = { ...silentLog, error: (fields: object) => void told.push(fields) };
    await assert.rejects(meter(store, log).look(), /60/);
    for (const id of others) assert.deepEqual(await amounts(id), [["2027-01", 200]]);
    assert.equal(told.length, 60);
    assert.equal(new Set(told.map((fields) => (fields as { workspace: string }).workspace)).size, 60);

    await store.write((tx) => tx.run("DELETE FROM storage_days WHERE day = 20818"));
    await look();
    const behind = await store.read((tx) =>
      tx.all("SELECT 1 AS one FROM storage_meters WHERE next_day < 20850"),
    );
    assert.deepEqual(behind, []);
    await holds();
  });

  it("is reckoned without reading what neither came nor went since", async () => {
    const old = await stored(gb);
    nowMs += 3 * dayMs;
    await look();
    const came = await stored(2 * gb, nowMs);
    // Were the old one read, its day would count a thousand times as much.
    await store.write((tx) =>
      tx.run("UPDATE recordings SET size_bytes = 1000 * size_bytes WHERE id = ?", [old]),
    );
    const known = (await days()).length;
    nowMs += 2 * dayMs;
    await look();
    const after = (await days()).slice(known).map(({ gbSeconds }) => gbSeconds);
    assert.equal(after.at(-1), 3 * 86_400);
    await deleted(came, nowMs - hourMs);
    const { usedBytes } = await store.read((tx) => storageView(tx, wanjiru, nowMs));
    assert.equal(usedBytes, gb);
  });

  it("a day is metered an hour after its end, when all that was stored on it is surely there", async () => {
    await stored(gb);
    nowMs += dayMs + hourMs - 1;
    await look();
    assert.equal((await days()).length, 0);
    nowMs += 1;
    await look();
    assert.equal((await days()).length, 1);
  });

  it("a price that changes in mid-month counts from the next, a tax from its day", async () => {
    await stored(6 * gb);
    await store.write(async (tx) => {
      await insertPrice(tx, "recording_gb_month", { amount: 300, effectiveAtMs: eat(2027, 1, 15) });
      await insertPrice(tx, "vat_basis_points", { amount: 0, effectiveAtMs: eat(2027, 2, 28) });
    });
    nowMs = eat(2027, 3) + hourMs;
    await look();
    assert.deepEqual(await amounts(), [
      ["2027-01", 200],
      ["2027-02", 300],
    ]);
    await holds();
  });

  it("crossing 5 GB upward is told and mailed once each time, and not at the way down", async () => {
    await store.write(async (tx) => {
      const user = await upsertUser(tx, {
        id: ids.next("usr"),
        email: "wanjiru@example.co.ke",
        createdAtMs: 1,
      });
      await insertMember(tx, { workspaceId: wanjiru, userId: user.id, role: "owner", createdAtMs: 1 });
      await tx.run(
        `INSERT INTO webhook_endpoints (id, workspace_id, url, events, signing_secret, created_at_ms, updated_at_ms)
         VALUES (?, ?, 'https://shop.example/hook', '["*"]', 'x', 1, 1)`,
        [ids.next("wh"), wanjiru],
      );
    });
    const told = async () => {
      nowMs += 60_000;
      await Promise.all([look(), look()]);
      const [events, mails] = await store.read((tx) =>
        Promise.all([
          tx.all<{ body: string }>(
            "SELECT body FROM deliveries WHERE kind = 'storage.threshold_crossed' ORDER BY id",
          ),
          tx.all<{ recipient: string }>("SELECT recipient FROM mails"),
        ]),
      );
      assert.equal(mails.length, events.length);
      return events.map(({ body }) => (JSON.parse(body) as { data: object }).data);
    };
    const first = await stored(5 * gb);
    assert.deepEqual(await told(), [], "5 GB is free");
    await stored(1);
    const once = { used_bytes: 5 * gb + 1, free_bytes: 5 * gb };
    assert.deepEqual(await told(), [once]);
    await stored(gb);
    assert.deepEqual(await told(), [once]);
    await deleted(first);
    assert.deepEqual(await told(), [once]);
    await stored(7 * gb);
    assert.deepEqual(await told(), [once, { used_bytes: 8 * gb + 1, free_bytes: 5 * gb }]);
  });

  it("is shown as it is: used, free, the month's average, and what that will cost", async () => {
    const view = () => store.read((tx) => storageView(tx, wanjiru, nowMs));
    const fixed = { freeBytes: 5 * gb, month: "2027-01", gbMonthMinor: 200 };
    assert.deepEqual(await view(), { ...fixed, usedBytes: 0, averageBytes: 0, projectedChargeMinor: 0 });
    await stored(10 * gb, eat(2027, 1, 11));
    nowMs = eat(2027, 1, 21);
    const shown = { ...fixed, usedBytes: 10 * gb, averageBytes: 5 * gb, projectedChargeMinor: 355 };
    // 10 GB for 21 of 31 days: 6.774 GB.
    assert.deepEqual(await view(), shown);
    await look();
    assert.deepEqual(await view(), shown, "metered or not");
    nowMs = eat(2027, 2) + hourMs;
    await look();
    assert.deepEqual(await amounts(), [["2027-01", 355]]);
  });
});
