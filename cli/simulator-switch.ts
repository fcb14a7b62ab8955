import { parseArgs } from "node:util";
import type { Gateway } from "../engine/simulator/switch/gateways.ts";
import type { DevicesOptions } from "../engine/simulator/switch/simulated-switch.ts";
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
      "trunks-spool": { type: "string" },
      "devices-host": { type: "string", default: "127.0.0.1" },
      "devices-port": { type: "string" },
      "devices-realm": { type: "string" },
      "devices-spool": { type: "string" },
      "devices-expires-min": { type: "string", default: "60" },
      "devices-media-timeout": { type: "string", default: "300" },
      hep: { type: "string" },
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
    ...(values["trunks-spool"] !== undefined && { spoolDir: values["trunks-spool"] }),
    ...devicesOf(values),
    ...(values.hep === undefined ? {} : { hep: hepOf(values.hep) }),
    exitWithParent: values["exit-with-parent"],
  });
}

/** `127.0.0.1:9060`. */
function hepOf(text: string): { host: string; port: number } {
  const [, host, port] = /^([0-9.]+):(\d+)$/.exec(text) ?? [];
  if (host === undefined || port === undefined) throw new Error(`--hep takes address:port, not "${text}".`);
  return { host, port: Number(port) };
}

/** Devices are served where all three are given. */
function devicesOf(values: Readonly<Record<string, unknown>>): { devices?: DevicesOptions } {
  const names = ["host", "port", "realm", "spool", "expires-min", "media-timeout"];
  const [host, port, realm, spoolDir, expires, silence] = names.map((name) => values[`devices-${name}`]);
  if (port === undefined && realm === undefined && spoolDir === undefined) return {};
  if (typeof port !== "string" || typeof realm !== "string" || typeof spoolDir !== "string")
    throw new Error("--devices-port, --devices-realm and --devices-spool go together.");
  return {
    devices: {
      ...{ host: String(host), port: Number(port), realm, spoolDir },
      ...{ expiresMinS: Number(expires), mediaTimeoutS: Number(silence) },
    },
  };
}

/** `carrier=127.0.0.1:5070`, or `carrier=127.0.0.1:5070@127.0.0.1:5060` by way of another. */
function gatewayOf(text: string): [string, Gateway] {
  const form = /^([a-z0-9-]+)=([0-9a-z.-]+):(\d+)(?:@([0-9a-z.-]+):(\d+))?$/;
  const [, name, host, port, proxy, proxyPort] = form.exec(text) ?? [];
  if (name === undefined || host === undefined || port === undefined) {
    throw new Error(`--gateway takes name=host:port, or name=host:port@proxy:port, not "${text}".`);
  }
  const by = proxy === undefined ? {} : { over: { host: proxy, port: Number(proxyPort) } };
  return [name, { host, port: Number(port), ...by }];
}
