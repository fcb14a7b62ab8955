import { join } from "node:path";
import { Controller, type ControllerParts } from "../engine/calls/controller.ts";
import { fencedStore } from "../engine/boxes/fenced-store.ts";
import type { Lease, Work } from "../engine/boxes/leases.ts";
import { Devices } from "../engine/sip/devices.ts";
import { TrunkGateways } from "../engine/sip/trunks/trunk-gateways.ts";
import type { Trunks } from "../engine/sip/trunks/trunks.ts";
import { TrunkTests } from "../engine/sip/trunks/trunk-tests.ts";
import { termStands } from "../engine/store/leases.ts";
import type { Store } from "../engine/store/store.ts";
import { Streams, type StreamsParts } from "../engine/streams/streams.ts";
import { FreeSwitchBox, type FreeSwitchBoxOptions } from "../engine/switch/freeswitch-box.ts";
import type { BoxConfig, Config } from "./config.ts";

export interface LedBoxParts
  extends
    Omit<ControllerParts, "scope" | "stillLeads" | "streams" | "devices" | "boxConnected" | "trunks">,
    Pick<FreeSwitchBoxOptions, "clock" | "ids" | "log"> {
  store: Store;
  streams: Omit<StreamsParts, "store">;
  trunks: Trunks;
  /** Whether devices are let in. */
  letsDevicesIn: boolean;
  /** Of the trunks whose OPTIONS go over the edge. */
  overEdge: () => readonly string[];
}

/** A box, and all that is done there while this controller leads it. */
export class LedBox implements Work {
  readonly box: FreeSwitchBox;
  readonly controller: Controller;
  readonly devices: Devices | null;
  readonly gateways: TrunkGateways;
  readonly #tests: TrunkTests;
  readonly #lease: Lease;

  constructor(
    { box: name, host, port, password }: BoxConfig,
    { spoolDir }: Pick<Config, "spoolDir">,
    lease: Lease,
    { streams, letsDevicesIn, overEdge, ...parts }: LedBoxParts,
  ) {
    const { clock, ids, log } = parts;
    this.#lease = lease;
    // What another has begun to do there meanwhile is not undone by us.
    const store = fencedStore(parts.store, lease);
    const recordingsFolder = join(spoolDir, "recordings");
    this.box = new FreeSwitchBox({
      ...{ box: name, host, port, password, recordingsFolder, clock, ids, log },
      mayCommand: () => lease.isHeld(),
    });
    const ofBox = { store, clock, log, box: this.box };
    this.devices = letsDevicesIn ? new Devices(ofBox) : null;
    this.gateways = new TrunkGateways({ ...ofBox, overEdge });
    this.#tests = new TrunkTests({ ...ofBox, trunks: parts.trunks });
    this.controller = new Controller(
      {
        ...{ ...parts, store, scope: { box: name }, devices: this.devices },
        stillLeads: () => parts.store.read((tx) => termStands(tx, lease)),
        streams: new Streams({ ...streams, store }),
        boxConnected: () => this.gateways.wake(),
      },
      [this.box],
    );
  }

  start(): void {
    this.controller.start();
    this.devices?.start();
    this.gateways.start();
    this.#tests.start();
  }

  /** Whether the switch is commanded by us, and nobody else. */
  isHeld(): boolean {
    return this.#lease.isHeld();
  }

  /** Whether it answers us. */
  isFit(): boolean {
    return this.box.connected;
  }

  /** Calls in the switch go on. What the box takes its time to answer ends with the controller's connections: the next one asks again. */
  async stop(): Promise<void> {
    await Promise.all([
      ...[this.#tests.stop(), this.gateways.stop(), this.devices?.stop()],
      this.controller.stop(),
    ]);
  }
}
