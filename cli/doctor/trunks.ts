import type { Clock } from "../../engine/clock.ts";
import { sayFault } from "../../engine/sip/trunks/trunk-watch.ts";
import { trunkGateways, type TrunkGatewayRow } from "../../engine/store/trunks.ts";
import type { Config } from "../config.ts";
import { openStore } from "../open-store.ts";
import { readTrunks } from "../open-trunks.ts";
import { broken, doubtful, sound, wordsOf, type Finding } from "./finding.ts";

/** The file, and which of its trunks the media servers last said to be down, or would not take. */
export async function checkTrunks(config: Config, clock: Clock): Promise<Finding> {
  try {
    const read = await readTrunks(config);
    // A database that is away is told of elsewhere.
    if (read === null) return withoutFile(config, await gateways(config, clock).catch(() => []));
    if (!read.ok)
      return broken(
        `${config.trunks.file}: ${read.bad.map(sayFault).join("; ")}`,
        "Mend it: what runs keeps the trunks of before, and will not start with these. docs/trunks.md",
      );
    return withFile(config.trunks.file, read.trunks.length, await gateways(config, clock));
  } catch (error) {
    return broken(wordsOf(error), "Is TRUNKS_FILE there, and ours to read?");
  }
}

async function gateways(config: Config, clock: Clock): Promise<TrunkGatewayRow[]> {
  const store = await openStore(config, { clock });
  try {
    return await store.read(trunkGateways);
  } finally {
    await store.close();
  }
}

function withoutFile({ trunks, gateway }: Config, rows: readonly TrunkGatewayRow[]): Finding {
  if (rows.every(({ writtenSha256 }) => writtenSha256 === null))
    return sound(`one, the switch's own gateway ${gateway} (TRUNKS_FILE)`);
  return broken(
    `${trunks.file} is gone, and what runs keeps its trunks until the next start`,
    `Put it back; or start Sautikit again, for the switch's own gateway ${gateway} alone. docs/trunks.md`,
  );
}

function withFile(file: string, count: number, rows: readonly TrunkGatewayRow[]): Finding {
  const named = (those: (row: TrunkGatewayRow) => boolean) =>
    rows
      .filter(those)
      .map(({ trunk, box }) => `${trunk} (at ${box})`)
      .join(", ");
  const down = named(({ up }) => up === 0);
  if (down !== "")
    return doubtful(
      `${down} down: no call goes there`,
      "Does the carrier answer our OPTIONS, and take our login? `sautikit trunk test` places a call.",
    );
  const absent = named(
    ({ writtenSha256: written, loadedSha256 }) => written !== null && written !== loadedSha256,
  );
  if (absent !== "")
    return doubtful(
      `${absent} not loaded: no call goes there`,
      "It is being changed, or the box does not take it: over TCP and TLS it needs TRUNKS_PORT or TRUNKS_TLS_PORT at FreeSWITCH.",
    );
  return sound(`${count} in ${file}, none known to be down`);
}
