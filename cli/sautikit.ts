#!/usr/bin/env node
import { runCarrierProcess } from "../engine/simulator/carrier/process.ts";
import { describeConfig } from "./config.ts";

const usage = `Usage: npx sautikit <command>

  start [--role api,controller,spool]   Runs Sautikit; all roles by default.
  spool                                 Runs the spool role alone, on a FreeSWITCH box.
  demo [--keep]                         Shows a real call on the embedded default.
  config                                Prints every setting and its value.
  workspace create NAME                 Makes a workspace.
  key create WORKSPACE [--name N] [--scopes a,b]   Makes an API key, shown once.
  key list WORKSPACE                    Lists its keys, revoked ones too.
  key revoke KEY                        Ends a key, by its id; it is refused at once.
  number add WORKSPACE E164             Gives a number to a workspace.
  credit WORKSPACE KES [--reference R] [--description D]   Puts money into a wallet.
  ledger verify                         Checks every invariant of the ledger.
  simulator switch|carrier [options]    Runs one part of the simulator.
`;

/** Each command's own file is loaded when it is asked for, so that a small one starts fast. */
async function main(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args;
  switch (command) {
    case "start":
      return (await import("./start.ts")).start(rest);
    case "spool":
      return (await import("./start.ts")).start(["--role", "spool", ...rest]);
    case "demo":
      return (await import("./demo/demo.ts")).demo(rest);
    case "config":
      process.stdout.write(`${describeConfig(process.env)}\n`);
      return;
    case "workspace":
    case "key":
    case "number":
    case "credit":
    case "ledger":
      return (await import("./operator.ts")).operator(command, rest);
    case "simulator":
      return simulator(rest);
    case undefined:
    case "help":
    case "--help":
      process.stdout.write(usage);
      return;
    default:
      throw new UsageError(`There is no command "${command}".`);
  }
}

async function simulator([part, ...args]: readonly string[]): Promise<void> {
  if (part === "carrier") return runCarrierProcess(args);
  if (part === "switch") return (await import("./simulator-switch.ts")).runSwitch(args);
  throw new UsageError("simulator takes `switch` or `carrier`.");
}

class UsageError extends Error {}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sautikit: ${message}\n${error instanceof UsageError ? `\n${usage}` : ""}`);
  if (process.env["LOG_LEVEL"] === "debug" && error instanceof Error)
    process.stderr.write(`${error.stack ?? ""}\n`);
  process.exitCode = 1;
}
