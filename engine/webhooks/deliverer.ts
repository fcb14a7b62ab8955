import type { Clock, Timer } from "../clock.ts";
import type { Egress } from "../egress/egress.ts";
import type { DeliveryId, Ids } from "../ids.ts";
import type { Log } from "../log.ts";
import type { Secrets } from "../secrets.ts";
import {
  deliveryToSend,
  forgetSettled,
  dueDeliveries,
  nextDueAtMs,
  pendingDestinations,
  recordAttempt,
  type Destination,
  type DeliveryToSend,
  type DueDelivery,
} from "../store/deliveries.ts";
import type { Store } from "../store/store.ts";
import { attempt, type Attempt } from "./attempt.ts";
import { newLane, orderKey, pick, type Lane } from "./lanes.ts";
import { nextStep } from "./schedule.ts";

export interface DelivererParts {
  store: Store;
  egress: Egress;
  secrets: Secrets;
  clock: Clock;
  ids: Ids;
  log: Log;
  /** How often the store is looked at unasked. Needed below the default only where other processes tell events. */
  pollMs?: number;
  /** Told of each try, for the metrics: its HTTP status (null: no answer), how long it took, and whether it was the last of a vain schedule. */
  tried?: (outcome: { status: number | null; latencyMs: number; deadLetter: boolean }) => void;
}

/**
 * Requests in flight at once. A lane is a workspace's deliveries to one host: 32 carry ten calls a second, of five events
 * each, to a server that takes half a second to answer. A lane that hangs gets a single request.
 */
const limits = { overall: 512, workspace: 64, lane: 32 } as const;

/** So many due rows of a lane are looked at to find those that may go now. */
const windowRows = 100;

/** An event waits for the answer to the one before it on its call, but no longer than this. */
const orderHoldMs = 1000;

/** The wall clock may be stepped, so no timer is trusted for longer. */
const pollMsDefault = 60_000;

const storeRetryMs = 1000;

const keptMs = 30 * 86_400_000;
const forgetFirstMs = 600_000;
const forgetEveryMs = 3_600_000;
const forgetRows = 200;
/** While there is more: as much a second as ten calls a second leave, several times over. */
const forgetPauseMs = 1000;

/**
 * Takes due deliveries from the store and tries them until they are delivered or dead. What is in flight is known in
 * memory alone: a crash between an answer and its record sends again, with the same event id.
 */
export class Deliverer {
  readonly #parts: DelivererParts;
  readonly #lanes = new Map<string, Lane>();
  readonly #activeByWorkspace = new Map<string, number>();
  #active = 0;
  #forgetAtMs: number | null = null;
  /** Lanes that had work when there was no room overall or in their workspace, longest waiting first. */
  readonly #starved = new Set<Lane>();
  /** Lanes for which the store is being read, and those of them for which something came meanwhile. */
  readonly #filling = new Set<Lane>();
  readonly #again = new Set<Lane>();
  readonly #running = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #started = false;
  #timer: { atMs: number; timer: Timer } | null = null;

  constructor(parts: DelivererParts) {
    this.#parts = parts;
  }

  /** Takes up what the store holds, and all that comes. */
  start(): void {
    this.#started = true;
    this.#run(() => this.#sweep());
  }

  /** Something new is due there: to be called after its commit. Nothing, before the start, which looks for itself. */
  wake(destination: Destination): void {
    if (!this.#started) return;
    this.#run(() => this.#fill(this.#lane(destination)));
  }

  /** Starts nothing more and waits for what is in flight: at most the time-out of one try. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer?.timer.cancel();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Fills every lane that has something due, and sets the alarm for the first that will. */
  async #sweep(): Promise<void> {
    const { clock, store, pollMs = pollMsDefault } = this.#parts;
    const nowMs = clock.nowMs();
    this.#timer?.timer.cancel();
    this.#timer = null;
    this.#alarm(nowMs + pollMs);
    for (const pending of await store.read(pendingDestinations)) {
      if (pending.nextAttemptAtMs <= nowMs) this.wake(pending);
      else this.#alarm(pending.nextAttemptAtMs);
    }
    await this.#forget(nowMs);
  }

  /** A month of deliveries is kept to be looked at and replayed; a batch at a time, so that nobody waits for it. */
  async #forget(nowMs: number): Promise<void> {
    // Not at the start, when there is enough to do.
    this.#forgetAtMs ??= nowMs + forgetFirstMs;
    if (nowMs < this.#forgetAtMs) return;
    const { store } = this.#parts;
    const forgotten = await store.write((tx) => forgetSettled(tx, nowMs - keptMs, forgetRows));
    this.#forgetAtMs = nowMs + (forgotten === forgetRows ? forgetPauseMs : forgetEveryMs);
    this.#alarm(this.#forgetAtMs);
  }

  /** One alarm, for the earliest that was asked for. */
  #alarm(atMs: number): void {
    if (this.#stopping.signal.aborted || (this.#timer && this.#timer.atMs <= atMs)) return;
    this.#timer?.timer.cancel();
    const { clock } = this.#parts;
    const timer = clock.after(atMs - clock.nowMs(), () => this.#run(() => this.#sweep()));
    this.#timer = { atMs, timer };
  }

  #lane(destination: Destination): Lane {
    const key = `${destination.workspaceId} ${destination.host}`;
    let lane = this.#lanes.get(key);
    if (!lane) this.#lanes.set(key, (lane = newLane(key, destination)));
    return lane;
  }

  /** Starts as many of a lane's due deliveries as there is room for. */
  async #fill(lane: Lane): Promise<void> {
    if (this.#filling.has(lane)) {
      this.#again.add(lane);
      return;
    }
    this.#filling.add(lane);
    try {
      do await this.#fillOnce(lane);
      while (this.#again.delete(lane));
    } finally {
      this.#filling.delete(lane);
      if (lane.inFlight.size === 0 && !this.#starved.has(lane)) this.#lanes.delete(lane.key);
    }
  }

  async #fillOnce(lane: Lane): Promise<void> {
    if (this.#room(lane) === 0) return;
    const { due, nextMs } = await this.#look(lane);
    if (nextMs !== null) this.#alarm(nextMs);
    if (this.#stopping.signal.aborted) return;
    // Others took room while the store was read.
    const picked = pick(lane, due, this.#room(lane));
    for (const delivery of picked) this.#begin(lane, delivery);
    // Rows are left over: where the others have taken all the room, this notes that the lane waits for it.
    if (due.length > lane.inFlight.size) this.#room(lane);
    if (picked.length === 0) this.#refill();
  }

  /**
   * What is due of a lane. It takes a request's place meanwhile: no more lanes are read at once than may begin something, however
   * many wait for the one place that came free.
   */
  async #look(lane: Lane): Promise<{ due: DueDelivery[]; nextMs: number | null }> {
    const { clock, store } = this.#parts;
    const nowMs = clock.nowMs();
    this.#count(lane, 1);
    try {
      return await store.read(async (tx) => ({
        due: await dueDeliveries(tx, lane.destination, nowMs, windowRows),
        nextMs: await nextDueAtMs(tx, lane.destination, nowMs),
      }));
    } finally {
      this.#count(lane, -1);
    }
  }

  /** How many more requests a lane may begin now. One that others leave no room for is noted, to be filled later. */
  #room(lane: Lane): number {
    if (this.#stopping.signal.aborted) return 0;
    const own = (lane.hangs ? 1 : limits.lane) - lane.inFlight.size;
    if (own <= 0) return 0;
    const active = this.#activeByWorkspace.get(lane.destination.workspaceId) ?? 0;
    const shared = Math.min(limits.workspace - active, limits.overall - this.#active);
    if (shared <= 0) this.#starved.add(lane);
    return Math.max(0, Math.min(own, shared));
  }

  #begin(lane: Lane, delivery: DueDelivery): void {
    this.#count(lane, 1);
    lane.inFlight.add(delivery.id);
    const letGo = this.#hold(lane, delivery);
    this.#run(async () => {
      try {
        await this.#deliver(lane, delivery.id);
      } catch (error) {
        this.#parts.log.error(
          { err: error, delivery: delivery.id, callId: delivery.callId },
          "webhook not tried",
        );
        await this.#pause();
      } finally {
        letGo();
        lane.inFlight.delete(delivery.id);
        this.#count(lane, -1);
        this.#refill(lane);
      }
    });
  }

  #count(lane: Lane, change: 1 | -1): void {
    this.#active += change;
    const { workspaceId } = lane.destination;
    const active = (this.#activeByWorkspace.get(workspaceId) ?? 0) + change;
    if (active === 0) this.#activeByWorkspace.delete(workspaceId);
    else this.#activeByWorkspace.set(workspaceId, active);
  }

  /** Keeps the call's following events back while this first try is out, for a while. */
  #hold(lane: Lane, delivery: DueDelivery): () => void {
    const key = orderKey(delivery);
    if (key === null) return () => undefined;
    lane.holding.set(key, delivery.id);
    const letGo = () => {
      if (lane.holding.get(key) === delivery.id) lane.holding.delete(key);
    };
    const timer = this.#parts.clock.after(orderHoldMs, () => {
      letGo();
      this.#run(() => this.#fill(lane));
    });
    return () => {
      timer.cancel();
      letGo();
    };
  }

  /** Room has come free: those that waited for it first, the lane that gave it back last. */
  #refill(lane?: Lane): void {
    for (const next of new Set([...this.#starved, ...(lane ? [lane] : [])])) {
      if (this.#room(next) === 0) continue;
      this.#starved.delete(next);
      this.#run(() => this.#fill(next));
    }
  }

  async #deliver(lane: Lane, id: DeliveryId): Promise<void> {
    const { clock, store, log } = this.#parts;
    const delivery = await store.read((tx) => deliveryToSend(tx, id, clock.nowMs()));
    // Delivered, given up, deleted, or tried and put off since it was seen.
    if (!delivery) return;
    const made = await attempt(delivery, this.#parts);
    lane.hangs = made.row.error === "timeout";
    const next = this.#progress(delivery, made);
    const { kind, callId, traceId } = delivery;
    const about = { delivery: id, kind, callId, ...(traceId === null ? {} : { traceId }) };
    if (next.status === "dead_letter") log.warn(about, "webhook given up");
    const { status, latencyMs } = made.row;
    this.#parts.tried?.({ status, latencyMs, deadLetter: next.status === "dead_letter" });
    // The try is made and must not be made again for want of a record, so this goes on until it is stored.
    for (let stored = false; !stored;) {
      try {
        await store.write((tx) => recordAttempt(tx, delivery, made.row, next));
        stored = true;
      } catch (error) {
        log.error({ ...about, err: error }, "webhook attempt not recorded");
        if (this.#stopping.signal.aborted) return;
        await this.#pause();
      }
    }
    if (next.nextAttemptAtMs !== null) this.#alarm(next.nextAttemptAtMs);
  }

  /** Before the store is asked again; cut short by stop(). */
  async #pause(): Promise<void> {
    await this.#parts.clock.sleep(storeRetryMs, this.#stopping.signal).catch(() => undefined);
  }

  #progress(delivery: DeliveryToSend, made: Attempt) {
    const { clock, ids } = this.#parts;
    const tries = delivery.scheduleStep + 1;
    const step = nextStep(made.end, tries, ids.fraction());
    const nowMs = clock.nowMs();
    return {
      status: step.status,
      scheduleStep: tries,
      nextAttemptAtMs: step.status === "pending" ? nowMs + step.waitMs : null,
      deliveredAtMs: step.status === "delivered" ? nowMs : null,
    };
  }

  /** Work in the background: a failure is the store's or a bug, is logged, and the store is looked at again. */
  #run(work: () => Promise<void>): void {
    if (this.#stopping.signal.aborted) return;
    const running = work()
      .catch((error: unknown) => {
        const { log, clock } = this.#parts;
        log.error({ err: error }, "webhook delivery interrupted");
        this.#alarm(clock.nowMs() + storeRetryMs);
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}
