import { Gauge, type Registry } from "prom-client";
import type { BoxHealth } from "../engine/boxes/box-health.ts";
import type { Clock } from "../engine/clock.ts";
import type { LoginFailures } from "../engine/sip/login-failures.ts";
import type { Edge } from "../engine/sip/edge/edge.ts";
import type { TrunkWatch } from "../engine/sip/trunks/trunk-watch.ts";
import type { Store } from "../engine/store/store.ts";
import type { TraceCounts } from "../engine/sip/trace/sip-trace.ts";
import type { FreeSwitchBox } from "../engine/switch/freeswitch-box.ts";
import type { Spool, SpoolTrouble } from "../recordings/spool.ts";
import { clockStepMs } from "./clock-watch.ts";
import { showDisks } from "./metrics/disk-metrics.ts";
import { showStore } from "./metrics/store-metrics.ts";
import { showLedBoxes } from "./metrics/switch-metrics.ts";

const troubles: readonly SpoolTrouble["kind"][] = ["disk_low", "disk_full", "no_access", "failing"];

/** What /metrics shows beside the API's own, and what is counted along: read when it is asked for. */
export function registerMetrics(
  registry: Registry,
  parts: {
    /** Past what times it: a scrape is not what customers wait for. */
    store: Store;
    clock: Clock;
    health: BoxHealth;
    boxes: readonly string[];
    /** Boxes that this process leads. */
    led: ReadonlyMap<string, { box: FreeSwitchBox; isHeld: () => boolean }>;
    version: string;
    roles: ReadonlySet<string>;
    /** Null: the role is not here. */
    spool: Spool | null;
    /** By name, for how full their disks are. */
    folders: Readonly<Record<string, string>>;
    trace: TraceCounts | null;
    failures: LoginFailures | null;
    trunks: Pick<TrunkWatch, "faults">;
    edge: Edge | null;
  },
): void {
  const { store, clock, health, boxes, led, spool, trace, failures, trunks, edge } = parts;
  showStore(registry, { store, clock });
  showDisks(registry, parts.folders);
  if (parts.roles.has("controller")) showLedBoxes(registry, { led, clock });
  new Gauge({
    name: "sautikit_info",
    help: "1, with the version and the roles of this process.",
    labelNames: ["version", "roles"],
    registers: [registry],
  }).set({ version: parts.version, roles: [...parts.roles].sort().join(",") }, 1);
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge("sautikit_clock_step_seconds", "By how much the host's clock was set since this process began.", () =>
    Math.round(clockStepMs(clock) / 1000),
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
  ofBoxes(
    "sautikit_box_led",
    "Whether this process leads the media server, its lease renewed: 1 or 0.",
    (box) => led.get(box)?.isHeld() === true,
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
    "sautikit_trunk_file_faults",
    "What is wrong with the file of trunks, which is not in force then.",
    () => trunks.faults.length,
  );
  if (spool !== null) {
    gauge(
      "sautikit_spool_recordings_waiting",
      "Recordings that are still to be stored.",
      () => spool.status().recordingsWaiting,
    );
    gauge(
      "sautikit_spool_end_records_waiting",
      "End-of-leg records that are still to be taken in.",
      () => spool.status().endRecordsWaiting,
    );
    new Gauge({
      name: "sautikit_spool_trouble",
      help: "What went wrong at the spool within the last minute: 1, else 0.",
      labelNames: ["kind"],
      registers: [registry],
      collect() {
        const now = spool.status().troubles;
        for (const kind of troubles) this.set({ kind }, now.some((trouble) => trouble.kind === kind) ? 1 : 0);
      },
    });
  }
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
