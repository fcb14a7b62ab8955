import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import { Edge } from "../engine/sip/edge/edge.ts";
import { TrunkList } from "../engine/sip/edge/trunk-list.ts";
import type { Store } from "../engine/store/store.ts";
import type { FreeSwitchBox } from "../engine/switch/freeswitch-box.ts";
import type { Config } from "./config.ts";

/** The trunk edge and the trunks that it lets in; null: there is none. Throws where trunks.yaml is wrong. */
export async function openEdge(
  { drachtio, freeswitch, trunksFile: file }: Config,
  { box, ...parts }: { store: Store; clock: Clock; ids: Ids; log: Log; box: FreeSwitchBox },
): Promise<{ edge: Edge; trunks: TrunkList } | null> {
  if (drachtio === null || freeswitch === null || file === null) return null;
  const trunks = await TrunkList.open({ ...parts, file, secretOf: (name) => process.env[name] });
  const edge = new Edge({
    ...{ ...parts, drachtio, trunks: () => trunks.trunks },
    boxes: [{ name: box.box, sip: freeswitch.sip, isConnected: () => box.connected }],
  });
  return { edge, trunks };
}
