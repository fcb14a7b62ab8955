import { readFile } from "node:fs/promises";
import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import type { Log } from "../engine/log.ts";
import { readTrunkFile, type TrunkFile } from "../engine/sip/trunks/trunk-file.ts";
import { TrunkFiles } from "../engine/sip/trunks/trunk-files.ts";
import { TrunkWatch } from "../engine/sip/trunks/trunk-watch.ts";
import { Trunks } from "../engine/sip/trunks/trunks.ts";
import type { Signals } from "../engine/store/signals.ts";
import type { Store } from "../engine/store/store.ts";
import type { Config } from "./config.ts";

/** The file as it is, for commands; null: there is none. Throws where there has to be one. */
export async function readTrunks({
  trunks,
  edgeSip,
  gateway,
}: Pick<Config, "trunks" | "edgeSip" | "gateway">): Promise<TrunkFile | null> {
  const text = await readFile(trunks.file, "utf8").catch((error: unknown) => {
    if (trunks.optional && (error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  });
  return text === null ? null : readTrunkFile(text, { secretOf, edge: edgeSip !== null, reserved: gateway });
}

const secretOf = (name: string) => process.env[name];

/**
 * The file of trunks and who acts on it: the choice (controller) and the files beside each box (spool). Throws an Error that
 * names every fault of the file.
 */
export async function openTrunks(
  config: Pick<Config, "trunks" | "edgeSip" | "gateway" | "spoolDir">,
  {
    watched,
    boxes,
    peers,
    ...parts
  }: {
    store: Store;
    clock: Clock;
    ids: Ids;
    log: Log;
    signals: Signals;
    boxes: readonly string[];
    peers: readonly string[];
    watched: boolean;
  },
) {
  const { clock, ids, log, signals } = parts;
  const { edgeSip, gateway, spoolDir } = config;
  const edge = edgeSip && `${edgeSip.host}:${edgeSip.port}`;
  const watch = new TrunkWatch({
    ...{ clock, log, path: config.trunks.file, optional: config.trunks.optional, edge: edge !== null },
    reserved: gateway,
    secretOf,
  });
  // Who only takes requests asks nothing of the file, and starts with a broken one.
  if (watched) await watch.start();
  const written = () => signals.tell("trunks", null);
  return {
    watch,
    choice: new Trunks({ ids, watch, edge, gateway }),
    files: boxes.map((box) => new TrunkFiles({ ...parts, box, spoolDir, watch, edge, peers, written })),
    overEdge: () => (watch.trunks ?? []).flatMap(({ name, via }) => (via === "edge" ? [name] : [])),
  };
}
