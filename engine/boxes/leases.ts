import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { Poll } from "../poll.ts";
import {
  beat,
  controllers,
  forgetController,
  leases,
  releaseLease,
  renewLease,
  takeLease,
  type ControllerRow,
  type LeaseRow,
} from "../store/leases.ts";
import type { Store } from "../store/store.ts";
import { freeMsMax, handOver, isFairToTake, type Other } from "./shares.ts";

/** That one controller, and no other, does something for now. */
export interface Lease {
  readonly name: string;
  /** This controller. */
  readonly holder: string;
  /** Of this term: what is written under an older one is refused. */
  readonly fence: number;
  /**
   * Whether it surely is ours yet: by our own clocks, and some seconds before anybody else may take it. To be asked before every
   * command.
   */
  isHeld(): boolean;
}

/** What is done under a lease. */
export interface Work {
  /** Whether it can be done here, just now: another controller may reach a box that this one does not. */
  isFit(): boolean;
  /** Resolves once nothing of it goes on. */
  stop(): Promise<void>;
}

export interface LeasesParts {
  /** Nothing else waits in it: a renewal is not to stand behind what it is for. */
  store: Store;
  clock: Clock;
  log: Log;
  /** Which controller this is: the same after a restart, and never two processes at a time. */
  controller: { id: string; host: string; pid: number };
  /** Which boxes it may lead; what is nobody's box is `duties`. */
  boxes: readonly string[];
  /** Begins what is done under it. */
  begin: (lease: Lease) => Promise<Work>;
}

/** Of the lease of everything that is done once for all boxes. */
export const duties = "duties";

/** A holder that was not heard of for so long has it no more. */
const leaseMs = 7_000;
/** So long before that it stops by itself: clocks do not run alike, and a command takes its time. */
const marginMs = 3_000;
const renewEveryMs = 1_000;
/** Our clock that never goes backwards may stand still with the machine, the wall clock does not: they part by less. */
const clocksApartMsMax = 2_000;
/** A controller that was not heard of for so long counts no more. */
const aliveMs = 5_000;
const forgottenMs = 600_000;
/** A look so late says nothing of others: whatever kept us from it may have kept them from renewing. */
const lookMsMax = 3_500;
/** What cannot be done here for so long is left to whoever else may; and if it came back, the next time after so long. */
const unfitMs = 10_000;
const unfitAgainMs = 300_000;
/** What does not stop within this is given up: the lease runs out. */
const stopMsMax = 15_000;
/** What could not be begun is not tried again for so long, so that others come. */
const failedMs = 30_000;

interface Held extends Lease {
  heldUntilMs: number;
  /** By how much the wall clock was ahead of the other, at the last renewal. */
  apartMs: number;
}

interface Term {
  lease: Held;
  /** Null: it could not be begun. */
  work: Promise<Work | null>;
  /** Once it is begun. */
  begun: Work | null;
  /** When it was last fit, monotonic. */
  fitMs: number;
  /** Given back, or lost. */
  ended: boolean;
}

export interface Seen<Row> {
  row: Row;
  /** When it was first seen like this, monotonic. */
  sinceMs: number;
}

/**
 * Keeps, each second, the leases that this controller holds, and takes those that nobody does. The database decides who has
 * one; how long somebody has not renewed it is measured by the clock of whoever would take it, so no two clocks are ever
 * compared.
 */
export class Leases {
  readonly #parts: LeasesParts;
  readonly #poll: Poll;
  readonly #terms = new Map<string, Term>();
  /** Of terms that are over: nothing is taken again before its work has stopped. */
  readonly #ending = new Map<string, Promise<void>>();
  readonly #leases = new Map<string, Seen<LeaseRow>>();
  readonly #others = new Map<string, Seen<ControllerRow>>();
  /** Boxes that were left to others: under which fence, and when they came back, monotonic, since nobody wanted them. */
  readonly #left = new Map<string, { fence: number; backMs: number | null }>();
  /** Being taken. */
  readonly #taking = new Map<string, Promise<void>>();
  /** Names that this process has held: the next time they are nobody's until they have run out, as anybody else's. */
  readonly #had = new Set<string>();
  /** Boxes that were given up as unfit. */
  readonly #unfit = new Set<string>();
  /** When the beginning of what is done under it failed, monotonic. */
  readonly #failed = new Map<string, number>();
  readonly #startedAtMs: number;
  #lookedMs: number | undefined;
  /** Another process that beats with our id; null: none. */
  #twin: Seen<ControllerRow> | null = null;
  #draining = false;
  #looked: () => void = () => undefined;

  constructor(parts: LeasesParts) {
    this.#parts = parts;
    const { clock, log } = parts;
    this.#startedAtMs = clock.nowMs();
    this.#poll = new Poll(
      clock,
      renewEveryMs,
      () => this.#look().finally(() => this.#looked()),
      (error) => log.warn({ err: error }, "The leases could not be renewed yet."),
    );
  }

  /** Resolves after the first look, or the try of it: what was free by then is begun. */
  async start(): Promise<void> {
    const looked = Promise.withResolvers<null>();
    this.#looked = () => looked.resolve(null);
    this.#poll.start();
    await looked.promise;
    await Promise.all(this.#taking.values());
  }

  /** Stops what is done, and gives each lease back as soon as that has stopped: the next controller need not wait. */
  async stop(): Promise<void> {
    this.#draining = true;
    // Renewed until they are given back.
    await this.#endAll();
    await this.#poll.stop();
    // What was being taken meanwhile.
    await Promise.all(this.#taking.values());
    await this.#endAll();
    await this.#parts.store
      .write((tx) => forgetController(tx, this.#parts.controller.id))
      .catch((error: unknown) => {
        this.#parts.log.warn({ err: error }, "That this controller is gone could not be stored.");
      });
  }

  async #endAll(): Promise<void> {
    await Promise.all([...this.#terms.values()].map((term) => this.#end(term, "release")));
    await Promise.all(this.#ending.values());
  }

  async #look(): Promise<void> {
    if (this.#twin !== null && !(await this.#isTwinGone(this.#twin))) return;
    const { store, clock, controller, boxes } = this.#parts;
    const terms = [...this.#terms.values()].filter(({ ended }) => !ended);
    const unknown = [...boxes, duties].filter((name) => !this.#leases.has(name));
    const fromMs = clock.monotonicMs();
    const apartMs = this.#apartMs();
    const now = await store.write(async (tx) => {
      const beating = await controllers(tx);
      const ours = beating.find(({ id }) => id === controller.id);
      if (this.#lookedMs !== undefined && this.#isAnother(ours)) return ours;
      for (const name of unknown) await takeLease(tx, name, null, undefined);
      await beat(tx, {
        ...controller,
        ...{ boxes: JSON.stringify(boxes), draining: this.#draining ? 1 : 0, startedAtMs: this.#startedAtMs },
      });
      const lost: Term[] = [];
      for (const term of terms) if (!(await renewLease(tx, term.lease))) lost.push(term);
      return { lost, leases: await leases(tx), controllers: beating };
    });
    if ("pid" in now) return this.#stepBack(now);
    for (const term of terms) {
      if (!now.lost.includes(term))
        Object.assign(term.lease, { heldUntilMs: fromMs + leaseMs - marginMs, apartMs });
      // One that was given back meanwhile is not there to be renewed.
      else if (this.#terms.get(term.lease.name) === term) void this.#end(term, "lost");
    }
    const atMs = clock.monotonicMs();
    if (atMs - (this.#lookedMs ?? -Infinity) > lookMsMax) {
      this.#leases.clear();
      this.#others.clear();
    }
    this.#lookedMs = atMs;
    note(this.#leases, now.leases, ({ name }) => name, sameLease, atMs);
    note(this.#others, now.controllers, ({ id }) => id, sameController, atMs);
    if (this.#draining) return;
    for (const name of [...boxes, duties]) if (this.#mayTake(name)) this.#begin(name);
    this.#giveUpUnfit();
    this.#giveAway();
    await this.#sweep();
  }

  /** Another's beat stands where ours was last. */
  #isAnother(row: ControllerRow | undefined): row is ControllerRow {
    const { pid, host } = this.#parts.controller;
    return (
      row !== undefined && (row.pid !== pid || row.host !== host || row.startedAtMs !== this.#startedAtMs)
    );
  }

  /** DATA_DIR was copied with the machine, or its locks do not hold: of two with one id neither could be told from the other. */
  #stepBack(row: ControllerRow): void {
    const { clock, log } = this.#parts;
    this.#twin = { row, sinceMs: clock.monotonicMs() };
    log.error(
      { otherHost: row.host, otherPid: row.pid },
      "Another process runs with this DATA_DIR's controller.id: this one leads nothing as long as it runs. Give each a DATA_DIR of its own, without that file.",
    );
    for (const term of this.#terms.values()) void this.#end(term, "lost");
  }

  /** It said so, or was not heard of for as long as a lease lasts: then this one is as if it had just been started. */
  async #isTwinGone(twin: Seen<ControllerRow>): Promise<boolean> {
    const { store, clock, controller, log } = this.#parts;
    const row = (await store.read(controllers)).find(({ id }) => id === controller.id);
    const atMs = clock.monotonicMs();
    const late = atMs - (this.#lookedMs ?? -Infinity) > lookMsMax;
    this.#lookedMs = atMs;
    if (row !== undefined && (late || !sameController(row, twin.row))) {
      this.#twin = { row, sinceMs: atMs };
      return false;
    }
    if (row !== undefined && atMs - twin.sinceMs < leaseMs) return false;
    log.warn({}, "The other process with this controller.id is gone: this one takes part again.");
    this.#twin = null;
    this.#lookedMs = undefined;
    // What the other held is ours at once: it renews its leases as it beats.
    this.#had.clear();
    return true;
  }

  /** Beside the looks, which renew what is held. */
  #begin(name: string): void {
    const { log } = this.#parts;
    const taking = this.#take(name)
      .catch((error: unknown) => log.warn({ err: error, lease: name }, "a lease could not be taken yet"))
      .finally(() => this.#taking.delete(name));
    this.#taking.set(name, taking);
  }

  #mayTake(name: string): boolean {
    if (this.#terms.has(name) || this.#ending.has(name) || this.#taking.has(name)) return false;
    const { clock, controller, boxes } = this.#parts;
    const seen = this.#leases.get(name);
    if (seen === undefined) return false;
    const sinceMs = clock.monotonicMs() - seen.sinceMs;
    if (clock.monotonicMs() - (this.#failed.get(name) ?? -Infinity) < failedMs) return false;
    // Its holder was this controller, before it was started anew.
    if (seen.row.holder === controller.id && !this.#had.has(name)) return true;
    if (seen.row.holder !== null) return sinceMs >= leaseMs;
    if (this.#unfit.has(name) && sinceMs < freeMsMax) return false;
    return name === duties || isFairToTake(this.#mine(), boxes, this.#alive(), sinceMs);
  }

  async #take(name: string): Promise<void> {
    const { store, clock, log, controller, begin } = this.#parts;
    const fromMs = clock.monotonicMs();
    const apartMs = this.#apartMs();
    const seen = this.#leases.get(name)?.row;
    const fence = await store.write((tx) => takeLease(tx, name, controller.id, seen));
    if (fence === null) return;
    this.#had.add(name);
    if (this.#draining) {
      await store.write((tx) => releaseLease(tx, { name, holder: controller.id, fence }));
      return;
    }
    const left = this.#left.get(name);
    // By the giving back, and by this: nobody else had it in between.
    if (left && left.fence + 2 === fence) left.backMs = fromMs;
    else this.#left.delete(name);
    const lease = this.#lease(name, fence, { heldUntilMs: fromMs + leaseMs - marginMs, apartMs });
    log.info({ lease: name, fence, before: seen?.holder ?? null }, "lease taken");
    const term: Term = {
      ...{ lease, work: Promise.resolve(null), begun: null },
      ...{ fitMs: clock.monotonicMs(), ended: false },
    };
    this.#terms.set(name, term);
    term.work = Promise.try(() => begin(lease)).catch((error: unknown) => {
      log.error({ err: error, lease: name }, "What is done under a lease could not be begun.");
      return null;
    });
    term.begun = await term.work;
    if (term.begun !== null) return;
    this.#failed.set(name, clock.monotonicMs());
    void this.#end(term, "release");
  }

  #lease(name: string, fence: number, times: Pick<Held, "heldUntilMs" | "apartMs">): Held {
    const { clock, controller } = this.#parts;
    return {
      ...{ name, holder: controller.id, fence, ...times },
      isHeld: () => {
        const { lease, ended } = this.#terms.get(name) ?? {};
        if (lease?.fence !== fence || ended === true) return false;
        return (
          clock.monotonicMs() < lease.heldUntilMs &&
          Math.abs(this.#apartMs() - lease.apartMs) < clocksApartMsMax
        );
      },
    };
  }

  #end(term: Term, how: "lost" | "release"): Promise<void> {
    const { store, clock, log } = this.#parts;
    const { lease } = term;
    if (how === "lost") term.ended = true;
    const { name } = lease;
    const before = this.#ending.get(name);
    if (before !== undefined) return before;
    if (how === "lost") log.warn({ lease: name, fence: lease.fence }, "lease lost");
    const late = clock.after(stopMsMax, () => {
      // Renewed for ever, nobody could do it.
      term.ended = true;
      log.error({ lease: name }, "What was done under a lease does not stop: the lease is left to run out.");
    });
    const ended = (async () => {
      const work = await term.work;
      await work?.stop().catch((error: unknown) => {
        log.error({ err: error, lease: name }, "What was done under a lease could not be stopped cleanly.");
      });
      late.cancel();
      const gone = term.ended;
      term.ended = true;
      this.#terms.delete(name);
      if (gone) return;
      await store
        .write((tx) => releaseLease(tx, lease))
        .then(() => log.info({ lease: name, fence: lease.fence }, "lease given back"))
        .catch((error: unknown) => {
          // It runs out by itself.
          log.warn({ err: error, lease: name }, "a lease could not be given back");
        });
    })().finally(() => this.#ending.delete(name));
    this.#ending.set(name, ended);
    return ended;
  }

  /** A box that does not answer us may answer another that could lead it. */
  #giveUpUnfit(): void {
    const { clock, log } = this.#parts;
    const nowMs = clock.monotonicMs();
    for (const [name, term] of this.#terms) {
      if (term.begun === null || this.#ending.has(name)) continue;
      if (term.begun.isFit()) {
        term.fitMs = nowMs;
        this.#unfit.delete(name);
        continue;
      }
      const waitMs = this.#unfit.has(name) ? unfitAgainMs : unfitMs;
      if (nowMs - term.fitMs < waitMs || !this.#alive().some(({ boxes }) => boxes.includes(name))) continue;
      this.#unfit.add(name);
      log.warn({ lease: name }, "a box that does not answer is left to another controller");
      void this.#end(term, "release");
    }
  }

  /** One box more than is ours goes to a controller that has less, at most one at a time. */
  #giveAway(): void {
    if (this.#ending.size > 0) return;
    const { boxes, clock, log } = this.#parts;
    const nowMs = clock.monotonicMs();
    const backMs = (box: string) => nowMs - (this.#left.get(box)?.backMs ?? -Infinity);
    const name = handOver(this.#mine(), boxes, this.#alive(), backMs);
    const term = name === null ? undefined : this.#terms.get(name);
    if (name === null || term === undefined) return;
    this.#left.set(name, { fence: term.lease.fence, backMs: null });
    log.info({ lease: name }, "a box is left to a controller that leads fewer");
    void this.#end(term, "release");
  }

  /** Boxes that this controller leads. */
  #mine(): string[] {
    return [...this.#terms.keys()].filter((name) => name !== duties);
  }

  /** The other controllers that take boxes, and which they lead. */
  #alive(): Other[] {
    const { clock, controller } = this.#parts;
    const nowMs = clock.monotonicMs();
    return [...this.#others.values()]
      .filter(
        ({ row, sinceMs }) => row.id !== controller.id && row.draining === 0 && nowMs - sinceMs < aliveMs,
      )
      .map(({ row }) => ({
        boxes: JSON.parse(row.boxes) as string[],
        leads: [...this.#leases.values()].filter(
          (lease) => lease.row.holder === row.id && lease.row.name !== duties,
        ).length,
      }));
  }

  /** Whoever died without a word: its rows go; and leases of boxes that are not ours to take are nobody's then. */
  async #sweep(): Promise<void> {
    const { store, clock, boxes } = this.#parts;
    const nowMs = clock.monotonicMs();
    for (const { row, sinceMs } of this.#others.values())
      if (nowMs - sinceMs >= forgottenMs) await store.write((tx) => forgetController(tx, row.id, row.beats));
    const known = [...boxes, duties];
    for (const { row, sinceMs } of this.#leases.values())
      if (row.holder !== null && !known.includes(row.name) && nowMs - sinceMs >= leaseMs)
        await store.write((tx) => takeLease(tx, row.name, null, row));
  }

  #apartMs(): number {
    const { clock } = this.#parts;
    return clock.nowMs() - clock.monotonicMs();
  }
}

/** Remembers since when each is as it is. */
export function note<Row>(
  seen: Map<string, Seen<Row>>,
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  isSame: (one: Row, other: Row) => boolean,
  nowMs: number,
): void {
  const keys = new Set(rows.map(keyOf));
  for (const key of seen.keys()) if (!keys.has(key)) seen.delete(key);
  for (const row of rows) {
    const before = seen.get(keyOf(row));
    seen.set(keyOf(row), { row, sinceMs: before && isSame(before.row, row) ? before.sinceMs : nowMs });
  }
}

export const sameLease = (one: LeaseRow, other: LeaseRow) =>
  one.holder === other.holder && one.fence === other.fence && one.renewals === other.renewals;

const sameController = (one: ControllerRow, other: ControllerRow) =>
  one.beats === other.beats && one.startedAtMs === other.startedAtMs;
