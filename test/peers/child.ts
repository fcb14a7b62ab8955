import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface Child {
  readonly pid: number;
  readonly running: boolean;
  /** Resolves with how it ended, at once where it has. */
  exited(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** SIGTERM, and SIGKILL if it is still there after `killAfterMs`. Twice is fine. */
  stop(killAfterMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** A line into its standard input. */
  type(line: string): void;
  /** What it said on standard error, and on standard output unless that was read. */
  output(): string;
}

interface Started {
  process: ChildProcess;
  child: Child;
}

function start(
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string>; outputFile: string; readsStdout: boolean },
): Started {
  const output = openSync(options.outputFile, "w", 0o600);
  const process_ = spawn(command, args, {
    stdio: ["pipe", options.readsStdout ? "pipe" : output, output],
    env: { ...process.env, ...options.env },
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    process_.once("error", reject);
    process_.once("exit", (code, signal) => resolve({ code, signal }));
  });
  ended.catch(() => undefined);
  const child: Child = {
    pid: process_.pid ?? 0,
    get running() {
      return process_.exitCode === null && process_.signalCode === null;
    },
    exited: () => ended,
    async stop(killAfterMs = 10_000) {
      if (!child.running) return;
      process_.kill("SIGTERM");
      const timer = setTimeout(() => process_.kill("SIGKILL"), killAfterMs);
      await ended;
      clearTimeout(timer);
    },
    kill: (signal) => process_.kill(signal),
    type: (line) => void process_.stdin?.write(`${line}\n`),
    output: () => readFileSync(options.outputFile, "utf8"),
  };
  return { process: process_, child };
}

/** A process that runs until it is stopped; `outputFile` takes what it says. */
export function startProcess(
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string>; outputFile: string },
): Child {
  return start(command, args, { ...options, readsStdout: false }).child;
}

/** The folder of the version that is tested. */
const thisProduct = new URL("../../", import.meta.url).pathname;
/** On a machine that has nothing else to do it takes one second. */
const readyMsMax = 90_000;

/**
 * `sautikit …` as a process of its own, and the line of JSON that it prints when it is ready. `product`: the folder of another
 * version; `within`: a command and arguments that it is started by.
 */
export async function startSautikit(
  args: readonly string[],
  options: { folder: string; env?: Record<string, string>; product?: string; within?: readonly string[] },
): Promise<{ child: Child; ready: Record<string, unknown> }> {
  const outputFile = join(options.folder, `${args.slice(0, 2).join("-")}-${String(started++)}.log`);
  const program = join(options.product ?? thisProduct, "cli/sautikit.ts");
  const [command, ...before] = [...(options.within ?? []), process.execPath, program];
  const { process: process_, child } = start(command, [...before, ...args], {
    ...options,
    outputFile,
    readsStdout: true,
  });
  const lines = createInterface({ input: process_.stdout! });
  const [line] = (await Promise.race([
    once(lines, "line", { signal: AbortSignal.timeout(readyMsMax) }),
    child.exited().then(({ code, signal }) => {
      throw new Error(`sautikit ${args.join(" ")} ended (${code ?? signal}):\n${child.output()}`);
    }),
  ])) as [string];
  lines.close();
  process_.stdout!.resume();
  return { child, ready: JSON.parse(line) as Record<string, unknown> };
}

let started = 1;
