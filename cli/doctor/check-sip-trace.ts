import type { Clock } from "../../engine/clock.ts";
import { lastTraced } from "../../engine/store/sip-messages.ts";
import type { Config } from "../config.ts";
import { openStore } from "../open-store.ts";
import { broken, doubtful, sound, wordsOf, type Finding } from "./finding.ts";

/** Of so many legs at least one has a trace, if any arrives. */
const legsLooked = 5;

/** Whether what the switch captures of SIP arrives. */
export async function checkSipTrace(config: Config, clock: Clock): Promise<Finding> {
  const { sipTrace } = config;
  if (sipTrace === null) return sound("off (SIP_TRACE)");
  const at = `${sipTrace.host}:${sipTrace.port}`;
  let store;
  try {
    store = await openStore(config, { clock });
    const { legs, traced } = await store.read((tx) => lastTraced(tx, legsLooked));
    if (legs === 0) return sound(`on, at ${at}; there was no call yet`);
    return traced > 0
      ? sound(`on, at ${at}; of the last ${legs} legs ${traced} have theirs`)
      : doubtful(
          `on, at ${at}, and nothing came of the last ${legs} legs`,
          `Start FreeSWITCH with SIP_TRACE_TO=<this machine>:${sipTrace.port}, and let UDP from the box reach it; if it was ` +
            "switched on since, make a call first. docs/sip-trace.md",
        );
  } catch (error) {
    return broken(`not looked at, without the database: ${wordsOf(error)}`, "Mend the database first.");
  } finally {
    await store?.close();
  }
}
