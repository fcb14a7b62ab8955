import type { Clock } from "../../clock.ts";
import { isError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { Poll } from "../../poll.ts";
import type { Store } from "../../store/store.ts";
import {
  deleteGateway,
  gatewayLoaded,
  renewGateways,
  saveGatewayUp,
  trunkFilesLoaded,
  trunkFilesOfBox,
  trunkGatewaysOfBox,
  type TrunkGatewayRow,
} from "../../store/trunks.ts";
import { trunkProfiles, type GatewayState, type TrunkProfile } from "../../switch/gateway-file.ts";
import type { Switch } from "../../switch/switch.ts";

export interface TrunkGatewaysParts {
  store: Store;
  clock: Clock;
  log: Log;
  box: Pick<Switch, "box" | "connected" | "loadGateways" | "gateways">;
  /** Trunks whose OPTIONS go over the edge. */
  overEdge: () => readonly string[];
}

/** A trunk that goes down is known so soon, and one that is back. */
const everyMs = 2_000;
const againMs = 30_000;
/** An OPTIONS is given up after 8 s (`timer-T1X64` of freeswitch-conf/). */
const pingMsMax = 12_000;

/** A media server's gateways: has it read the trunks when those are others, and writes down which of them answer. */
export class TrunkGateways {
  readonly #parts: TrunkGatewaysParts;
  readonly #poll: Poll;
  #stopped = false;
  #againMs = 0;
  #renewed = false;
  /** Since when an OPTIONS of a trunk's gateway is on its way, monotonic ms. */
  readonly #pinging = new Map<string, number>();

  constructor(parts: TrunkGatewaysParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      everyMs,
      () => this.#look(),
      (error) => {
        if (this.#stopped || isError(error, "switch.unavailable")) return;
        parts.log.warn({ err: error, box: parts.box.box }, "the box's trunks could not be looked at");
      },
    );
  }

  start(): void {
    this.#poll.start();
  }

  /** The files are others, or the media server is back. */
  wake(): void {
    this.#poll.wake();
  }

  stop(): Promise<void> {
    this.#stopped = true;
    return this.#poll.stop();
  }

  async #look(): Promise<void> {
    const { store, box, clock, overEdge } = this.#parts;
    if (!this.#renewed) {
      // While we were not there the edge answered 503 to the box's OPTIONS: the box may call such a trunk down, and would until
      // the next are answered. Loaded anew it is up; calls are not touched by it.
      await store.write((tx) => renewGateways(tx, box.box, overEdge()));
      this.#renewed = true;
    }
    if (this.#stopped || !box.connected) return;
    const { files, rows } = await store.read(async (tx) => ({
      files: await trunkFilesOfBox(tx, box.box),
      rows: await trunkGatewaysOfBox(tx, box.box),
    }));
    if (!files) return;
    const there = await this.#there();
    // A media server that was started anew has read the files as they were then.
    const changed = rows.filter(
      ({ trunk, writtenSha256: written, loadedSha256 }) =>
        written === null || written !== loadedSha256 || !there.has(trunk),
    );
    const isNew = files.loadedSha256 !== files.writtenSha256;
    if (isNew || (changed.length > 0 && clock.monotonicMs() >= this.#againMs)) {
      // What the box refuses it refuses again: not every two seconds.
      this.#againMs = clock.monotonicMs() + againMs;
      await this.#load(files.writtenSha256, changed, there);
    } else {
      await this.#saveStates(rows, there);
      await this.#loadStuck(rows, there);
    }
  }

  /**
   * FreeSWITCH (sofia-sip) waits for ever where DNS says that a name has no address: such a gateway is never asked again, and
   * stays as it is. Loaded anew it is asked, and the answer is known by then.
   */
  async #loadStuck(
    rows: readonly TrunkGatewayRow[],
    there: ReadonlyMap<string, GatewayState>,
  ): Promise<void> {
    const { box, clock, log } = this.#parts;
    const nowMs = clock.monotonicMs();
    const stuck = rows.flatMap(({ trunk: name }) => {
      const state = there.get(name);
      const profile = profileOf(state);
      if (state?.pinging !== true || profile === undefined) {
        this.#pinging.delete(name);
        return [];
      }
      const sinceMs = this.#pinging.get(name) ?? nowMs;
      this.#pinging.set(name, sinceMs);
      return nowMs - sinceMs > pingMsMax ? [{ name, profile }] : [];
    });
    if (stuck.length === 0) return;
    for (const { name } of stuck) this.#pinging.delete(name);
    const trunks = stuck.map(({ name }) => name);
    log.warn(
      { box: box.box, trunks },
      "the box could not even ask these trunks: has their name an IPv4 address?",
    );
    await box.loadGateways(stuck);
  }

  /**
   * From the first word of it to the last nobody is sent over a gateway that changes (its `loaded_sha256` is none), and
   * should we die in between, the next controller does it again.
   */
  async #load(
    writtenSha256: string,
    changed: readonly TrunkGatewayRow[],
    before: ReadonlyMap<string, GatewayState>,
  ): Promise<void> {
    const { store, box, log } = this.#parts;
    await store.write(async (tx) => {
      for (const { trunk } of changed) await gatewayLoaded(tx, box.box, trunk, null);
    });
    const down = changed.flatMap(({ trunk: name }) => {
      const profile = profileOf(before.get(name));
      return profile === undefined ? [] : [{ name, profile }];
    });
    await box.loadGateways(down);
    const now = await this.#there();
    const refused = changed.filter(({ trunk, writtenSha256: sha }) => sha !== null && !now.has(trunk));
    await store.write(async (tx) => {
      for (const { trunk, writtenSha256: sha } of changed) {
        if (sha === null) await deleteGateway(tx, box.box, trunk);
        else if (now.has(trunk)) await gatewayLoaded(tx, box.box, trunk, sha);
      }
      await trunkFilesLoaded(tx, box.box, writtenSha256);
    });
    log.info({ box: box.box, trunks: changed.map(({ trunk }) => trunk) }, "the box has read the trunks");
    if (refused.length > 0)
      log.error(
        { box: box.box, trunks: refused.map(({ trunk }) => trunk) },
        "the box has no gateway for these trunks: TCP and TLS need the profile `trunks` (freeswitch-conf/README.md)",
      );
    this.#poll.wake();
  }

  async #saveStates(
    rows: readonly TrunkGatewayRow[],
    there: ReadonlyMap<string, GatewayState>,
  ): Promise<void> {
    const { store, box, clock, log } = this.#parts;
    const news = rows.filter(({ trunk, up }) => isUp(there.get(trunk)) !== (up === null ? null : up === 1));
    for (const { trunk, up: before } of news) {
      const up = isUp(there.get(trunk));
      await store.write((tx) => saveGatewayUp(tx, box.box, trunk, up, clock.nowMs()));
      if (up === false) log.warn({ box: box.box, trunk }, "a trunk is down");
      else if (before === 0) log.info({ box: box.box, trunk }, "a trunk is up again");
    }
  }

  /** Of a gateway that is being replaced the one that comes first is the new one. */
  async #there(): Promise<Map<string, GatewayState>> {
    const states = await this.#parts.box.gateways();
    return new Map(states.toReversed().map((state) => [state.name, state]));
  }
}

const isUp = (state: GatewayState | undefined): boolean | null => state?.up ?? null;

/** Undefined: there is no such gateway, or on a profile that is not ours. */
const profileOf = (state: GatewayState | undefined): TrunkProfile | undefined =>
  trunkProfiles.find((known) => known === state?.profile);
