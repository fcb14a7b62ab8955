#!/usr/bin/env node
import { configuredSecrets, describeConfig } from "./config.ts";
import { LogMask } from "./log-mask.ts";
import { version } from "./version.ts";
import { asUsageError, usage, UsageError } from "./usage.ts";

/** Each command's own file is loaded when it is asked for, so that a small one starts fast. */
async function main(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args;
  if (command === undefined || command === "help" || asksForHelp(args)) {
    process.stdout.write(usage(command === "help" ? rest : args));
    return;
  }
  switch (command) {
    case "start":
      return (await import("./start.ts")).start(rest);
    case "spool":
      return (await import("./start.ts")).start(["--role", "spool", ...rest]);
    case "demo":
      return (await import("./demo/demo.ts")).demo(rest);
    case "version":
    case "--version":
      nothingMore(command, rest);
      process.stdout.write(`${await version()}\n`);
      return;
    case "config":
      nothingMore(command, rest);
      process.stdout.write(`${describeConfig(process.env)}\n`);
      return;
    case "firewall":
      return (await import("./firewall.ts")).firewall(rest);
    case "doctor":
      nothingMore(command, rest);
      return (await import("./doctor/doctor.ts")).doctor();
    case "backup":
      return (await import("./backup/backup.ts")).backup(rest);
    case "restore":
      return (await import("./backup/restore.ts")).restore(rest);
    case "workspace":
    case "key":
    case "number":
    case "numbers":
    case "ports":
    case "credit":
    case "invoices":
    case "ledger":
    case "privacy":
    case "topup":
    case "suspense":
    case "mpesa":
    case "rates":
    case "recordings":
    case "prices":
    case "bans":
    case "box":
    case "prefixes":
    case "trunk":
      return (await import("./operator/operator.ts")).operator(command, rest);
    case "simulator":
      return simulator(rest);
    default:
      throw new UsageError(`There is no command "${command}".`);
  }
}

function nothingMore(command: string, [surplus]: readonly string[]): void {
  if (surplus !== undefined) throw new UsageError(`${command} takes nothing more: "${surplus}" is too many.`);
}

/** Behind `--` nothing is an option. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === "--help" || arg === "-h");
}

async function simulator([part, ...args]: readonly string[]): Promise<void> {
  if (part === "carrier")
    return (await import("../engine/simulator/carrier/process.ts")).runCarrierProcess(args);
  if (part === "switch") return (await import("./simulator-switch.ts")).runSwitch(args);
  if (part === "daraja") return (await import("./simulator-daraja.ts")).runDaraja(args);
  if (part === "edge") return (await import("../engine/simulator/edge/process.ts")).runEdgeProcess(args);
  throw new UsageError("simulator takes `switch`, `carrier`, `edge` or `daraja`.");
}

/** With what was wrong underneath, without which "the database cannot be written" helps nobody. */
function reasonOf(error: Error): string {
  const { message, cause } = error;
  if (error instanceof UsageError) return message;
  return cause instanceof Error && cause.message !== "" ? `${message} (${cause.message})` : message;
}

/** What a server says ends up in a log; a command answers whoever typed it, who is to see what was wrong with it. */
function forLog(text: string): string {
  const [command] = args;
  if (command !== "start" && command !== "spool") return text;
  return new LogMask(configuredSecrets(process.env)).text(text);
}

const args = process.argv.slice(2);
// Whoever read the lines has enough of them: `key list … | head -1`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});
try {
  await main(args);
} catch (thrown) {
  const error = asUsageError(thrown);
  const message = forLog(error instanceof Error ? reasonOf(error) : String(error));
  process.stderr.write(`sautikit: ${message}\n${error instanceof UsageError ? `\n${usage(args)}` : ""}`);
  if (process.env["LOG_LEVEL"] === "debug" && error instanceof Error)
    process.stderr.write(`${forLog(error.stack ?? "")}\n`);
  process.exitCode = 1;
}
