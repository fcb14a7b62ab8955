import { parseArgs } from "node:util";
import { compose, roles, type Role } from "./compose.ts";
import { readConfig } from "./config.ts";
import type { Log } from "../engine/log.ts";
import { createLog } from "./log.ts";

/**
 * Process managers kill what has not stopped after 10 s. What is still under way by then (a webhook that nobody answers)
 * is cut off, as a crash would, and done again by the next start.
 */
const drainMsMax = 8_000;

/** `sautikit start`: runs the roles asked for until SIGTERM or SIGINT, then drains. */
export async function start(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { role: { type: "string", default: roles.join(",") } },
  });
  const wanted = new Set(values.role.split(",").map(roleNamed));
  const config = readConfig(process.env);
  dieMasked(createLog(config.logLevel, config));
  const app = await compose(config, wanted);
  let stopping = false;
  const stop = () => {
    // Ctrl-C under npm comes twice.
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(0), drainMsMax);
    // By exit(), since Node's own teardown was seen to spin where many sockets had been reset.
    app.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`sautikit: could not stop cleanly: ${String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  const ready = {
    ready: true,
    roles: [...wanted],
    base_url: app.baseUrl,
    carrier_status: app.carrierStatusUrl,
    daraja_control: app.darajaControlUrl,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  if (app.baseUrl !== null) {
    const demo = app.demoFile === null ? "" : `; the demo key is in ${app.demoFile}`;
    process.stderr.write(`Sautikit is ready at ${app.baseUrl}${demo}\n`);
  }
  // The store, the switch's sockets or the server keep the process alive; a role with none of them must too.
  setInterval(() => undefined, 2 ** 30);
}

/** By a bug, as ever; but what Node would print of it, with all that the error holds, is said through the log. */
function dieMasked(log: Log): void {
  process.on("uncaughtException", (error) => {
    log.error({ err: error }, "a bug ended this process; start Sautikit again");
    process.exit(1);
  });
}

function roleNamed(name: string): Role {
  const role = roles.find((known) => known === name.trim());
  if (!role) throw new Error(`--role takes a list of ${roles.join(", ")}; "${name}" is none of them.`);
  return role;
}
