import { parseArgs } from "node:util";
import { runSwitchProcess } from "../engine/simulator/switch/switch-process.ts";

/** `sautikit simulator switch`: the simulated FreeSWITCH as a process; its ESL password comes from ESL_PASSWORD. */
export async function runSwitch(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "esl-host": { type: "string", default: "127.0.0.1" },
      "esl-port": { type: "string", default: "0" },
      "sip-host": { type: "string", default: "127.0.0.1" },
      "sip-port": { type: "string", default: "0" },
      gateway: { type: "string", multiple: true, default: [] },
      "cdr-dir": { type: "string" },
      "exit-with-parent": { type: "boolean", default: false },
    },
  });
  if (values["cdr-dir"] === undefined)
    throw new Error("--cdr-dir: the folder for end-of-leg records is needed.");
  await runSwitchProcess({
    eslHost: values["esl-host"],
    eslPort: Number(values["esl-port"]),
    eslPassword: process.env["ESL_PASSWORD"] ?? "",
    sipHost: values["sip-host"],
    sipPort: Number(values["sip-port"]),
    gateways: Object.fromEntries(values.gateway.map(gatewayOf)),
    cdrDir: values["cdr-dir"],
    exitWithParent: values["exit-with-parent"],
  });
}

/** `carrier=127.0.0.1:5070`. */
function gatewayOf(text: string): [string, { host: string; port: number }] {
  const [, name, host, port] = /^([a-z0-9-]+)=([0-9a-z.-]+):(\d+)$/.exec(text) ?? [];
  if (name === undefined || host === undefined || port === undefined) {
    throw new Error(`--gateway takes name=host:port, not "${text}".`);
  }
  return [name, { host, port: Number(port) }];
}
