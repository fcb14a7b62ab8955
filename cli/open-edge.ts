import type { BoxHealth } from "../engine/boxes/box-health.ts";
import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import { Edge } from "../engine/sip/edge/edge.ts";
import type { TrunkWatch } from "../engine/sip/trunks/trunk-watch.ts";
import type { Store } from "../engine/store/store.ts";
import type { Config } from "./config.ts";

/** The trunk edge, which lets in the trunks of the file as it is; null: there is none. */
export function openEdge(
  { drachtio, boxes }: Config,
  {
    health,
    watch,
    ...parts
  }: { store: Store; clock: Clock; ids: Ids; log: Log; health: BoxHealth; watch: TrunkWatch },
): Edge | null {
  if (drachtio === null) return null;
  return new Edge({
    ...{ ...parts, drachtio, trunks: () => watch.trunks ?? [] },
    boxes: boxes.map(({ box: name, sip }) => ({
      ...{ name, sip },
      isUp: () => health.isUp(name),
      isDraining: () => health.isDraining(name),
    })),
  });
}
