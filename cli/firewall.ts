import { parseArgs } from "node:util";
import { isIPv4 } from "node:net";
import { firewallRules } from "../engine/sip/edge/firewall.ts";
import { sayFault } from "../engine/sip/trunks/trunk-watch.ts";
import { readConfig } from "./config.ts";
import { readTrunks } from "./open-trunks.ts";
import { UsageError } from "./usage.ts";

/** `sautikit firewall`: the rules, for `nft -f -` on the edge's host. */
export async function firewall(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { controller: { type: "string", multiple: true, default: [] } },
  });
  for (const address of values.controller)
    if (!isIPv4(address)) throw new UsageError(`--controller takes an IPv4 address, not "${address}".`);
  const config = readConfig(process.env);
  const { drachtio, edgeSip, boxes } = config;
  if (drachtio === null || edgeSip === null || boxes.length === 0)
    throw new UsageError("firewall needs DRACHTIO_URL, EDGE_SIP and FREESWITCH_URLS.");
  const file = await readTrunks(config);
  if (file === null) throw new UsageError("firewall needs a file of trunks (TRUNKS_FILE, docs/trunks.md).");
  if (!file.ok) throw new Error(`The file of trunks is wrong:\n  ${file.bad.map(sayFault).join("\n  ")}`);
  process.stdout.write(
    firewallRules({
      ...{ sipPort: edgeSip.port, adminPort: drachtio.port, controllers: values.controller },
      ...{ trunks: file.trunks, boxes: boxes.map(({ sip }) => sip) },
    }),
  );
}
