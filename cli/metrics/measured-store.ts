import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Clock } from "../../engine/clock.ts";
import { isError } from "../../engine/errors.ts";
import type { Store } from "../../engine/store/store.ts";

/** The store, with every transaction timed from when it was asked for: the wait for its turn is what customers feel. */
export function measuredStore(store: Store, registry: Registry, clock: Clock): Store {
  const seconds = new Histogram({
    name: "sautikit_database_seconds",
    help: "Time from asking for a transaction to its commit on disk, or to its answer, in seconds; kind: write or read.",
    labelNames: ["kind"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
    registers: [registry],
  });
  const waiting = new Gauge({
    name: "sautikit_database_transactions",
    help: "Transactions that were asked for and are not done; kind: write or read.",
    labelNames: ["kind"],
    registers: [registry],
  });
  const unavailable = new Counter({
    name: "sautikit_database_unavailable_total",
    help: "Transactions that failed since the database was away, full or too slow.",
    registers: [registry],
  });
  const measured = async <T>(kind: "write" | "read", run: () => Promise<T>): Promise<T> => {
    const startedMs = clock.monotonicMs();
    waiting.inc({ kind });
    try {
      return await run();
    } catch (error) {
      if (isError(error, "database.unavailable")) unavailable.inc();
      throw error;
    } finally {
      waiting.dec({ kind });
      seconds.observe({ kind }, (clock.monotonicMs() - startedMs) / 1000);
    }
  };
  return {
    write: (work) => measured("write", () => store.write(work)),
    read: (work) => measured("read", () => store.read(work)),
    close: () => store.close(),
  };
}
