import { startSimulatedSwitch, type SimulatedSwitchOptions } from "./simulated-switch.ts";

/**
 * The simulated switch as a process of its own: prints one line of JSON once it can be used, and stops by SIGTERM or
 * SIGINT as the real one does. With `exitWithParent` it stops when its standard input ends instead of by SIGINT, so that
 * it never outlives whoever started it, nor goes before.
 */
export async function runSwitchProcess(
  options: SimulatedSwitchOptions & { exitWithParent: boolean },
): Promise<void> {
  const simulated = await startSimulatedSwitch(options);
  const stop = () => {
    void simulated.close().finally(() => process.exit(0));
  };
  process.once("SIGTERM", stop);
  // Ctrl-C comes to the parent too, which says when.
  process.on("SIGINT", options.exitWithParent ? () => undefined : stop);
  if (options.exitWithParent) process.stdin.once("end", stop).once("error", stop).resume();
  const ready = {
    ready: true,
    esl: `${options.eslHost}:${simulated.eslPort}`,
    sip: `${options.sipHost}:${simulated.sipPort}`,
    ...(options.devices && { devices: `${options.devices.host}:${simulated.devicesPort}` }),
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}
