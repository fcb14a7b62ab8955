import { Gauge, type Registry } from "prom-client";
import type { Clock } from "../../engine/clock.ts";
import type { FreeSwitchBox } from "../../engine/switch/freeswitch-box.ts";

/** How each box answers whose controller this process is: nobody else is connected to it. */
export function showLedBoxes(
  registry: Registry,
  { led, clock }: { led: ReadonlyMap<string, { box: FreeSwitchBox }>; clock: Clock },
): void {
  const perBox = (name: string, help: string, read: (box: FreeSwitchBox) => number | null) =>
    new Gauge({
      name,
      help,
      labelNames: ["box"],
      registers: [registry],
      collect() {
        this.reset();
        for (const { box } of led.values()) {
          const value = read(box);
          if (value !== null) this.set({ box: box.box }, value);
        }
      },
    });
  perBox(
    "sautikit_switch_connections",
    "How often the event connection was made since this process leads it.",
    (box) => box.pulse.connections,
  );
  perBox(
    "sautikit_switch_heartbeat_age_seconds",
    "How long ago the media server last answered the heartbeat of each second; not there until it first has.",
    ({ pulse: { last } }) => last && (clock.monotonicMs() - last.atMs) / 1000,
  );
  perBox(
    "sautikit_switch_heartbeat_seconds",
    "How long its last answer took.",
    ({ pulse: { last } }) => last && last.tookMs / 1000,
  );
  new Gauge({
    name: "sautikit_switch_events",
    help: "Events that came over the event connection since this process leads it, by what became of them; foreign: of channels that are none of ours.",
    labelNames: ["box", "fate"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { box } of led.values())
        for (const [fate, count] of Object.entries({ ...box.counts }))
          this.set({ box: box.box, fate }, count);
    },
  });
}
