import { Counter, Histogram, type Registry } from "prom-client";
import type { DelivererParts } from "../../engine/webhooks/deliverer.ts";

/** Counts tries of webhooks. Customers' hosts are no label: there are as many as customers want. */
export function countWebhooks(registry: Registry): NonNullable<DelivererParts["tried"]> {
  const seconds = new Histogram({
    name: "sautikit_webhook_seconds",
    help: "Time that a customer's server took to answer a webhook, in seconds, by its answer: 2xx to 5xx, or none.",
    labelNames: ["answer"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  const dead = new Counter({
    name: "sautikit_webhooks_dead_total",
    help: "Webhooks that were given up: dead letters.",
    registers: [registry],
  });
  return ({ status, latencyMs, deadLetter }) => {
    const answer = status === null ? "none" : `${Math.floor(status / 100)}xx`;
    seconds.observe({ answer }, latencyMs / 1000);
    if (deadLetter) dead.inc();
  };
}
