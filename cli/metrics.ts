import { Gauge, type Registry } from "prom-client";
import type { BoxHealth } from "../engine/boxes/box-health.ts";
import type { Clock } from "../engine/clock.ts";
import type { LoginFailures } from "../engine/sip/login-failures.ts";
import { countLive, countOneWay } from "../engine/store/calls.ts";
import { countShort } from "../engine/store/recordings.ts";
import { countStandingBans } from "../engine/store/sip-bans.ts";
import type { Edge } from "../engine/sip/edge/edge.ts";
import { trunkGateways } from "../engine/store/trunks.ts";
import type { TrunkWatch } from "../engine/sip/trunks/trunk-watch.ts";
import type { Store } from "../engine/store/store.ts";
import type { TraceCounts } from "../engine/sip/trace/sip-trace.ts";
import type { FreeSwitchBox } from "../engine/switch/freeswitch-box.ts";
import type { Spool } from "../recordings/spool.ts";

const oneWayUs = 3_600_000_000;

/** What /metrics shows beside the API's own: read when it is asked for, never counted along. */
export function registerMetrics(
  registry: Registry,
  parts: {
    store: Store;
    clock: Clock;
    health: BoxHealth;
    boxes: readonly string[];
    /** Boxes that this process leads. */
    led: ReadonlyMap<string, { box: Pick<FreeSwitchBox, "connected"> }>;
    spool: Spool;
    trace: TraceCounts | null;
    failures: LoginFailures | null;
    trunks: Pick<TrunkWatch, "faults">;
    edge: Edge | null;
  },
): void {
  const { store, clock, health, boxes, led, spool, trace, failures, trunks, edge } = parts;
  const gauge = (name: string, help: string, read: () => number | Promise<number>) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set(await read());
      },
    });
  gauge("sautikit_calls_live", "Calls that have not ended.", () =>
    store.read(countLive).then((live) => live.calls),
  );
  gauge("sautikit_legs_live", "Legs that have not ended.", () =>
    store.read(countLive).then((live) => live.legs),
  );
  gauge("sautikit_deliveries_pending", "Webhook deliveries that are still to be made.", () =>
    store.read(countLive).then((live) => live.deliveries),
  );
  gauge("sautikit_legs_one_way", "Legs that ended in the last hour with audio one way, or none.", () =>
    store.read((tx) => countOneWay(tx, clock.nowUs() - oneWayUs)),
  );
  gauge("sautikit_switch_connected", "Whether every media server answers some controller: 1 or 0.", () =>
    boxes.every((name) => health.isUp(name)) ? 1 : 0,
  );
  const ofBoxes = (name: string, help: string, read: (box: string) => boolean) =>
    new Gauge({
      ...{ name, help, labelNames: ["box"], registers: [registry] },
      collect() {
        this.reset();
        for (const box of boxes) this.set({ box }, read(box) ? 1 : 0);
      },
    });
  ofBoxes("sautikit_box_up", "Whether the media server answers some controller: 1 or 0.", (box) =>
    health.isUp(box),
  );
  ofBoxes("sautikit_box_draining", "Whether the media server is to get no new calls: 1 or 0.", (box) =>
    health.isDraining(box),
  );
  ofBoxes("sautikit_box_led", "Whether this process leads the media server: 1 or 0.", (box) => led.has(box));
  for (const kind of ["address", "credential"] as const)
    gauge(`sautikit_sip_bans_${kind}`, `Bans that stand: of a SIP device's ${kind}.`, () =>
      store.read((tx) => countStandingBans(tx, clock.nowMs())).then((count) => count[kind]),
    );
  gauge(
    "sautikit_sip_login_failures",
    "Logins of SIP devices that failed since the start, as the media server told them.",
    () => failures?.counts.told ?? 0,
  );
  gauge(
    "sautikit_sip_login_failures_left_out",
    "Of those, what was not counted for a ban: too many addresses or names at once.",
    () => failures?.counts.leftOut ?? 0,
  );
  gauge(
    "sautikit_sip_bans_left_out",
    "Addresses that were not banned after failed logins since the start: 10,000 were already.",
    () => failures?.counts.bansLeftOut ?? 0,
  );
  gauge(
    "sautikit_spool_recordings_waiting",
    "Recordings that are still to be stored.",
    () => spool.status().recordingsWaiting,
  );
  gauge(
    "sautikit_recordings_short",
    "Recordings that lack more than 2 % of the talk, and more than 100 ms; those without a file too.",
    () => store.read(countShort),
  );
  new Gauge({
    name: "sautikit_trunk_up",
    help: "Whether a trunk can be called from a media server, as that one says: 1 or 0; while nobody knows it is not there.",
    labelNames: ["trunk", "box"],
    registers: [registry],
    async collect() {
      this.reset();
      for (const { trunk, box: at, up } of await store.read(trunkGateways))
        if (up !== null) this.set({ trunk, box: at }, up);
    },
  });
  gauge(
    "sautikit_trunk_file_faults",
    "What is wrong with the file of trunks, which is not in force then.",
    () => trunks.faults.length,
  );
  gauge(
    "sautikit_spool_end_records_waiting",
    "End-of-leg records that are still to be taken in.",
    () => spool.status().endRecordsWaiting,
  );
  if (trace !== null) {
    gauge("sautikit_sip_trace_received", "Captured datagrams since the start.", () => trace.received);
    gauge("sautikit_sip_trace_stored", "SIP messages of calls kept since the start.", () => trace.stored);
    gauge(
      "sautikit_sip_trace_dropped",
      "SIP messages let go since the start: of no leg of ours, or too many at once.",
      () => trace.dropped,
    );
  }
  if (edge === null) return;
  gauge("sautikit_edge_connected", "Whether the trunk edge's drachtio-server answers: 1 or 0.", () =>
    edge.connected ? 1 : 0,
  );
  new Gauge({
    name: "sautikit_edge_requests",
    help: "Requests outside of calls at the trunk edge since the start, by what became of them.",
    labelNames: ["outcome"],
    registers: [registry],
    collect() {
      const { refused, toBox, toTrunk } = edge.counts;
      for (const [outcome, count] of Object.entries({ ...refused, to_box: toBox, to_trunk: toTrunk }))
        this.set({ outcome }, count);
    },
  });
}
