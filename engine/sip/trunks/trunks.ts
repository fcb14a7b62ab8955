import type { Ids } from "../../ids.ts";
import {
  keepTrunkGateways,
  liveLegsByTrunk,
  trunkFilesOfBox,
  trunkGatewaysOfBox,
} from "../../store/trunks.ts";
import type { Tx } from "../../store/store.ts";
import { gatewayHash, type EdgeAddress } from "./gateways.ts";
import { dialledNumber, type Trunk } from "./trunk-file.ts";
import type { TrunkWatch } from "./trunk-watch.ts";

export interface TrunksParts {
  ids: Pick<Ids, "fraction">;
  watch: Pick<TrunkWatch, "trunks">;
  edge: EdgeAddress;
  /** The switch's own gateway, which is the one trunk as long as there is no file of them. */
  gateway: string;
}

/** `to`: the number as that trunk wants it. */
export interface ChosenTrunk {
  trunk: string;
  gateway: string;
  to: string;
}

export interface Wanted {
  box: string;
  to: `+${string}`;
  /** Trunks that failed for it. */
  tried: readonly string[];
  /** Those chosen for others in the same moment, and not stored yet. */
  beside: readonly string[];
}

/** Which trunk a number is dialled over. */
export class Trunks {
  readonly #parts: TrunksParts;

  constructor(parts: TrunksParts) {
    this.#parts = parts;
  }

  /** Over that one alone, whatever its prefixes, room and state are; undefined: there is none of that name. */
  named(trunk: string, to: `+${string}`): ChosenTrunk | undefined {
    const { watch, gateway } = this.#parts;
    if (watch.trunks === null) return trunk === gateway ? { trunk, gateway, to } : undefined;
    const found = watch.trunks.find(({ name }) => name === trunk);
    return found && { trunk, gateway: trunk, to: dialledNumber(found, to) };
  }

  /**
   * One that carries the number from that box, is up, has room, and was not tried: of the longest prefix that fits, the
   * lowest priority, a share by weight. `later`: only such as are being changed just now. `none`: none at all.
   */
  async choose(tx: Tx, { box, to, tried, beside }: Wanted): Promise<ChosenTrunk | "later" | "none"> {
    const { watch, edge, gateway, ids } = this.#parts;
    if (watch.trunks === null) return tried.length > 0 ? "none" : { trunk: gateway, gateway, to };
    const candidates = watch.trunks.filter((trunk) => carries(trunk, to) && !tried.includes(trunk.name));
    if (candidates.length === 0) return "none";
    const counted = candidates.some(({ channels }) => channels !== null);
    // Two at once never both take the last place: a trunk's is the same at every box.
    const kept = counted ? await keepTrunkGateways(tx) : await trunkGatewaysOfBox(tx, box);
    const rows = kept.filter((one) => one.box === box);
    const live = counted ? await liveLegsByTrunk(tx) : new Map<string, number>();
    const used = ({ name }: Trunk) =>
      (live.get(name) ?? 0) + beside.filter((chosen) => chosen === name).length;
    const row = ({ name }: Trunk) => rows.find(({ trunk }) => trunk === name);
    const fit = candidates.filter(
      (trunk) => row(trunk)?.up !== 0 && (trunk.channels === null || used(trunk) < trunk.channels),
    );
    const isAsNow = (trunk: Trunk, sha256: string | null | undefined) => sha256 === gatewayHash(trunk, edge);
    const loaded = fit.filter((trunk) => isAsNow(trunk, row(trunk)?.loadedSha256));
    const chosen = pick(loaded, to, ids.fraction());
    if (chosen === undefined) {
      // Read by the box, and not there: it does not take them, and whoever waits waits in vain.
      const files = await trunkFilesOfBox(tx, box);
      const isRead = files !== undefined && files.loadedSha256 === files.writtenSha256;
      const changing = fit.some((trunk) => !isRead || !isAsNow(trunk, row(trunk)?.writtenSha256));
      return changing ? "later" : "none";
    }
    return { trunk: chosen.name, gateway: chosen.name, to: dialledNumber(chosen, to) };
  }
}

/** For who has no file of trunks: all goes over the switch's own gateway. */
export const loneTrunk = (gateway: string, ids: Pick<Ids, "fraction">): Trunks =>
  new Trunks({ ids, gateway, watch: { trunks: null }, edge: null });

const carries = ({ prefixes }: Trunk, to: `+${string}`): boolean =>
  prefixes.some((prefix) => to.startsWith(prefix, 1));

/** How much of the number the trunk names: the longer, the more it is meant for it. */
const fitOf = ({ prefixes }: Trunk, to: string): number =>
  Math.max(...prefixes.filter((prefix) => to.startsWith(prefix, 1)).map((prefix) => prefix.length));

/** Pure; `chance` in [0, 1). Undefined: there is none to pick from. */
export function pick(trunks: readonly Trunk[], to: `+${string}`, chance: number): Trunk | undefined {
  const best = (value: (trunk: Trunk) => number, among: readonly Trunk[]) => {
    const least = Math.min(...among.map(value));
    return among.filter((trunk) => value(trunk) === least);
  };
  const equals = best(
    ({ priority }) => priority,
    best((trunk) => -fitOf(trunk, to), trunks),
  );
  let point = chance * equals.reduce((sum, { weight }) => sum + weight, 0);
  return equals.find(({ weight }) => (point -= weight) < 0);
}
