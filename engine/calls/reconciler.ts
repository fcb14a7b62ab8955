import type { Clock } from "../clock.ts";
import type { LegId } from "../ids.ts";
import type { Log } from "../log.ts";
import {
  boxByName,
  liveLegsOfBox,
  markSeen,
  raiseSeen,
  saveBox,
  updateLeg,
  type LegRow,
} from "../store/calls.ts";
import type { Store } from "../store/store.ts";
import type { BoxEvent, ChannelFacts, Switch } from "../switch/switch.ts";
import { lostLeg, type LegNews } from "./leg-progress.ts";

interface Parts {
  box: Switch;
  store: Store;
  clock: Clock;
  log: Log;
  news: (news: LegNews) => Promise<void>;
}

/** The switch's list lags its commands by up to a second: a leg younger than this is not looked for in it. */
const listLagMs = 2_000;
/**
 * A leg that is gone has an end-of-leg record on its way, however long the spool is down: so long is waited for it.
 * Where the switch itself died there may be none, and where it never had the leg there is none.
 */
const recordGraceMs = 600_000;
const noRecordGraceMs = 5_000;
/** While a leg is missing the next look comes sooner. */
const missingEveryMs = 2_000;

/** Compares what the store believes of one box's legs with what the box says, and sets the store right. */
export class Reconciler {
  readonly #parts: Parts;
  /** Legs that were not found, and when that was first noticed, monotonic ms. */
  readonly #missing = new Map<LegId, number>();
  #lastMs: number | undefined;
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
    const { store, clock, box } = this.#parts;
    try {
      await store.write(async (tx) => {
        const before = await boxByName(tx, box.box);
        if (before?.aliveAtUs != null && before.coreUuid !== event.coreUuid) {
          await raiseSeen(tx, box.box, before.aliveAtUs);
          // Kept with the leg: the next controller would see no other core than this one saw.
          for (const leg of await liveLegsOfBox(tx, box.box))
            await updateLeg(tx, leg.id, { endedBy: "last_proven" });
        }
        const { coreUuid, version } = event;
        await saveBox(tx, { name: box.box, coreUuid, version, aliveAtUs: clock.nowUs() });
      });
      // One that runs already asks a connection that has gone.
      await this.#running?.catch(() => undefined);
      await this.#once();
    } catch (error) {
      this.#lastMs = undefined;
      this.#parts.log.error({ err: error, box: box.box }, "reconciliation on connect failed");
    }
  }

  /** Reconciles when the last time is longer ago than that, and every second while a leg is missing. */
  async every(intervalMs: number): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (!this.#parts.box.connected) return;
    const pressing = this.#missing.size > 0 && nowMs - (this.#lastMs ?? 0) >= missingEveryMs;
    if (!pressing && this.#lastMs !== undefined && nowMs - this.#lastMs < intervalMs) return;
    try {
      await this.#once();
    } catch (error) {
      this.#parts.log.warn({ err: error, box: this.#parts.box.box }, "reconciliation failed");
    }
  }

  #once(): Promise<void> {
    this.#running ??= this.#compare().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #compare(): Promise<void> {
    const { box, store, clock } = this.#parts;
    const askedAtUs = clock.nowUs();
    const listed = new Set((await box.listChannels()).map((channel) => channel.leg));
    const legs = await store.read((tx) => liveLegsOfBox(tx, box.box));
    this.#lastMs = clock.monotonicMs();
    const seen: LegId[] = [];
    for (const leg of legs) {
      if (this.#stopped) return;
      const facts = await this.#factsOf(leg, listed.has(leg.id));
      if (facts === "too young") continue;
      if (facts) {
        seen.push(leg.id);
        this.#missing.delete(leg.id);
        await this.#adopt(leg, facts);
      } else {
        await this.#gone(leg);
      }
    }
    const live = new Set(legs.map((leg) => leg.id));
    for (const id of this.#missing.keys()) if (!live.has(id)) this.#missing.delete(id);
    await store.write((tx) => markSeen(tx, box.box, seen, askedAtUs));
    await this.#endStrangers(listed, live);
  }

  /** The list says who is probably there; the channel itself says what is true of it. */
  async #factsOf(leg: LegRow, listed: boolean): Promise<ChannelFacts | null | "too young"> {
    const ageMs = this.#parts.clock.nowMs() - (leg.dialledAtMs ?? leg.createdAtMs);
    if (!listed && ageMs < listLagMs) return "too young";
    return this.#parts.box.channelFacts(leg.id);
  }

  /** What the channel knows and we do not: events that were missed. */
  async #adopt(leg: LegRow, facts: ChannelFacts): Promise<void> {
    const { news, box } = this.#parts;
    const at = { box: box.box, leg: leg.id };
    if (leg.startedAtUs === null) await news({ kind: "created", ...at, atUs: facts.createdAtUs });
    if (facts.ringingAtUs !== null && leg.ringingAtUs === null && facts.answeredAtUs === null) {
      await news({ kind: "ringing", ...at, atUs: facts.ringingAtUs });
    }
    if (facts.answeredAtUs !== null && leg.answeredAtUs === null) {
      await news({ kind: "answered", ...at, atUs: facts.answeredAtUs });
    }
    if (facts.bridgedTo !== null && leg.bridgedTo === null) {
      await news({ kind: "bridged", ...at, otherLeg: facts.bridgedTo, atUs: this.#parts.clock.nowUs() });
    }
  }

  async #gone(leg: LegRow): Promise<void> {
    const { clock, log, news, box } = this.#parts;
    const nowMs = clock.monotonicMs();
    const sinceMs = this.#missing.get(leg.id) ?? nowMs;
    this.#missing.set(leg.id, sinceMs);
    const switchDied = leg.endedBy === "last_proven";
    const recordMayCome = leg.startedAtUs !== null && !switchDied;
    if (nowMs - sinceMs < (recordMayCome ? recordGraceMs : noRecordGraceMs)) return;
    log.warn({ leg: leg.id, box: box.box }, "a leg is gone without an end-of-leg record");
    await news(lostLeg(leg, leg.seenAtUs ?? 0, clock.nowUs()));
  }

  /** A channel with an id of ours that the store has ended, or never had, talks on nobody's account. */
  async #endStrangers(listed: ReadonlySet<LegId>, live: ReadonlySet<LegId>): Promise<void> {
    const { box, store, log } = this.#parts;
    for (const leg of listed) {
      if (live.has(leg)) continue;
      // Dialled since we read the store, perhaps: look again before killing.
      const legs = await store.read((tx) => liveLegsOfBox(tx, box.box));
      if (legs.some((row) => row.id === leg) || (await box.channelFacts(leg)) === null) continue;
      log.warn({ leg, box: box.box }, "ending a channel that no live leg stands for");
      await box.hangUp(leg, "MANAGER_REQUEST");
    }
  }
}
