import { strict as assert } from "node:assert";
import type { Clock } from "../clock.ts";
import { dayOf, firstOfMonth, firstOfNextMonth, monthName, startOfDayMs } from "../east-africa-time.ts";
import type { Ids, WorkspaceId } from "../ids.ts";
import type { Log } from "../log.ts";
import type { MailQueue } from "../mail/mail-queue.ts";
import { Poll } from "../poll.ts";
import { ownersOf } from "../store/members.ts";
import { findPrice, type PriceName } from "../store/rates.ts";
import {
  byteSecondsBetween,
  byteSecondsOfDays,
  calmMeter,
  insertStorageDay,
  insertStorageMonth,
  metersBefore,
  nextDay,
  setAbove,
  settleTo,
  stirredMeters,
  unsettledBefore,
  type MeterPage,
  type StorageMeterRow,
} from "../store/storage-usage.ts";
import type { ReadTx, Store, Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import type { Ledger } from "../wallet/ledger.ts";
import { splitVat } from "../wallet/money.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import { tellWorkspace } from "../webhooks/workspace-events.ts";
import { averageBytes, gb, storageChargeMinor, whole, type StoragePrice } from "./storage-charge.ts";

const lookEveryMs = 60_000;
/** A stamp is taken a moment before its commit: a day is metered once all of its own are surely there. */
const graceMs = 3_600_000;
const batch = 50;
const daySeconds = 86_400;

export interface StorageMeterParts {
  store: Store;
  ledger: Ledger;
  outbox: Outbox;
  mails: MailQueue;
  clock: Clock;
  ids: Ids;
  log: Log;
}

/**
 * Meters what recordings take, by the day, settles it by the month, and tells when it is more than is free. What is due is in
 * the store, and each step is a transaction on the row as it was: missed days are made up, and none is taken twice.
 */
export class StorageMeter {
  readonly #parts: StorageMeterParts;
  readonly #poll: Poll;

  constructor(parts: StorageMeterParts) {
    this.#parts = parts;
    const { clock, log } = parts;
    this.#poll = new Poll(
      clock,
      lookEveryMs,
      () => this.look(),
      (error) => log.error({ err: error }, "Storage could not be metered yet."),
    );
  }

  start(): void {
    this.#poll.start();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  /** Throws at its end, where some could not be metered: what is due of them is so still. */
  async look(): Promise<void> {
    const { store, clock } = this.#parts;
    const today = dayOf(clock.nowMs() - graceMs);
    const month = firstOfMonth(today);
    const faults = [
      ...(await this.#each(
        (page) => store.read((tx) => metersBefore(tx, today, page)),
        async ({ workspaceId, nextDay: first }) => {
          for (let day = first; day < today; day++) await this.#meterDay(workspaceId, day);
        },
      )),
      ...(await this.#each(
        (page) => store.read((tx) => unsettledBefore(tx, month, page)),
        async (meter) => {
          for (let day = meter.settledToDay; day < month; day = firstOfNextMonth(firstOfMonth(day)))
            await this.#settleMonth({ ...meter, settledToDay: day });
        },
      )),
      ...(await this.#each(
        (page) => store.read((tx) => stirredMeters(tx, page)),
        (meter) => this.#lookAtThreshold(meter.workspaceId),
      )),
    ];
    if (faults.length > 0) throw new Error(`${faults.length} steps were not done.`, { cause: faults[0] });
  }

  /** All that is due; those of a page share their commits. Whoever fails is told, and holds back no other. */
  async #each(
    due: (page: MeterPage) => Promise<StorageMeterRow[]>,
    steps: (meter: StorageMeterRow) => Promise<void>,
  ): Promise<unknown[]> {
    const faults: unknown[] = [];
    for (let after: StorageMeterRow | null = null; ;) {
      const meters: StorageMeterRow[] = await due({ after, limit: batch });
      const doneAll = await Promise.allSettled(meters.map(steps));
      for (const [index, done] of doneAll.entries()) {
        if (done.status === "fulfilled") continue;
        faults.push(done.reason);
        const workspace = meters[index]?.workspaceId;
        this.#parts.log.error(
          { err: done.reason as unknown, workspace },
          "Its storage could not be metered.",
        );
      }
      after = meters.at(-1) ?? null;
      if (meters.length < batch) return faults;
    }
  }

  #meterDay(workspaceId: WorkspaceId, day: number): Promise<void> {
    return this.#parts.store.write(async (tx) => {
      if (!(await nextDay(tx, workspaceId, day))) return;
      const [from, to] = [startOfDayMs(day), startOfDayMs(day + 1)];
      const used = { fromSeconds: from / 1000, toSeconds: to / 1000 };
      await insertStorageDay(tx, workspaceId, day, await byteSecondsBetween(tx, workspaceId, used));
    });
  }

  #settleMonth(meter: StorageMeterRow): Promise<void> {
    const { store, ledger, clock } = this.#parts;
    const { workspaceId } = meter;
    const firstDay = firstOfMonth(meter.settledToDay);
    const next = firstOfNextMonth(firstDay);
    return store.write(async (tx) => {
      await keepWorkspace(tx, workspaceId);
      if (!(await settleTo(tx, meter, next))) return;
      const used = await byteSecondsOfDays(tx, workspaceId, firstDay, next - 1);
      const seconds = (next - firstDay) * daySeconds;
      const price = await storagePrice(tx, firstDay);
      const vatBasisPoints = await priceAt(tx, "vat_basis_points", startOfDayMs(next) - 1);
      const amountMinor = storageChargeMinor(whole(used), seconds, price);
      const settledAtMs = clock.nowMs();
      const row = {
        workspaceId,
        firstDay,
        lastDay: next - 1,
        ...used,
        ...price,
        vatBasisPoints,
        settledAtMs,
      };
      if (amountMinor === 0) return insertStorageMonth(tx, { ...row, amountMinor, transactionId: null });
      const { netMinor, vatMinor } = splitVat(amountMinor, vatBasisPoints);
      const entries = [
        { account: { kind: "wallet", workspaceId } as const, amountMinor: -amountMinor },
        { account: { kind: "revenue_storage" } as const, amountMinor: netMinor },
        { account: { kind: "vat" } as const, amountMinor: vatMinor },
      ];
      const average = (averageBytes(whole(used), seconds) / gb).toFixed(2);
      const { posted, transactionId } = await ledger.post(tx, {
        reference: `storage ${workspaceId} ${monthName(firstDay)}`,
        kind: "storage",
        description: `Recordings in ${monthName(firstDay)}: ${average} GB on average, ${price.freeGb} GB free`,
        workspaceId,
        createdAtMs: settledAtMs,
        entries: entries.filter((entry) => entry.amountMinor !== 0),
      });
      assert(posted, `${workspaceId} paid for ${monthName(firstDay)} before it was settled`);
      await insertStorageMonth(tx, { ...row, amountMinor, transactionId });
    });
  }

  #lookAtThreshold(workspaceId: WorkspaceId): Promise<void> {
    const { store, clock } = this.#parts;
    return store.write(async (tx) => {
      const meter = await calmMeter(tx, workspaceId);
      if (!meter) return;
      const used = meter.usedBytes;
      const free = (await priceAt(tx, "recording_free_gb", clock.nowMs())) * gb;
      const above = used > free ? 1 : 0;
      if (above === meter.above) return;
      await setAbove(tx, workspaceId, above);
      if (above) await this.#tell(tx, workspaceId, used, free);
    });
  }

  async #tell(tx: Tx, workspaceId: WorkspaceId, used: number, free: number): Promise<void> {
    const { mails, clock } = this.#parts;
    const kind = "storage.threshold_crossed";
    const data = { used_bytes: used, free_bytes: free };
    await tellWorkspace(tx, this.#parts, { workspaceId, kind, data });
    await mails.send(tx, {
      key: `storage ${workspaceId} crossed ${clock.nowMs()}`,
      workspaceId,
      to: await ownersOf(tx, workspaceId),
      subject: "Sautikit: recordings take more than is free",
      text: [
        `The recordings of your workspace ${workspaceId} take ${(used / gb).toFixed(2)} GB; ${free / gb} GB are free.`,
        "What is above that on a month's average is charged at the month's end. GET /v1/storage says what that will be;",
        "recordings can be deleted, and be kept for a shorter time (recording_retention_days).",
        "",
      ].join("\n"),
    });
  }
}

/** A month is charged at the prices of its first day: one that changes in mid-month counts from the next. */
export async function storagePrice(tx: ReadTx, firstDay: number): Promise<StoragePrice> {
  const [from, end] = [startOfDayMs(firstDay), startOfDayMs(firstOfNextMonth(firstDay)) - 1];
  return {
    freeGb: await priceAt(tx, "recording_free_gb", from, end),
    gbMonthMinor: await priceAt(tx, "recording_gb_month", from, end),
  };
}

/** `orAtMs`: in the month in which the deck itself began. */
async function priceAt(tx: ReadTx, name: PriceName, atMs: number, orAtMs = atMs): Promise<number> {
  const price = (await findPrice(tx, name, atMs)) ?? (await findPrice(tx, name, orAtMs));
  assert(price, `the deck has no price ${name} at ${atMs}`);
  return price.amount;
}
