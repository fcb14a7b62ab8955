import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import { Poll } from "../../poll.ts";
import { sha256 } from "../../secrets.ts";
import type { Store } from "../../store/store.ts";
import {
  gatewayWritten,
  saveTrunkFaults,
  trunkFilesOfBox,
  trunkFilesWritten,
  trunkGatewaysOfBox,
} from "../../store/trunks.ts";
import { addressesFile, gatewaysFile, profileOf, trunkFileNames } from "../../switch/gateway-file.ts";
import { replaceFile } from "../replace-file.ts";
import { allowedAddresses, gatewayHash, gatewayOf, type EdgeAddress } from "./gateways.ts";
import type { Trunk } from "./trunk-file.ts";
import { sayFault, type TrunkWatch } from "./trunk-watch.ts";

export interface TrunkFilesParts {
  store: Store;
  clock: Clock;
  log: Log;
  box: string;
  /** Of the box; its media server looks below it. */
  spoolDir: string;
  watch: Pick<TrunkWatch, "trunks" | "faults" | "onChange">;
  edge: EdgeAddress;
  /** The boxes' IPv4 addresses, where there are several: they call each other. */
  peers: readonly string[];
  /** The files are others now: the media server is to read them. */
  written: () => void;
}

/** What a box is to have beside it, and the hash of all of it. */
export function boxFiles(trunks: readonly Trunk[], edge: EdgeAddress, peers: readonly string[]) {
  const gateways = trunks.map((trunk) => gatewayOf(trunk, edge));
  const files = [
    [trunkFileNames.udp, gatewaysFile(gateways.filter((one) => profileOf(one) === "edge"))],
    [trunkFileNames.secure, gatewaysFile(gateways.filter((one) => profileOf(one) === "trunks"))],
    [trunkFileNames.addresses, addressesFile(allowedAddresses(trunks, edge, peers))],
  ] as const;
  return { files, sha256: sha256(files.map(([, text]) => text).join("")) };
}

/** A change of the trunks is told; this makes good what somebody did to the files. */
const everyMs = 10_000;

/** Keeps what a media server has beside it of the trunks: its gateways, and whom it takes calls from. */
export class TrunkFiles {
  readonly #parts: TrunkFilesParts;
  readonly #poll: Poll;

  constructor(parts: TrunkFilesParts) {
    this.#parts = parts;
    this.#poll = new Poll(
      parts.clock,
      everyMs,
      () => this.#write(),
      (error) => parts.log.error({ err: error }, "The trunks could not be written for the media server yet."),
    );
    parts.watch.onChange(() => this.#poll.wake());
  }

  start(): void {
    this.#poll.start();
  }

  stop(): Promise<void> {
    return this.#poll.stop();
  }

  /** Where it differs from what is there. Without a file of trunks no gateway of ours is: the box has one of its own. */
  async #write(): Promise<void> {
    const { store, box, spoolDir, watch, edge, peers, written } = this.#parts;
    const { faults } = watch;
    // A file of before that is there no more: then the box is to have none of its trunks either.
    const hasNone = watch.trunks === null && peers.length === 0;
    if (hasNone && (await store.read((tx) => trunkFilesOfBox(tx, box))) === undefined) return;
    const trunks = watch.trunks ?? [];
    const { files, sha256: hash } = boxFiles(trunks, edge, peers);
    let replaced = false;
    for (const [name, text] of files) {
      const path = join(spoolDir, name);
      if ((await readFile(path, "utf8").catch(() => null)) === text) continue;
      await replaceFile(path, text, box);
      replaced = true;
    }
    const hashes = new Map(trunks.map((trunk) => [trunk.name, gatewayHash(trunk, edge)]));
    const told = faults.length === 0 ? null : JSON.stringify(faults.map(sayFault));
    const unread = await store.write(async (tx) => {
      const row = await trunkFilesOfBox(tx, box);
      if (replaced || row?.writtenSha256 !== hash) await trunkFilesWritten(tx, box, hash);
      if ((row?.faults ?? null) !== told) await saveTrunkFaults(tx, box, told);
      for (const { trunk, writtenSha256 } of await trunkGatewaysOfBox(tx, box)) {
        const now = hashes.get(trunk) ?? null;
        if (writtenSha256 !== now) await gatewayWritten(tx, box, trunk, now);
        hashes.delete(trunk);
      }
      for (const [trunk, now] of hashes) await gatewayWritten(tx, box, trunk, now);
      return replaced || row?.loadedSha256 !== hash;
    });
    if (unread) written();
  }
}
