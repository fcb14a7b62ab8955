import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CarrierCallView, CarrierProcess } from "../../peers/carrier-process.ts";
import type { WebhookInbox } from "../../world/webhook-inbox.ts";
import { readBooks, readUnfinished } from "./books.ts";
import { readBucket } from "./bucket.ts";
import { EndRecordKeeper } from "./end-records.ts";
import { readWebhook } from "./endpoint.ts";
import { checkEvents } from "./events.ts";
import type { Evidence, Span } from "./evidence.ts";
import { checkLedger } from "./ledger.ts";
import { checkMoney } from "./money.ts";
import { checkRecordings } from "./recordings.ts";
import { checkRinging } from "./ringing.ts";

/** What the auditor needs to see of a world; the parts are asked when they are needed, as some are replaced. */
export interface AuditedWorld {
  /** DATABASE_URL, SPOOL_DIR and the storage's settings, as `sautikit` is started with. */
  readonly env: Readonly<Record<string, string>>;
  readonly inbox: WebhookInbox;
  readonly carrier: CarrierProcess;
  readonly customer: { readonly placed: readonly string[] };
}

/**
 * Says whether a run was right, from five accounts that do not know each other: the switch's end-of-leg records, the
 * rows, what the customer's endpoint received, the bucket, and the carrier's. Reads each by its own code, so that a bug
 * of the product cannot hide itself: nothing here imports the engine, recordings or the API.
 */
export class Auditor {
  readonly #world: AuditedWorld;
  readonly #folder: string;
  readonly #records: EndRecordKeeper;
  readonly #rung = new Map<string, CarrierCallView>();
  readonly #switchDeaths: Span[] = [];
  readonly #controllers: Span[] = [];

  private constructor(world: AuditedWorld, folder: string, records: EndRecordKeeper) {
    this.#world = world;
    this.#folder = folder;
    this.#records = records;
    this.controllerStarted();
  }

  /** Before the first call, with the controller up: what came before it cannot be judged. */
  static async watch(world: AuditedWorld): Promise<Auditor> {
    const spool = world.env["SPOOL_DIR"] ?? "";
    // A second name of a file is on the same disk.
    const folder = await mkdtemp(join(spool, "auditor-"));
    return new Auditor(
      world,
      folder,
      await EndRecordKeeper.watch(join(spool, "cdr"), join(folder, "records")),
    );
  }

  controllerStarted(): void {
    this.#controllers.push({ fromMs: Date.now(), toMs: Infinity });
  }

  controllerDied(): void {
    const running = this.#controllers.at(-1);
    if (running) running.toMs = Math.min(running.toMs, Date.now());
  }

  switchDied(span: Span): void {
    this.#switchDeaths.push(span);
  }

  /** Its account goes with it: kept before it is killed. */
  async rememberCarrier(): Promise<void> {
    for (const call of await this.#world.carrier.calls()) this.#rung.set(call.sip_call_id, call);
  }

  /**
   * Waits until calls, outbox and uploads are quiet, or `withinMs` is over, and says in words what is wrong: which leg,
   * call, event or recording, what is there, and what should be. Empty: all is right.
   */
  async audit({ withinMs = 60_000 } = {}): Promise<string[]> {
    const unfinished = await this.#untilQuiet(withinMs);
    return [
      ...unfinished.map((line) => `after ${Math.round(withinMs / 1000)} s ${line}`),
      ...findingsOf(await this.gather()),
    ];
  }

  async #untilQuiet(withinMs: number): Promise<string[]> {
    const deadlineMs = Date.now() + withinMs;
    for (;;) {
      const unfinished = [...(await this.#unfinishedRows()), ...this.#untakenRecords()];
      if (unfinished.length === 0 || Date.now() > deadlineMs) return unfinished;
      await sleep(200);
    }
  }

  #unfinishedRows(): Promise<string[]> {
    const { env, inbox } = this.#world;
    return readUnfinished(env["DATABASE_URL"] ?? "", inbox.url);
  }

  /** Records are removed once they are settled; one that is torn never will be. */
  #untakenRecords(): string[] {
    const folder = join(this.#world.env["SPOOL_DIR"] ?? "", "cdr");
    const complete = this.#records.records();
    return (existsSync(folder) ? readdirSync(folder) : [])
      .filter((name) => complete.has(name))
      .map((name) => `the end-of-leg record ${name} was not taken`);
  }

  /** The accounts as they are now. */
  async gather(): Promise<Evidence> {
    const { env, inbox, customer } = this.#world;
    await this.rememberCarrier();
    const nowMs = Date.now();
    return {
      records: new Map([...this.#records.records().values()].map((record) => [record.leg, record])),
      missedRecords: new Set(this.#records.missed.map((file) => file.split(".")[0] ?? "")),
      books: await readBooks(env["DATABASE_URL"] ?? ""),
      placed: [...customer.placed],
      endpoint: inbox.url,
      heard: inbox.received.map((webhook) => readWebhook(webhook, inbox.secret)),
      objects: await readBucket(env),
      rung: [...this.#rung.values()],
      history: {
        switchDeaths: [...this.#switchDeaths],
        controllers: this.#controllers.map(({ fromMs, toMs }) => ({ fromMs, toMs: Math.min(toMs, nowMs) })),
      },
    };
  }

  async stop(): Promise<void> {
    await this.#records.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Every check there is. */
export const findingsOf = (evidence: Evidence): string[] => [
  ...checkMoney(evidence),
  ...checkLedger(evidence.books),
  ...checkEvents(evidence),
  ...checkRecordings(evidence),
  ...checkRinging(evidence),
];
