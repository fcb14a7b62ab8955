import assert from "node:assert/strict";
import { openLedger } from "../../cli/open-ledger.ts";
import { systemClock } from "../../engine/clock.ts";
import { systemIds, type NumberId, type WorkspaceId } from "../../engine/ids.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { seedShippedDeck } from "../../engine/metering/rates.ts";
import { claimNumber, releaseNumber, type NumberParts } from "../../engine/numbers/claims.ts";
import { readBlock } from "../../engine/numbers/inventory-file.ts";
import { addToInventory } from "../../engine/numbers/inventory.ts";
import { Renewals } from "../../engine/numbers/renewals.ts";
import { aesSecrets } from "../../engine/secrets.ts";
import { walletBalanceMinor } from "../../engine/store/ledger.ts";
import { insertMember, upsertUser } from "../../engine/store/members.ts";
import { numberById } from "../../engine/store/numbers.ts";
import type { Store } from "../../engine/store/store.ts";
import { verifyLedger } from "../../engine/wallet/verify.ts";
import { createWallet } from "../../engine/wallet/wallet.ts";
import { WebhookEndpoints } from "../../engine/webhooks/endpoints.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { openTestStore } from "../store/test-database.ts";
import { ManualClock } from "../webhooks/manual-clock.ts";

export const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const secrets = aesSecrets(Buffer.alloc(32, 7), systemIds(systemClock));
const nobody = () => undefined;

/** A store with an inventory; workspaces that claim of it each have a clock of their own. */
export async function numbersStore(block = "+254 20 700 0000-0999"): Promise<Store> {
  const store = await openTestStore();
  const ids = systemIds(systemClock);
  const numbers = readBlock(block);
  assert.ok(typeof numbers !== "string");
  await store.write(async (tx) => {
    await seedShippedDeck(tx, ids, 0);
    await addToInventory(tx, { ids, clock: systemClock }, numbers);
  });
  return store;
}

/** Wanjiru's workspace, with an owner, an endpoint for every event, and a clock that she moves. */
export async function customer(store: Store, startsAt: string, kes = 0) {
  const clock = new ManualClock(Date.parse(startsAt));
  const ids = systemIds(clock);
  const ledger = openLedger({ clock, ids, changed: nobody });
  const parts: NumberParts = {
    ...{ clock, ids, secrets, ledger },
    outbox: createOutbox({ clock, ids, wake: nobody }),
    mails: createMailQueue({ clock, ids, wake: nobody }),
  };
  const workspaceId = await store.write(async (tx) => {
    const { id } = await createWorkspace(tx, ids, { name: "Wanjiru", createdAtMs: clock.nowMs() });
    const endpoints = new WebhookEndpoints({ clock, ids, secrets, wake: nobody });
    const user = await upsertUser(tx, {
      id: ids.next("usr"),
      email: "wanjiru@shop.example",
      createdAtMs: clock.nowMs(),
    });
    await insertMember(tx, { workspaceId: id, userId: user.id, role: "owner", createdAtMs: clock.nowMs() });
    await endpoints.create(tx, id, { url: "https://wanjiru.example/hooks", events: ["*"] });
    return id;
  });
  const topUp = (amountKes: number) =>
    store.write((tx) =>
      createWallet({ ledger }).credit(tx, {
        ...{ workspaceId, amountMinor: Math.round(amountKes * 100), reference: ids.next("txn") },
        ...{ description: "Top-up", kind: "credit", createdAtMs: clock.nowMs() },
      }),
    );
  if (kes > 0) await topUp(kes);
  return {
    ...{ clock, ids, parts, workspaceId, topUp },
    /** The rents are looked at, as the controller does every few seconds. */
    look: (through: Store = store) => new Renewals({ ...parts, store: through, log: quiet }).run(),
    claim: async (number: string): Promise<NumberId> =>
      (await store.write((tx) => claimNumber(tx, parts, workspaceId, { number }, {}))).number.id,
    release: (id: NumberId) => store.write((tx) => releaseNumber(tx, parts, workspaceId, id, "requested")),
    number: async (id: NumberId) => (await store.read((tx) => numberById(tx, id)))!,
    balanceKes: async () => (await store.read((tx) => walletBalanceMinor(tx, workspaceId))) / 100,
    /** Of numbers: that the wallet was emptied on the way is told as well. */
    events: async () => (await eventsOf(store, workspaceId)).filter(({ kind }) => kind.startsWith("number.")),
    mails: () =>
      store.read((tx) =>
        tx.all<{ recipient: string; subject: string; body: string }>(
          "SELECT recipient, subject, body FROM mails WHERE workspace_id = ? ORDER BY created_at_ms, id",
          [workspaceId],
        ),
      ),
    rentals: () =>
      store.read((tx) =>
        tx.all<{ month: number; beginsAtMs: number; endsAtMs: number }>(
          "SELECT month, begins_at_ms, ends_at_ms FROM number_rentals WHERE workspace_id = ? ORDER BY number_id, month",
          [workspaceId],
        ),
      ),
  };
}

export type Customer = Awaited<ReturnType<typeof customer>>;

export interface ToldEvent {
  kind: string;
  data: Record<string, unknown>;
}

/** What its endpoints are told, in order. */
export async function eventsOf(store: Store, workspaceId: WorkspaceId): Promise<ToldEvent[]> {
  const rows = await store.read((tx) =>
    tx.all<{ body: string }>(
      "SELECT body FROM deliveries WHERE workspace_id = ? ORDER BY created_at_ms, id",
      [workspaceId],
    ),
  );
  return rows.map(({ body }) => JSON.parse(body) as ToldEvent);
}

export async function assertBooks(store: Store): Promise<void> {
  const findings = await store.read(verifyLedger);
  assert.deepEqual(
    findings.filter(({ ok }) => !ok),
    [],
  );
}
