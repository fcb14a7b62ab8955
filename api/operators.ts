import { Router } from "express";
import type { ApiParts } from "./parts.ts";

/** A check that hangs is a check that failed. */
const readinessMs = 2000;

/** What load balancers and Prometheus ask; no key, no rate limit. */
export function operators({
  readiness,
  registry,
  clock,
  isDraining,
}: Pick<ApiParts, "readiness" | "registry" | "clock" | "isDraining">): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.get("/healthz", (_request, response) => void response.json({ status: "ok" }));
  router.get("/readyz", async (_request, response) => {
    const names = Object.keys(readiness);
    const results = await Promise.all(Object.values(readiness).map((check) => verdict(check)));
    const checks = Object.fromEntries(names.map((name, index) => [name, results[index]]));
    const ready = !isDraining() && results.every((result) => result === "ok");
    const status = isDraining() ? "draining" : ready ? "ok" : "unavailable";
    response.status(ready ? 200 : 503).json({ status, checks });
  });
  router.get("/metrics", async (_request, response) => {
    response.setHeader("Content-Type", registry.contentType);
    response.send(await registry.metrics());
  });
  return router;

  /** The reason stays in our log's world: addresses and paths are nobody's business out there. */
  async function verdict(check: () => Promise<void>): Promise<"ok" | "failed"> {
    const given = new AbortController();
    const late = clock.sleep(readinessMs, given.signal).then(() => "failed" as const);
    // Aborted, it rejects with nobody waiting.
    late.catch(() => undefined);
    try {
      return await Promise.race([check().then(() => "ok" as const), late]);
    } catch {
      return "failed";
    } finally {
      given.abort();
    }
  }
}
