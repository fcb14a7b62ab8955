import type { Clock } from "../../engine/clock.ts";
import { askDrachtio, askSip } from "../../engine/sip/edge/probe.ts";
import type { Config } from "../config.ts";
import { broken, doubtful, sound, wordsOf, type Finding } from "./finding.ts";

const waitMs = 3_000;

/** drachtio-server lets us in, and whoever asks at its SIP port is answered by an application. */
export async function checkEdge({ drachtio, edgeSip }: Config, clock: Clock): Promise<Finding> {
  if (drachtio === null) return sound("none: trunks reach the switch itself (DRACHTIO_URL)");
  const { host, port } = drachtio;
  const at = `drachtio-server at ${host}:${port}`;
  let version: string;
  try {
    version = await askDrachtio(drachtio, { clock, waitMs });
  } catch (error) {
    return broken(
      `${at} does not let us in: ${wordsOf(error)}`,
      "Is it running, its admin port on that address, and the secret of DRACHTIO_URL its own? docs/edge.md",
    );
  }
  if (edgeSip === null)
    return doubtful(`${at} (${version}) lets us in`, "Set EDGE_SIP, so that its SIP port can be asked.");
  const sip = `${edgeSip.host}:${edgeSip.port}`;
  const status = await askSip(edgeSip, { clock, waitMs });
  if (status === null)
    return doubtful(
      `${at} (${version}) lets us in, but at ${sip} nobody answers`,
      "Its firewall keeps this machine out, which is well where it is none of its peers; or the controller hangs.",
    );
  if (status === 503)
    return doubtful(`${at} (${version}) has no controller: calls are refused at ${sip}`, "Start Sautikit.");
  return sound(`${at} (${version}), and a controller answers at ${sip}`);
}
