import { startSimulatedSwitch, type SimulatedSwitchOptions } from "./simulated-switch.ts";

/**
 * The simulated switch as a process of its own: prints one line of JSON once it can be used, and stops by SIGTERM or
 * SIGINT as the real one does. With `exitWithParent` it also stops when its standard input ends, so that it never
 * outlives whoever started it.
 */
export async function runSwitchProcess(
  options: SimulatedSwitchOptions & { exitWithParent: boolean },
): Promise<void> {
  const simulated = await startSimulatedSwitch(options);
  const stop = () => {
    void simulated.close().finally(() => process.exit(0));
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  if (options.exitWithParent) process.stdin.once("end", stop).once("error", stop).resume();
  const ready = {
    ready: true,
    esl: `${options.eslHost}:${simulated.eslPort}`,
    sip: `${options.sipHost}:${simulated.sipPort}`,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}
