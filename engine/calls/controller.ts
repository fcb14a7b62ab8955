import type { StrayBoxes } from "../boxes/strays.ts";
import type { Timer } from "../clock.ts";
import { isError } from "../errors.ts";
import { isId, type CallId, type ConferenceId, type IntentOwner, type LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import {
  callOfLeg,
  channelOf,
  channelsOfBox,
  callsWithIntents,
  callsToWake,
  deleteIntent,
  firstLegPlace,
  isWithin,
  legById,
  saveBoxAlive,
  talkingWorkspaces,
  wakeAtMs,
} from "../store/calls.ts";
import type { Store, Tx } from "../store/store.ts";
import type { Streams } from "../streams/streams.ts";
import type {
  Arrival,
  BoxEvent,
  DeviceEvent,
  LoginFailed,
  RelayedRing,
  Switch,
  SwitchEvent,
} from "../switch/switch.ts";
import { CallChange } from "./call-change.ts";
import type { ChangeParts, Drains } from "./change-parts.ts";
import { rearmCutOffs } from "./cut-off.ts";
import { DocumentRun, type DocumentFact } from "./document-run.ts";
import { takeInDeviceCall } from "./device-call.ts";
import { EventOrder } from "./event-order.ts";
import { takeInCall, type Taken } from "./inbound.ts";
import { IntentRunner, type MediaLibrary } from "./intent-runner.ts";
import { takeLegNews, type LegNews } from "./leg-progress.ts";
import type { Questioner } from "./questioner.ts";
import { Reconciler } from "./reconciler.ts";
import { Rooms } from "./rooms.ts";
import { endLegsOfUnknownBoxes, forgetUnknownBoxes } from "./unknown-boxes.ts";
import { dialSecondLeg } from "./second-leg.ts";

/** `changed` tells whichever process runs the controller: this one, once it listens, by `Controller.changed`. */
export interface ControllerParts extends ChangeParts {
  store: Store;
  log: Log;
  media: MediaLibrary;
  questioner: Questioner;
  sipAddressOf: (host: string, signal: AbortSignal) => Promise<string>;
  loginFailed: (event: LoginFailed) => void;
  /** Who keeps the devices at a box; null: none are let in. */
  devices: { take(event: DeviceEvent): void; connected(): void } | null;
  /** Of this process alone: what runs in it ends with it. */
  streams: Streams;
  /** A box is connected, perhaps again. */
  boxConnected: (box: string) => void;
  /** Whether a carrier's call from that address is taken in by a ticket of the edge's alone. */
  ticketed: (source: string | null) => boolean;
  drains: Drains;
  /** The boxes' end-of-leg records are taken in by this process too, and before it looks for legs that are gone. */
  takesEndRecords: boolean;
  /** Whose calls are driven. */
  scope: { box: string } | StrayBoxes;
  /** Read anew before what is done once at most. Null: nobody else could. */
  stillLeads: (() => Promise<boolean>) | null;
}

/** A box with its event feed, as the controller is given it. */
export interface Box extends Switch {
  onEvent(listener: (event: SwitchEvent) => void): void;
  onBoxEvent(listener: (event: BoxEvent) => void): void;
  /** Perhaps several times for one caller, until the channel is known. */
  onArrival(listener: (arrival: Arrival) => void): void;
  /** What the switch calls the channel of a leg that came to it. */
  know(leg: LegId, uuid: string): void;
  /** `channel`: only if it is still called that. */
  forget(leg: LegId, channel?: string): void;
  legOf(uuid: string): LegId | undefined;
  start(): void;
  stop(): Promise<void>;
}

/** How often the switch's own list is compared with ours while nothing seems wrong. */
const reconcileEveryMs = 30_000;
/** Besides the signals in the process: what another process stored, or a signal lost in a crash. */
const sweepEveryMs = 1_000;

/** An event waits so long for the database to come back; then it takes the next reconciliation, or the leg's record. */
const eventMsMax = 30_000;
const eventRetryMsMin = 50;
const eventRetryMsMax = 1_000;

/** The switch ends a caller by itself whom nobody took in for 10 s. */
const arrivalMsMax = 9_000;

/** Whoever stops waits so long for the boxes to take what is on its way to them. */
const lastWordsMsMax = 2_000;

/** How often the legs of boxes that are nobody's are looked for. */
const endStraysEveryMs = 60_000;

/** Drives calls: takes the switch's news in, carries intents out, wakes waiting steps, reconciles. Holds nothing of its own. */
export class Controller {
  readonly #parts: ControllerParts;
  readonly #boxes: readonly Box[];
  readonly #document: DocumentRun;
  readonly #intents: IntentRunner;
  readonly #rooms: Rooms;
  readonly #events: EventOrder;
  readonly #reconcilers = new Map<string, Reconciler>();
  readonly #wakeTimers = new Map<CallId, Timer>();
  /** Legs that are being taken in. */
  readonly #arriving = new Set<LegId>();
  #sweep: Timer | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #starting: Promise<unknown> = Promise.resolve();
  #stopped = false;
  /** Null: another controller sees to them. */
  readonly #strays: StrayBoxes | null;
  /** When their legs were last looked for, monotonic. */
  #straysMs: number | undefined;
  /** When all rooms were last compared, monotonic. */
  #roomsMs: number | undefined;

  constructor(parts: ControllerParts, boxes: readonly Box[]) {
    this.#parts = parts;
    this.#boxes = boxes;
    const { scope } = parts;
    this.#strays = "box" in scope ? null : scope;
    this.#document = new DocumentRun(dialSecondLeg);
    this.#intents = new IntentRunner({
      ...parts,
      boxOf: (name) => boxes.find((box) => box.box === name),
      news: (news) => this.#takeNews(news),
      progress: (callId, fact) => this.#feed(callId, fact),
      fact: (intent, fact) => {
        const { id, callId: owner } = intent;
        if (isId("conf", owner)) return this.#rooms.take(owner, id, fact);
        return parts.store.write(async (tx) => {
          // Stored before, by a commit whose answer was lost.
          if ((await deleteIntent(tx, id)).changes === 0) return;
          await this.#change(tx, owner, (change) => this.#document.feed(change, fact));
        });
      },
      announced: (room, token, reason) => this.#rooms.announced(room, token, reason),
      inDoubt: (box) => this.#reconcilers.get(box)?.soon(),
    });
    this.#rooms = new Rooms({
      ...parts,
      boxOf: (name) => boxes.find((box) => box.box === name),
      news: (news) => this.#takeNews(news),
    });
    this.#events = new EventOrder((leg) => parts.store.read((tx) => callOfLeg(tx, leg)));
    for (const box of boxes) {
      this.#reconcilers.set(
        box.box,
        new Reconciler({
          ...{ ...parts, box },
          news: (news) => this.#takeNews(news),
          arrived: (arrival) => this.#arrived(box, arrival),
          isArriving: (leg) => this.#arriving.has(leg),
          hangUp: (call, leg) => this.#hangUp(call, leg),
        }),
      );
    }
  }

  start(): void {
    for (const box of this.#boxes) {
      box.onEvent((event) => this.#events.take(event.leg, () => this.#onEvent(event)));
      box.onArrival((arrival) => this.#arrived(box, arrival));
      box.onBoxEvent((event) => {
        this.#onBoxEvent(box, event).catch((error: unknown) => {
          this.#parts.log.error(
            { err: error, box: box.box, event: event.kind },
            "a box's event was not dealt with",
          );
        });
      });
    }
    this.#starting = Promise.all(this.#boxes.map((box) => this.#startBox(box)));
    this.#scheduleSweep(0);
  }

  /** Before the first event: which channels are legs that came to us is in the store alone. */
  async #startBox(box: Box): Promise<void> {
    const { store, clock, log } = this.#parts;
    const stopped = () => this.#stopped;
    for (let delayMs = eventRetryMsMin; !stopped(); delayMs = Math.min(delayMs * 2, eventRetryMsMax)) {
      try {
        for (const leg of await store.read((tx) => channelsOfBox(tx, box.box)))
          box.know(leg.id, leg.channelUuid);
        if (!stopped()) box.start();
        return;
      } catch (error) {
        log.error({ err: error, box: box.box }, "the box's legs could not be read");
        await clock.sleep(delayMs);
      }
    }
  }

  /** Drops the connections; calls in the switch go on, and the next controller takes them up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sweep?.cancel();
    for (const timer of this.#wakeTimers.values()) timer.cancel();
    for (const reconciler of this.#reconcilers.values()) reconciler.stop();
    await this.#starting;
    await this.#endWhatIsBegun();
    await this.#parts.streams.stop();
    await Promise.all(this.#boxes.map((box) => box.stop()));
    await Promise.all([this.#sweeping, this.#events.idle()]);
    await this.#intents.stop();
  }

  /**
   * While the boxes can still be told: what is marked as sent is sent, or the next controller takes it for lost; for a ticket that is
   * used up a device is rung. But no box that does not answer is waited for.
   */
  async #endWhatIsBegun(): Promise<void> {
    const enough = new AbortController();
    await Promise.race([
      Promise.all([this.#intents.beginNoMore(), this.#events.idle()]),
      this.#parts.clock.sleep(lastWordsMsMax, enough.signal).catch(() => undefined),
    ]);
    enough.abort();
  }

  /** A stored change of a call, or of a room, wants something done: an intent, or to be woken at another time. */
  changed(owner: IntentOwner): void {
    if (this.#stopped) return;
    this.#intents.run(owner);
    if (isId("conf", owner)) void this.#changedRoom(owner);
    else void this.#arm(owner);
  }

  async #changedRoom(room: ConferenceId): Promise<void> {
    const { store, scope } = this.#parts;
    // Where that cannot be read, the comparison with the box's list tells.
    if (await store.read((tx) => isWithin(tx, room, scope)).catch(() => false))
      await this.#rooms.changed(room);
  }

  async #onEvent(event: SwitchEvent): Promise<void> {
    const { clock, streams } = this.#parts;
    if (event.kind === "digit") streams.digit(event.leg, event.digit);
    const news: LegNews = event.kind === "hungUp" ? { ...event, endedBy: "event" } : event;
    const untilMs = clock.monotonicMs() + eventMsMax;
    let delayMs = eventRetryMsMin;
    let kept = await this.#takeNews(news);
    while (kept === "later" && !this.#stopped && clock.monotonicMs() < untilMs) {
      await clock.sleep(delayMs);
      delayMs = Math.min(delayMs * 2, eventRetryMsMax);
      kept = await this.#takeNews(news);
    }
    if (event.kind === "hungUp") this.forget(event.leg, event.channel);
  }

  /** The leg, or that channel of it, is over: nothing more is said of it, or to it. */
  forget(leg: LegId, channel?: string): void {
    this.#events.forget(leg);
    for (const box of this.#boxes) box.forget(leg, channel);
  }

  /** A call came to the switch. From here on its channel is a leg, so that what follows at once is not lost. */
  #arrived(box: Box, arrival: Arrival): void {
    if (this.#stopped || box.legOf(arrival.uuid) !== undefined) return;
    const ids = { call: this.#parts.ids.next("call"), leg: this.#parts.ids.next("leg") };
    box.know(ids.leg, arrival.uuid);
    this.#events.expect(ids.leg, ids.call);
    this.#arriving.add(ids.leg);
    this.#events.take(ids.leg, () =>
      this.#takeIn(box, arrival, ids).finally(() => this.#arriving.delete(ids.leg)),
    );
  }

  /** Never rejects. Whom the database keeps out for too long, the switch ends by itself. */
  async #takeIn(box: Box, arrival: Arrival, ids: { call: CallId; leg: LegId }): Promise<void> {
    const { store, clock, log } = this.#parts;
    const { uuid, sipCallId } = arrival;
    const untilMs = clock.monotonicMs() + arrivalMsMax;
    for (let delayMs = eventRetryMsMin; !this.#stopped; delayMs = Math.min(delayMs * 2, eventRetryMsMax)) {
      try {
        const taken = await store.write((tx) => this.#take(tx, arrival, ids));
        if (taken.kind !== "stored") await this.#notTaken(box, arrival, ids.leg, taken);
        return;
      } catch (error) {
        log.error({ err: error, channel: uuid, sipCallId }, "a caller could not be taken in");
        if (!isError(error, "database.unavailable") || clock.monotonicMs() > untilMs) break;
        await clock.sleep(delayMs);
      }
    }
    this.forget(ids.leg);
  }

  #take(tx: Tx, arrival: Arrival, ids: { call: CallId; leg: LegId }): Promise<Taken> {
    const { device } = arrival;
    return device === null
      ? takeInCall(tx, this.#parts, arrival, ids, this.#document)
      : takeInDeviceCall(tx, this.#parts, { ...arrival, device }, ids);
  }

  async #notTaken(
    box: Box,
    { uuid, sipCallId }: Arrival,
    mine: LegId,
    taken: Exclude<Taken, { kind: "stored" }>,
  ): Promise<void> {
    const { log } = this.#parts;
    if (taken.kind === "gone") return this.forget(mine);
    if (taken.kind === "known") {
      this.forget(mine);
      box.know(taken.leg.id, uuid);
      if (taken.leg.endedAtUs === null) return;
    } else if (taken.kind === "relayed") return this.#ringFor(box, mine, taken.ring);
    else log.warn({ box: box.box, why: taken.why, sipCallId }, "a caller was refused");
    const ended =
      taken.kind === "known" ? box.hangUp(taken.leg.id, "MANAGER_REQUEST") : box.refuse(mine, taken.cause);
    await ended.catch((error: unknown) => {
      // The dialplan's own limit ends them.
      log.warn({ err: error, box: box.box, sipCallId }, "a caller could not be refused");
    });
    this.forget(taken.kind === "known" ? taken.leg.id : mine);
  }

  /** From here on it is the switch's alone. Should that not have come about, the other box's ring time ends it. */
  async #ringFor(box: Box, mine: LegId, ring: RelayedRing | null): Promise<void> {
    const { log } = this.#parts;
    if (ring === null) return this.forget(mine);
    const fields = { box: box.box, leg: ring.leg };
    await box.ringFor(mine, ring).then(
      (rings) => log.debug({ ...fields, rings }, "a device is rung for another box"),
      (error: unknown) => log.warn({ ...fields, err: error }, "a device could not be rung for another box"),
    );
    this.forget(mine);
  }

  #hangUp(call: CallId, leg: LegId): Promise<void> {
    return this.#parts.store.write((tx) =>
      this.#change(tx, call, (change) => {
        const isLive = change.legs.some(({ id, endedAtUs }) => id === leg && endedAtUs === null);
        if (isLive) change.intend({ kind: "hangUp", leg, cause: "NORMAL_TEMPORARY_FAILURE" });
        return Promise.resolve();
      }),
    );
  }

  /** Not where the leg has been dialled anew since, and talks by another channel. */
  async endStream(id: LegId, channel: string | undefined): Promise<void> {
    const { store, streams } = this.#parts;
    if (!streams.has(id)) return;
    const leg =
      channel === undefined ? undefined : await store.read((tx) => legById(tx, id)).catch(() => undefined);
    if (leg && channel !== channelOf(leg)) return;
    await streams.legEnded(id);
  }

  /** Never rejects. `later`: the database is away, and the same news can be taken again. */
  async #takeNews(news: LegNews): Promise<"stored" | "later" | "refused"> {
    if (news.kind === "hungUp") await this.endStream(news.leg, news.channel);
    this.#parts.log.debug({ leg: news.leg, box: news.box, news: news.kind }, "news of a leg");
    try {
      await this.#parts.store.write(async (tx) => {
        const callId = await callOfLeg(tx, news.leg);
        if (callId) await this.#change(tx, callId, (change) => takeLegNews(change, news, this.#document));
      });
      if (news.kind === "hungUp") this.forget(news.leg, news.channel);
      return "stored";
    } catch (error) {
      // An end comes again by its record, a leg's state by the next reconciliation; what a step waits for, by its time.
      this.#parts.log.error(
        { err: error, leg: news.leg, news: news.kind },
        "news of a leg could not be stored",
      );
      return isError(error, "database.unavailable") ? "later" : "refused";
    }
  }

  async #feed(callId: CallId, fact: DocumentFact): Promise<void> {
    try {
      await this.#parts.store.write((tx) =>
        this.#change(tx, callId, (change) => this.#document.feed(change, fact)),
      );
    } catch (error) {
      this.#parts.log.error({ err: error, callId, fact: fact.kind }, "a step's fact could not be stored");
    }
  }

  async #change(tx: Tx, callId: CallId, work: (change: CallChange) => Promise<unknown>): Promise<void> {
    const change = await CallChange.load(this.#parts, tx, callId);
    if (!change) return;
    await work(change);
    await change.save();
  }

  async #onBoxEvent(box: Box, event: BoxEvent): Promise<void> {
    const { store, log } = this.#parts;
    const reconciler = this.#reconcilers.get(box.box);
    switch (event.kind) {
      case "alive":
        await store
          .write((tx) => saveBoxAlive(tx, box.box, event.coreUuid, event.atUs))
          .catch((error: unknown) => {
            log.warn({ err: error, box: box.box }, "the heartbeat could not be stored");
          });
        return;
      case "connected":
        this.#parts.devices?.connected();
        this.#parts.boxConnected(box.box);
        await reconciler?.connected(event);
        // Its legs first: who is gone is in no room any more.
        await this.#reconcileRooms(box);
        for (const { workspaceId } of await store.read(talkingWorkspaces)) {
          await store.write((tx) => rearmCutOffs(tx, this.#parts, workspaceId));
        }
        await this.#runAll();
        return;
      case "disconnected":
        if (!this.#stopped) log.warn({ box: box.box, reason: event.reason }, "switch disconnected");
        return;
      case "registered":
      case "unregistered":
        this.#parts.devices?.take(event);
        return;
      case "loginFailed":
        this.#parts.loginFailed(event);
        return;
    }
  }

  /** Once a second, whatever the signals said: calls with something to do, and steps whose time has come. */
  #scheduleSweep(delayMs: number): void {
    this.#sweep = this.#parts.clock.after(delayMs, () => {
      this.#sweeping = this.#sweepOnce().finally(() => {
        if (!this.#stopped) this.#scheduleSweep(sweepEveryMs);
      });
    });
  }

  async #sweepOnce(): Promise<void> {
    try {
      const { store, clock, scope } = this.#parts;
      // First: what follows goes by it.
      await this.#strays?.look();
      const waiting = await store.read((tx) => callsToWake(tx, clock.steadyMs(), scope));
      for (const { id } of waiting) if (!this.#stopped) await this.#feedWake(id);
      await this.#runAll();
      for (const reconciler of this.#reconcilers.values()) await reconciler.every(reconcileEveryMs);
      await this.#sweepRooms();
      await this.#endStrays(this.#parts.clock.monotonicMs());
    } catch (error) {
      this.#parts.log.error({ err: error }, "the controller's sweep failed");
    }
  }

  /** Seldom: nobody waits for it. */
  async #endStrays(nowMs: number): Promise<void> {
    const strays = this.#strays?.strays ?? null;
    if (strays === null || nowMs - (this.#straysMs ?? -Infinity) < endStraysEveryMs) return;
    this.#straysMs = nowMs;
    await endLegsOfUnknownBoxes({ ...this.#parts, news: (news) => this.#takeNews(news) }, strays);
    await forgetUnknownBoxes(this.#parts, strays);
  }

  async #sweepRooms(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - (this.#roomsMs ?? 0) < reconcileEveryMs) return this.#rooms.everySecond(this.#boxes);
    this.#roomsMs = nowMs;
    for (const box of this.#boxes) if (box.connected) await this.#reconcileRooms(box);
  }

  /** A box that goes away meanwhile is asked again when it is back. */
  async #reconcileRooms(box: Box): Promise<void> {
    await this.#rooms.reconcile(box).catch((error: unknown) => {
      if (!this.#stopped) this.#parts.log.warn({ err: error, box: box.box }, "rooms could not be compared");
    });
  }

  async #runAll(): Promise<void> {
    const { store, scope } = this.#parts;
    const calls = await store.read((tx) => callsWithIntents(tx, scope));
    for (const { callId } of calls) this.#intents.run(callId);
  }

  /** A timer for the step's own time; the sweep stands in where the timer died with its process. */
  async #arm(callId: CallId): Promise<void> {
    const { store, scope } = this.#parts;
    const atMs = await store.read((tx) => wakeAtMs(tx, callId, scope)).catch(() => null);
    this.#wakeTimers.get(callId)?.cancel();
    this.#wakeTimers.delete(callId);
    if (this.#stopped || atMs === null) return;
    const delayMs = atMs - this.#parts.clock.steadyMs();
    this.#wakeTimers.set(
      callId,
      this.#parts.clock.after(delayMs, () => void this.#feedWake(callId)),
    );
  }

  /**
   * False: what its steps wait for may have happened unheard. No time of theirs runs out before somebody has looked; the
   * leg's adoption sees to what is due then, the sweep to the rest.
   */
  async #hears(callId: CallId): Promise<boolean> {
    const leg = await this.#parts.store.read((tx) => firstLegPlace(tx, callId)).catch(() => undefined);
    if (leg?.endedAtUs !== null) return true;
    return this.#reconcilers.get(leg.box)?.hears(leg.id) ?? true;
  }

  async #feedWake(callId: CallId): Promise<void> {
    this.#wakeTimers.delete(callId);
    const { store, clock, scope } = this.#parts;
    const atMs = await store.read((tx) => wakeAtMs(tx, callId, scope)).catch(() => null);
    if (atMs === null || atMs > clock.steadyMs() || !(await this.#hears(callId))) return;
    await this.#feed(callId, { kind: "wake" });
  }
}
