import { systemClock } from "../../clock.ts";
import { systemIds } from "../../ids.ts";
import type { StandInSettings } from "./book.ts";
import { startStandIn } from "./stand-in.ts";

/**
 * The stand-in as a process: prints one line of JSON when it is ready, serves until SIGTERM or SIGINT (or, with
 * `exitWithParent`, until its stdin ends).
 */
export async function runStandInProcess(options: {
  settings: StandInSettings;
  port: number;
  exitWithParent: boolean;
}): Promise<void> {
  const clock = systemClock;
  const standIn = await startStandIn({ clock, ids: systemIds(clock), ...options });
  const stop = () => {
    void standIn.close().finally(() => process.exit(0));
  };
  process.once("SIGTERM", stop);
  // Ctrl-C comes to the parent too, which says when.
  process.on("SIGINT", options.exitWithParent ? () => undefined : stop);
  if (options.exitWithParent) process.stdin.once("end", stop).once("error", stop).resume();
  const ready = { ready: true, daraja: standIn.url, control: `${standIn.url}/control` };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}
