import { parseArgs } from "node:util";
import { systemClock } from "../../clock.ts";
import { startCarrier } from "./carrier.ts";

/**
 * The carrier as a process: prints one line of JSON when it is ready, serves until SIGTERM or SIGINT (or, with
 * `--exit-with-parent`, until its stdin ends), then ends all calls within a second. Throws for wrong arguments.
 */
export async function runCarrierProcess(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "0" },
      "status-port": { type: "string", default: "0" },
      switch: { type: "string" },
      "exit-with-parent": { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
    },
  });
  const stopped = stopRequest(values["exit-with-parent"]);
  const carrier = await startCarrier({
    host: values.host,
    port: portOf("--port", values.port),
    statusPort: portOf("--status-port", values["status-port"]),
    ...(values.switch === undefined ? {} : { switchAddress: values.switch }),
    clock: systemClock,
    ...(values.verbose ? { log: (line: string) => process.stderr.write(`${line}\n`) } : {}),
  });
  const ready = { ready: true, sip: `${carrier.host}:${carrier.port}`, status: carrier.statusUrl };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  await stopped;
  await carrier.close();
  // Not by Node's own teardown, which was seen to spin after thousands of sockets that were reset.
  process.exit(0);
}

function portOf(option: string, text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) throw new Error(`${option} takes a port, 0 to 65535`);
  return port;
}

function stopRequest(withParent: boolean): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    // Ctrl-C comes to the parent too, which says when.
    process.on("SIGINT", () => {
      if (!withParent) resolve();
    });
    if (!withParent) return;
    process.stdin.once("close", () => resolve());
    process.stdin.once("end", () => resolve());
    // Read, or its end would never be seen.
    process.stdin.resume();
  });
}
