import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CarrierCallView, CarrierProcess, PlacedCallView } from "../../peers/carrier-process.ts";
import type { EslProxy } from "../../peers/esl-proxy.ts";
import type { WebhookInbox } from "../../world/webhook-inbox.ts";
import { readBooks, readUnfinished, type Books } from "./books.ts";
import { readBucket } from "./bucket.ts";
import { EndRecordKeeper, type EndRecord } from "./end-records.ts";
import { readWebhook } from "./endpoint.ts";
import { checkEvents } from "./events.ts";
import { checkConferences } from "./conferences.ts";
import { checkDevices } from "./devices.ts";
import type { DarajaAccount, DeviceAccount, Evidence, Span } from "./evidence.ts";
import { seeHeartbeats, type Heartbeat } from "./heartbeats.ts";
import { checkLedger } from "./ledger.ts";
import { checkMails } from "./mails.ts";
import { checkMoney } from "./money.ts";
import { checkNumbers } from "./numbers.ts";
import { checkRecordings } from "./recordings.ts";
import { checkRinging } from "./ringing.ts";
import { checkStorage } from "./storage.ts";
import { checkTopUps, uncredited } from "./top-ups.ts";

const lookEveryMs = 300;

/** What the auditor needs to see of a world; the parts are asked when they are needed, as some are replaced. */
export interface AuditedWorld {
  /** DATABASE_URL, SPOOL_DIR and the storage's settings, as `sautikit` is started with. */
  readonly env: Readonly<Record<string, string>>;
  readonly inbox: WebhookInbox;
  readonly carrier: CarrierProcess;
  readonly customers: readonly { readonly placed: readonly string[] }[];
  readonly witnesses: Witnesses;
}

/** Who else saw what happened, where there is such a one. */
export interface Witnesses {
  daraja: DarajaAccount | null;
  devices: DeviceAccount[];
  /** Whether the test itself calls in as a trunk: of whom only it calls, the carrier knows nothing. */
  callsIn: boolean;
}

/**
 * Says whether a run was right, from accounts that do not know each other: the switch's end-of-leg records, the
 * rows, what the customers' endpoints received, the bucket, the carrier's, Safaricom's, and those of customers' devices. Reads each by its own code, so that a bug
 * of the product cannot hide itself: nothing here imports the engine, recordings or the API.
 */
export class Auditor {
  readonly #world: AuditedWorld;
  readonly #folder: string;
  readonly #records: EndRecordKeeper;
  readonly #rung = new Map<string, CarrierCallView>();
  readonly #placedThere = new Map<string, PlacedCallView>();
  readonly #switchDeaths: Span[] = [];
  readonly #controllers: Span[] = [];
  readonly #locks: Span[] = [];
  #heartbeats: readonly Heartbeat[] | null = null;

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

  databaseLocked(span: Span): void {
    this.#locks.push(span);
  }

  /** Between the controller and the switch it sees what each knew of the other. */
  watchBetween(proxy: EslProxy): void {
    this.#heartbeats = seeHeartbeats(proxy);
  }

  /** Its account goes with it: kept before it is killed. */
  async rememberCarrier(): Promise<void> {
    const { carrier } = this.#world;
    for (const call of await carrier.calls()) this.#rung.set(call.sip_call_id, call);
    for (const call of await carrier.placings()) this.#placedThere.set(call.sip_call_id, call);
  }

  /**
   * Waits until calls, outbox and uploads are quiet, or `withinMs` is over (`waits` is told for what), and says in words what is wrong: which leg,
   * call, event or recording, what is there, and what should be. Empty: all is right.
   */
  async audit({
    withinMs = 60_000,
    waits = () => undefined,
  }: { withinMs?: number; waits?: (unfinished: readonly string[]) => void } = {}): Promise<string[]> {
    const unfinished = await this.#untilQuiet(withinMs, waits);
    return [
      ...unfinished.map((line) => `after ${Math.round(withinMs / 1000)} s ${line}`),
      ...findingsOf(await this.gather()),
    ];
  }

  async #untilQuiet(withinMs: number, waits: (unfinished: readonly string[]) => void): Promise<string[]> {
    const deadlineMs = Date.now() + withinMs;
    for (;;) {
      const unfinished = [...(await this.#unfinishedRows()), ...this.#untakenRecords()];
      // Only once the rest is quiet: it takes all books.
      if (unfinished.length === 0) unfinished.push(...(await this.#uncredited()));
      if (unfinished.length === 0 || Date.now() > deadlineMs) return unfinished;
      waits(unfinished);
      await sleep(lookEveryMs);
    }
  }

  async #uncredited(): Promise<string[]> {
    const { env, witnesses } = this.#world;
    return witnesses.daraja ? uncredited(witnesses.daraja, await readBooks(env["DATABASE_URL"] ?? "")) : [];
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
    const { env, inbox, customers, witnesses } = this.#world;
    await this.rememberCarrier();
    const nowMs = Date.now();
    const books = await readBooks(env["DATABASE_URL"] ?? "");
    return {
      records: recordsByLeg(this.#records.records().values(), books),
      missedRecords: new Set(this.#records.missed.map((file) => file.split(".")[0] ?? "")),
      books,
      placed: customers.flatMap(({ placed }) => placed),
      endpoint: inbox.url,
      heard: inbox.received.map((webhook) => readWebhook(webhook, inbox.secretOf(webhook))),
      objects: await readBucket(env),
      rung: [...this.#rung.values()],
      placedThere: [...this.#placedThere.values()],
      daraja: witnesses.daraja && {
        prompts: witnesses.daraja.prompts.map(({ account, msisdn, callbackUrl }) => ({
          account,
          msisdn,
          callbackUrl,
        })),
        payments: witnesses.daraja.payments.map(({ receipt, amount, account }) => ({
          receipt,
          amount,
          account,
        })),
      },
      devices: structuredClone(witnesses.devices),
      testCallsIn: witnesses.callsIn,
      mailed: mailedIn(join(env["DATA_DIR"] ?? "", "mail")),
      history: {
        switchDeaths: [...this.#switchDeaths],
        controllers: this.#controllers.map(({ fromMs, toMs }) => ({ fromMs, toMs: Math.min(toMs, nowMs) })),
        heartbeats: this.#heartbeats && structuredClone(this.#heartbeats),
        locks: [...this.#locks],
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
  ...checkDevices(evidence),
  ...checkConferences(evidence),
  ...checkTopUps(evidence),
  ...checkNumbers(evidence),
  ...checkStorage(evidence),
  ...checkMails(evidence),
];

/** Callers whom nobody took in are nobody's leg. */
function recordsByLeg(records: Iterable<EndRecord>, { legs }: Books): Map<string, EndRecord> {
  const byChannel = new Map(legs.map(({ id, channel_uuid }) => [channel_uuid, id]));
  return new Map(
    [...records].flatMap((record) => {
      const leg = record.leg.startsWith("leg_") ? record.leg : byChannel.get(record.leg);
      return leg === undefined ? [] : [[leg, { ...record, leg }]];
    }),
  );
}

/** Without a mail server each mail is a file, by its id. */
const mailedIn = (folder: string): Set<string> =>
  new Set(
    (existsSync(folder) ? readdirSync(folder) : []).flatMap((name) =>
      name.endsWith(".eml") ? name.slice(0, -".eml".length) : [],
    ),
  );
