import { Gauge, type Registry } from "prom-client";
import { countLive } from "../engine/store/calls.ts";
import { countShort } from "../engine/store/recordings.ts";
import type { Edge } from "../engine/sip/edge/edge.ts";
import type { Store } from "../engine/store/store.ts";
import type { FreeSwitchBox } from "../engine/switch/freeswitch-box.ts";
import type { Spool } from "../recordings/spool.ts";

/** What /metrics shows beside the API's own: read when it is asked for, never counted along. */
export function registerMetrics(
  registry: Registry,
  parts: { store: Store; box: FreeSwitchBox; spool: Spool; edge: Edge | null },
): void {
  const { store, box, spool, edge } = parts;
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
  gauge("sautikit_switch_connected", "Whether the media server answers: 1 or 0.", () =>
    box.connected ? 1 : 0,
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
  gauge(
    "sautikit_spool_end_records_waiting",
    "End-of-leg records that are still to be taken in.",
    () => spool.status().endRecordsWaiting,
  );
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
