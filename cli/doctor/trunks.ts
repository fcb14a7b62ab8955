import type { Clock } from "../../engine/clock.ts";
import { sayFault } from "../../engine/sip/trunks/trunk-watch.ts";
import { trunkGateways } from "../../engine/store/trunks.ts";
import type { Config } from "../config.ts";
import { openStore } from "../open-store.ts";
import { readTrunks } from "../open-trunks.ts";
import { broken, doubtful, sound, wordsOf, type Finding } from "./finding.ts";

/** The file, and which of its trunks the media servers last said to be down. */
export async function checkTrunks(config: Config, clock: Clock): Promise<Finding> {
  let store;
  try {
    const read = await readTrunks(config);
    if (read === null) return sound(`one, the switch's own gateway ${config.gateway} (TRUNKS_FILE)`);
    if (!read.ok)
      return broken(
        `${config.trunks.file}: ${read.bad.map(sayFault).join("; ")}`,
        "Mend it: what runs keeps the trunks of before, and will not start with these. docs/trunks.md",
      );
    store = await openStore(config, { clock });
    const rows = await store.read(trunkGateways);
    const down = rows.filter(({ up }) => up === 0).map(({ trunk, box }) => `${trunk} (at ${box})`);
    if (down.length > 0)
      return doubtful(
        `${down.join(", ")} down: no call goes there`,
        "Does the carrier answer our OPTIONS, and take our login? `sautikit trunk test` places a call.",
      );
    return sound(`${read.trunks.length} in ${config.trunks.file}, none known to be down`);
  } catch (error) {
    return broken(wordsOf(error), "Is TRUNKS_FILE there, and ours to read?");
  } finally {
    await store?.close();
  }
}
