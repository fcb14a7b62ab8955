import { parseArgs } from "node:util";
import ipaddr from "ipaddr.js";
import { systemClock } from "../engine/clock.ts";
import { firewallRules } from "../engine/sip/edge/firewall.ts";
import { TrunkList } from "../engine/sip/edge/trunk-list.ts";
import { readConfig } from "./config.ts";
import { createLog } from "./log.ts";
import { UsageError } from "./usage.ts";

/** `sautikit firewall`: the rules, for `nft -f -` on the edge's host. */
export async function firewall(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { controller: { type: "string", multiple: true, default: [] } },
  });
  for (const address of values.controller)
    if (!ipaddr.IPv4.isValidFourPartDecimal(address))
      throw new UsageError(`--controller takes an IPv4 address, not "${address}".`);
  const config = readConfig(process.env);
  const { drachtio, edgeSip, freeswitch, trunksFile: file } = config;
  if (drachtio === null || edgeSip === null || freeswitch === null || file === null)
    throw new UsageError("firewall needs DRACHTIO_URL, EDGE_SIP, FREESWITCH_URLS and TRUNKS_FILE.");
  const log = createLog(config.logLevel);
  const list = await TrunkList.open({ file, secretOf: (name) => process.env[name], clock: systemClock, log });
  process.stdout.write(
    firewallRules({
      ...{ sipPort: edgeSip.port, adminPort: drachtio.port, controllers: values.controller },
      ...{ trunks: list.trunks, boxes: [freeswitch.sip] },
    }),
  );
}
