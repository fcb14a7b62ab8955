import { steadyUs, type Clock } from "../clock.ts";
import { isError } from "../errors.ts";
import type { CallId, LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import {
  boxByName,
  legById,
  legOfChannel,
  liveLegsOfBox,
  markGone,
  markLastProven,
  markSeen,
  raiseSeen,
  saveBox,
  type LegRow,
} from "../store/calls.ts";
import { liveRelaysAt } from "../store/relays.ts";
import type { Store } from "../store/store.ts";
import type { Arrival, BoxEvent, ChannelFacts, Switch } from "../switch/switch.ts";
import { lastProvenUs, lostLeg, untold, type Found, type LegNews } from "./leg-progress.ts";

interface Parts {
  box: Switch;
  store: Store;
  clock: Clock;
  log: Log;
  news: (news: LegNews) => Promise<unknown>;
  /** Somebody waits whom nobody took in: that they came was not told, or to nobody. */
  arrived: (arrival: Arrival) => void;
  /** A leg whose channel is known and that is not stored yet. */
  isArriving: (leg: LegId) => boolean;
  takesEndRecords: boolean;
  /** Has a leg hung up, at whichever box it is. */
  hangUp: (call: CallId, leg: LegId) => Promise<void>;
}

interface Connected {
  event: Extract<BoxEvent, { kind: "connected" }>;
  /** Monotonic. */
  atMs: number;
}

/** The switch's list lags its commands by up to a second: a leg younger than this is not looked for in it. */
const listLagMs = 2_000;
/**
 * A leg that is gone has an end-of-leg record on its way, however long the spool is down: so long is waited for it.
 * Where the switch itself died there may be none, and where it never had the leg there is none.
 */
const recordGraceMs = 600_000;
const noRecordGraceMs = 5_000;
/** A leg of which nothing was heard was there for a moment, perhaps: a spool that is another process may be away. */
const neverSeenGraceMs = 60_000;
/** A leg that is missing or was not found yet, or a command whose outcome is unknown, is looked for sooner. */
const doubtsEveryMs = 2_000;
/** By then the switch has done what it was asked, and lists it. */
const inDoubtMs = 10_000;
/** One that is there answers again well before: what happened meanwhile is for it to say. */
const awayMsMin = 60_000;
/** What answers a caller is stored before: one that stands for no leg when it is looked at again talks unbilled. */
const strangerGraceMs = 5_000;
const markedAtOnce = 32;
/** The longest that a phone may ring, with room. */
const ringMsMax = 600_000;

/** Compares what the store believes of one box's legs with what the box says, and sets the store right. */
export class Reconciler {
  readonly #parts: Parts;
  /** Legs that were not found, and when that was first noticed, monotonic ms. */
  readonly #missing = new Map<LegId, number>();
  /** Legs that lived when this connection was made, and were not found since. */
  #toAdopt = new Map<LegId, NonNullable<Found["adopted"]>>();
  /** Answered callers whom the store does not know, by uuid, and when that was first noticed, monotonic ms. */
  #strangers = new Map<string, number>();
  /** Legs and channels that one of two boxes alone has, and when that was first noticed, monotonic ms. */
  #alone = new Map<string, number>();
  #connections = 0;
  /** That could not be stored yet. */
  #unsaved: Connected | null = null;
  #inDoubtUntilMs = 0;
  /** When it was first seen to be away, monotonic; undefined: it is there. */
  #awaySinceMs: number | undefined;
  #lastMs = 0;
  #allMs: number | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** The box is there (again). Another core uuid: the switch itself was restarted and its legs died with it. */
  async connected(event: Extract<BoxEvent, { kind: "connected" }>): Promise<void> {
    this.#unsaved = { event, atMs: this.#parts.clock.monotonicMs() };
    // Who called a moment before we listened is not in the list yet.
    this.soon();
    await this.#takeConnected(this.#unsaved);
  }

  /** Before anything is compared: which core it is decides what the legs are held against. */
  async #takeConnected({ event, atMs }: Connected): Promise<void> {
    const { box } = this.#parts;
    try {
      const lived = await this.#livedBefore(event, atMs);
      const why = this.#connections++ === 0 ? "controller_started" : "reconnected";
      // One that the connection before had not found yet keeps its reason.
      this.#toAdopt = new Map(lived.map((leg) => [leg, this.#toAdopt.get(leg) ?? why]));
      if (this.#unsaved?.event === event) this.#unsaved = null;
      // One that runs already asks a connection that has gone.
      await this.#running?.catch(() => undefined);
      await this.#once(() => true);
    } catch (error) {
      this.#allMs = undefined;
      // Whoever stopped us closed the connection that was being asked.
      if (this.#stopped) return;
      // A box that has gone again is compared once it is back.
      const level = isError(error, "switch.unavailable") ? "warn" : "error";
      this.#parts.log[level]({ err: error, box: box.box }, "reconciliation on connect failed");
    }
  }

  /**
   * Whether all that the switch tells of the leg is heard: it is connected, and the leg, if it lived before that, has been
   * looked at since.
   */
  hears(leg: LegId): boolean {
    return this.#parts.box.connected && this.#unsaved === null && !this.#toAdopt.has(leg);
  }

  /** What was asked of the box may have been done or not: it is looked at as soon as its list can tell. */
  soon(): void {
    this.#inDoubtUntilMs = this.#parts.clock.monotonicMs() + inDoubtMs;
  }

  /** Compares all when the last time is longer ago than that, and every two seconds what is in doubt. */
  async every(intervalMs: number): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#awaySinceMs = this.#parts.box.connected ? undefined : (this.#awaySinceMs ?? nowMs);
    const allDue = this.#allMs === undefined || nowMs - this.#allMs >= intervalMs;
    const doubts =
      this.#unsaved !== null ||
      this.#missing.size > 0 ||
      this.#toAdopt.size > 0 ||
      nowMs < this.#inDoubtUntilMs;
    if (!allDue && !(doubts && nowMs - this.#lastMs >= doubtsEveryMs)) return;
    try {
      if (this.#awaySinceMs !== undefined) await this.#closeOverdue(nowMs - this.#awaySinceMs);
      else if (this.#unsaved !== null) await this.#takeConnected(this.#unsaved);
      else await this.#once(allDue ? () => true : (leg) => this.#isInDoubt(leg));
    } catch (error) {
      this.#parts.log.warn({ err: error, box: this.#parts.box.box }, "reconciliation failed");
    }
  }

  #isInDoubt({ id, startedAtUs }: LegRow): boolean {
    return startedAtUs === null || this.#missing.has(id) || this.#toAdopt.has(id);
  }

  /** Remembers which core answers; resolves with the legs that may have lived through the change. */
  #livedBefore({ coreUuid, version }: Connected["event"], connectedAtMs: number): Promise<LegId[]> {
    const { store, clock, box } = this.#parts;
    return store.write(async (tx) => {
      const before = await boxByName(tx, box.box);
      const legs = await liveLegsOfBox(tx, box.box);
      const agoMs = clock.monotonicMs() - connectedAtMs;
      if (before?.aliveAtUs != null && before.coreUuid !== coreUuid) {
        await raiseSeen(tx, box.box, before.aliveAtUs);
        // By the wall clock as it is now, since it may have been set since.
        const nowMs = clock.nowMs();
        await markLastProven(tx, box.box, { dialledBeforeMs: Math.round(nowMs - agoMs), nowMs });
      }
      // By the time that this could be stored it may have died.
      const aliveAtUs = Math.floor(clock.steadyMs() - agoMs) * 1000;
      await saveBox(tx, { name: box.box, coreUuid, version, aliveAtUs });
      return legs.flatMap((leg) => (leg.startedAtUs === null ? [] : [leg.id]));
    });
  }

  #once(which: (leg: LegRow) => boolean): Promise<void> {
    this.#running ??= this.#compare(which).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #compare(which: (leg: LegRow) => boolean): Promise<void> {
    const { box, store, clock } = this.#parts;
    // Proof of life is charged by: no step of the host's clock may reach it.
    const askedAtUs = steadyUs(clock);
    const connection = this.#connections;
    const listed = new Set((await box.listChannels()).map((channel) => channel.leg));
    const legs = await store.read((tx) => liveLegsOfBox(tx, box.box));
    const wanted = legs.filter(which);
    this.#lastMs = clock.monotonicMs();
    const all = wanted.length === legs.length;
    if (all) this.#allMs = this.#lastMs;
    if (all || this.#lastMs < this.#inDoubtUntilMs) {
      for (const arrival of await box.arrivals()) this.#parts.arrived(arrival);
      await this.#endAnsweredStrangers();
    }
    const seen: LegId[] = [];
    for (const leg of wanted) {
      if (this.#stopped) return;
      const facts = await this.#factsOf(leg, listed.has(leg.id));
      if (facts === "too young") continue;
      if (facts) {
        seen.push(leg.id);
        this.#missing.delete(leg.id);
        await this.#found(leg, facts);
      } else {
        // What a connection says that was made since is of another core, perhaps.
        const isSameCore = box.connected && this.#unsaved === null && this.#connections === connection;
        await this.#gone(leg, isSameCore);
      }
    }
    const live = new Set(legs.map((leg) => leg.id));
    for (const id of this.#missing.keys()) if (!live.has(id)) this.#missing.delete(id);
    for (const id of this.#toAdopt.keys()) if (!live.has(id)) this.#toAdopt.delete(id);
    // One a transaction: a call that keeps its own leg is not waited for with all the others kept. And a few at a time: a box of
    // a thousand legs is not to stand before everything else in the database.
    for (let from = 0; from < seen.length; from += markedAtOnce)
      await Promise.all(
        seen
          .slice(from, from + markedAtOnce)
          .map((leg) => store.write((tx) => markSeen(tx, box.box, leg, askedAtUs))),
      );
    await this.#endStrayLegs(listed, live);
    // Behind the box's own, whose steps wait to be found.
    if (all || this.#lastMs < this.#inDoubtUntilMs) await this.#compareRelays();
  }

  /** The list says who is probably there; the channel itself says what is true of it. */
  async #factsOf(leg: LegRow, listed: boolean): Promise<ChannelFacts | null | "too young"> {
    const ageMs = this.#parts.clock.nowMs() - (leg.dialledAtMs ?? leg.createdAtMs);
    // Dialled later than now: the clock was set back since, and says nothing of its age.
    const young = !listed && ageMs >= 0 && ageMs < listLagMs;
    // Whose document waits to go on is looked at all the same.
    if (young && !this.#toAdopt.has(leg.id)) return "too young";
    return (await this.#parts.box.channelFacts(leg.id)) ?? (young ? "too young" : null);
  }

  async #found(leg: LegRow, facts: ChannelFacts): Promise<void> {
    const { news, box, clock } = this.#parts;
    const adopted = this.#toAdopt.get(leg.id) ?? null;
    const seen = { kind: "found", box: box.box, leg: leg.id, atUs: steadyUs(clock), facts } as const;
    const told = { ...seen, bridgedBefore: leg.bridgedTo, adopted };
    if (adopted === null && untold(leg, told).length === 0) return;
    this.#toAdopt.delete(leg.id);
    await news(told);
  }

  /** `isSameCore`: the switch that should have it lives. */
  async #gone(leg: LegRow, isSameCore: boolean): Promise<void> {
    const { store, clock, log, news, box } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (isSameCore && leg.startedAtUs !== null && leg.endedBy === null)
      await store.write((tx) => markGone(tx, box.box, leg.id));
    const sinceMs = this.#missing.get(leg.id) ?? nowMs;
    this.#missing.set(leg.id, sinceMs);
    if (nowMs - sinceMs < this.#graceMs(leg)) return;
    log.warn({ leg: leg.id, box: box.box }, "a leg is gone without an end-of-leg record");
    const why = leg.endedBy === "last_proven" ? "switch_restarted" : "not_on_switch";
    await news(lostLeg(leg, leg.seenAtUs ?? 0, steadyUs(clock), why));
  }

  /** How long an end-of-leg record is waited for. */
  #graceMs({ startedAtUs, endedBy }: LegRow): number {
    if (endedBy === "last_proven") return noRecordGraceMs;
    if (startedAtUs !== null) return recordGraceMs;
    return this.#parts.takesEndRecords ? noRecordGraceMs : neverSeenGraceMs;
  }

  /**
   * The box does not come back: what it would long have ended by itself is over, billed as far as it was proven. By the clock alone nobody is
   * over, since it may be ahead of the switch's: a box that is there says itself who lives.
   */
  async #closeOverdue(awayMs: number): Promise<void> {
    const { box, store, clock, log, news } = this.#parts;
    this.#allMs = this.#lastMs = clock.monotonicMs();
    if (awayMs < awayMsMin) return;
    const { legs, aliveAtUs } = await store.read(async (tx) => ({
      legs: await liveLegsOfBox(tx, box.box),
      aliveAtUs: (await boxByName(tx, box.box))?.aliveAtUs,
    }));
    for (const leg of legs) {
      const longestUs = leg.maxDurationSeconds * 1_000_000;
      const endUs = (leg.answeredAtUs ?? leg.createdAtMs * 1000 + ringMsMax * 1000) + longestUs;
      const nowUs = steadyUs(clock);
      if (this.#stopped || nowUs < endUs + recordGraceMs * 1000) continue;
      log.warn({ leg: leg.id, box: box.box }, "ending a leg of a box that does not come back");
      const provenUs = Math.min(lastProvenUs(leg, aliveAtUs), endUs);
      await news(lostLeg(leg, provenUs, nowUs, "switch_away"));
    }
  }

  /** A caller who talks, and who is no leg: nobody took them in, or they came past all that would have. */
  async #endAnsweredStrangers(): Promise<void> {
    const { box, store, clock, log } = this.#parts;
    const nowMs = clock.monotonicMs();
    const found = await box.strangers();
    this.#strangers = new Map(found.map((uuid) => [uuid, this.#strangers.get(uuid) ?? nowMs]));
    for (const [uuid, sinceMs] of this.#strangers) {
      if (nowMs - sinceMs < strangerGraceMs) {
        this.soon();
        continue;
      }
      // Another controller may have taken them in.
      if ((await store.read((tx) => legOfChannel(tx, uuid)))?.endedAtUs === null) continue;
      log.warn({ channel: uuid, box: box.box }, "ending an answered caller whom no leg stands for");
      await box.endStranger(uuid);
    }
  }

  /**
   * Of a leg at another box and the channel here that stands for it each ends with the other, by SIP; where that was not heard (one
   * of the two boxes died) it is seen here.
   */
  async #compareRelays(): Promise<void> {
    const { box, store, clock, log } = this.#parts;
    const channels = await box.relayed();
    const legs = await store.read((tx) => liveRelaysAt(tx, box.box));
    const nowMs = clock.monotonicMs();
    const alone = [
      ...channels.filter(({ leg }) => !legs.some(({ legId }) => legId === leg)).map(({ uuid }) => uuid),
      ...legs
        .filter(({ channelUuid }) => !channels.some(({ uuid }) => uuid === channelUuid))
        .map(({ legId }) => legId),
    ];
    this.#alone = new Map(alone.map((one) => [one, this.#alone.get(one) ?? nowMs]));
    for (const [one, sinceMs] of this.#alone) {
      if (nowMs - sinceMs < strangerGraceMs) {
        this.soon();
        continue;
      }
      const relay = legs.find(({ legId }) => legId === one);
      if (relay === undefined) {
        log.warn(
          { channel: one, box: box.box },
          "ending a device's channel whose leg at another box is over",
        );
        await box.endStranger(one);
        continue;
      }
      log.warn(
        { leg: relay.legId, box: box.box },
        "ending a leg at another box whose device is here no more",
      );
      await this.#parts.hangUp(relay.callId, relay.legId);
      this.#alone.delete(one);
    }
  }

  /** A channel with an id of ours that the store has ended, or never had, talks on nobody's account. */
  async #endStrayLegs(listed: ReadonlySet<LegId>, live: ReadonlySet<LegId>): Promise<void> {
    const { box, store, clock, log, news } = this.#parts;
    for (const leg of listed) {
      if (live.has(leg) || this.#parts.isArriving(leg)) continue;
      // Dialled since we read the store, perhaps: look again before killing.
      const row = await store.read((tx) => legById(tx, leg));
      if (row?.endedAtUs === null) continue;
      const facts = await box.channelFacts(leg);
      // It had a name of ours for as long as it took to find out that it is another box's.
      if (facts === null || (!row && facts.relayed)) continue;
      log.warn({ leg, box: box.box }, "ending a channel that no live leg stands for");
      await news({ kind: "stray", box: box.box, leg, atUs: clock.nowUs() });
      await box.hangUp(leg, "MANAGER_REQUEST");
    }
  }
}
