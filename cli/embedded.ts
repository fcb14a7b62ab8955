import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Log } from "../engine/log.ts";

export interface EmbeddedSwitch {
  esl: { host: string; port: number };
  /** Where devices register. */
  devicesPort: number;
  /** The carrier's own account of its calls, over HTTP. */
  carrierStatusUrl: string;
  stop(): Promise<void>;
}

const readyMsMax = 15_000;
const stopMsMax = 5_000;

/** Starts the simulated carrier and switch as processes of their own; they end with this one, however it ends. */
export async function startEmbeddedSwitch(options: {
  eslPassword: string;
  gateway: string;
  cdrDir: string;
  devices: { realm: string; spoolDir: string; port: number };
  /** Where it sends the SIP that it captures; null: nowhere. */
  hep: string | null;
  log: Log;
}): Promise<EmbeddedSwitch> {
  const carrier = await startChild(["simulator", "carrier", "--exit-with-parent"], {}, options.log);
  const sip = String(carrier.ready["sip"]);
  const args = [
    "simulator",
    "switch",
    "--exit-with-parent",
    "--gateway",
    `${options.gateway}=${sip}`,
    "--cdr-dir",
    options.cdrDir,
    ...["--devices-port", String(options.devices.port), "--devices-realm", options.devices.realm],
    ...["--devices-spool", options.devices.spoolDir, "--trunks-spool", options.devices.spoolDir],
    ...(options.hep === null ? [] : ["--hep", options.hep]),
  ];
  const simulated = await startChild(args, { ESL_PASSWORD: options.eslPassword }, options.log);
  const carrierStatusUrl = String(carrier.ready["status"]);
  // So that a `POST /calls` there is a call to us.
  await fetch(`${carrierStatusUrl}/switch`, { method: "PUT", body: String(simulated.ready["sip"]) });
  const [host = "127.0.0.1", port = "0"] = String(simulated.ready["esl"]).split(":");
  const [, devicesPort = "0"] = String(simulated.ready["devices"]).split(":");
  return {
    esl: { host, port: Number(port) },
    devicesPort: Number(devicesPort),
    carrierStatusUrl,
    async stop() {
      // The switch first: it says goodbye to the carrier.
      await simulated.stop();
      await carrier.stop();
    },
  };
}

export interface EmbeddedDaraja {
  url: string;
  /** Its control page. */
  controlUrl: string;
  stop(): Promise<void>;
}

/** Starts the stand-in of Daraja, likewise; it takes its secrets from its environment. */
export async function startEmbeddedDaraja(
  settings: { consumerKey: string; consumerSecret: string; shortcode: string; passkey: string },
  log: Log,
): Promise<EmbeddedDaraja> {
  const env = {
    DARAJA_CONSUMER_KEY: settings.consumerKey,
    DARAJA_CONSUMER_SECRET: settings.consumerSecret,
    DARAJA_SHORTCODE: settings.shortcode,
    DARAJA_PASSKEY: settings.passkey,
  };
  const child = await startChild(["simulator", "daraja", "--exit-with-parent"], env, log);
  const { daraja, control } = child.ready;
  return { url: String(daraja), controlUrl: String(control), stop: () => child.stop() };
}

interface Child {
  ready: Record<string, unknown>;
  stop(): Promise<void>;
}

async function startChild(args: readonly string[], env: Record<string, string>, log: Log): Promise<Child> {
  const child = spawn(process.execPath, [sautikit, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
    // A Ctrl-C goes to the whole group of the terminal; the switch is to outlive the calls that are drained.
    detached: true,
  });
  let stopping = false;
  child.on("exit", (code, signal) => {
    if (!stopping)
      log.error({ args, code, signal }, "an embedded process ended; start Sautikit again to have it back");
  });
  const ready = JSON.parse(await firstLine(child, args.slice(0, 2).join(" "))) as Record<string, unknown>;
  return {
    ready,
    stop() {
      stopping = true;
      return stopChild(child);
    },
  };
}

const sautikit = new URL("sautikit.ts", import.meta.url).pathname;

async function firstLine(child: ChildProcess, name: string): Promise<string> {
  if (!child.stdout) throw new Error("no stdout");
  const lines = createInterface({ input: child.stdout });
  const signal = AbortSignal.timeout(readyMsMax);
  try {
    const [line] = (await Promise.race([
      once(lines, "line", { signal }),
      once(child, "exit", { signal }).then(([code]) => {
        throw new Error(`${name} ended before it was ready (exit code ${String(code)})`);
      }),
    ])) as [string];
    return line;
  } finally {
    lines.close();
    child.stdout.resume();
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = AbortSignal.timeout(stopMsMax);
  timer.addEventListener("abort", () => child.kill("SIGKILL"));
  await ended;
}
