import { parseArgs } from "node:util";
import { startSimulatedEdge } from "./simulated-edge.ts";

/**
 * `sautikit simulator edge`: the simulated drachtio-server as a process; its secret comes from DRACHTIO_SECRET. Prints a
 * line of JSON once it can be used, and ends by SIGTERM, SIGINT, or with its standard input where that was asked for.
 */
export async function runEdgeProcess(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "sip-host": { type: "string", default: "127.0.0.1" },
      "sip-port": { type: "string", default: "0" },
      "admin-host": { type: "string", default: "127.0.0.1" },
      "admin-port": { type: "string", default: "0" },
      "exit-with-parent": { type: "boolean", default: false },
    },
  });
  const secret = process.env["DRACHTIO_SECRET"] ?? "";
  if (secret === "") throw new Error("DRACHTIO_SECRET: what applications log in with is needed.");
  const edge = await startSimulatedEdge({
    sipHost: values["sip-host"],
    sipPort: portOf("--sip-port", values["sip-port"]),
    adminHost: values["admin-host"],
    adminPort: portOf("--admin-port", values["admin-port"]),
    secret,
  });
  const stop = () => {
    void edge.close().finally(() => process.exit(0));
  };
  process.once("SIGTERM", stop);
  process.on("SIGINT", values["exit-with-parent"] ? () => undefined : stop);
  if (values["exit-with-parent"]) process.stdin.once("end", stop).once("error", stop).resume();
  const ready = {
    ready: true,
    sip: `${values["sip-host"]}:${edge.sipPort}`,
    admin: `${values["admin-host"]}:${edge.adminPort}`,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

function portOf(option: string, text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new Error(`${option} takes a port, 0 to 65535`);
  return port;
}
