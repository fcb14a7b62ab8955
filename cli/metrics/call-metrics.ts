import { Counter, Histogram, type Registry } from "prom-client";
import type { LegOutcome } from "../../engine/calls/change-parts.ts";
import { boundedLabel } from "./bounded-label.ts";

/** FreeSWITCH has some 70 causes; what a peer makes up is not to fill Prometheus. */
const causesMax = 100;
/** Of the operator's own file, and over all the times it was changed. */
const trunksMax = 100;

/** Counts what came of legs: to be called once for each end, after its commit. */
export function countLegs(registry: Registry): (outcome: LegOutcome) => void {
  const ended = new Counter({
    name: "sautikit_legs_ended_total",
    help: "Legs that ended, by direction, trunk (none: over no trunk), status and hangup cause; failed_over: the next trunk tried.",
    labelNames: ["direction", "trunk", "status", "cause"],
    registers: [registry],
  });
  const delay = new Histogram({
    name: "sautikit_post_dial_delay_seconds",
    help: "Time from dialling to the first ringing of outbound legs that rang, in seconds.",
    labelNames: ["trunk"],
    buckets: [0.25, 0.5, 1, 2, 4, 6, 8, 12, 20],
    registers: [registry],
  });
  const [trunkLabel, causeLabel] = [boundedLabel(trunksMax), boundedLabel(causesMax)];
  return ({ direction, trunk: over, status, cause, postDialDelayMs }) => {
    const trunk = over === null ? "none" : trunkLabel(over);
    ended.inc({ direction, trunk, status, cause: causeLabel(cause.toLowerCase()) });
    if (direction === "outbound" && postDialDelayMs !== null && postDialDelayMs >= 0)
      delay.observe({ trunk }, postDialDelayMs / 1000);
  };
}
