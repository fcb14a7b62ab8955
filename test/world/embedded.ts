import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Demo } from "../../cli/demo-workspace.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { testDatabase, type TestDatabase } from "../store/test-database.ts";
import { Customer } from "./customer.ts";

export interface Embedded {
  /** DATA_DIR is `data` in it, as where the docs are tried. */
  folder: string;
  /** What it was started with. */
  env: Record<string, string>;
  baseUrl: string;
  demo: Demo;
  customer: Customer;
  sautikit: Child;
  byHand: TestDatabase["byHand"];
  end(): Promise<void>;
}

/** `npm start` on a bare machine, on free ports, with limits that no busy test meets. */
export async function startEmbedded(more: Record<string, string> = {}): Promise<Embedded> {
  const folder = await mkdtemp(join(tmpdir(), "sautikit-embedded-"));
  const database = await testDatabase();
  const env = {
    DATA_DIR: join(folder, "data"),
    DATABASE_URL: database.url,
    PORT: "0",
    LOG_LEVEL: "warn",
    ...more,
  };
  const { child } = await startSautikit(["start"], { folder, env });
  const demo = JSON.parse(await readFile(join(folder, "data", "demo.json"), "utf8")) as Demo;
  const store = await database.open();
  await store.write((tx) =>
    tx.run(
      "UPDATE workspaces SET requests_per_minute = 1000000, calls_per_second = 1000, concurrent_calls = 1000",
    ),
  );
  await store.close();
  return {
    ...{ folder, env, demo, sautikit: child, baseUrl: demo.base_url },
    customer: new Customer(demo.base_url, demo.api_key),
    byHand: (sql) => database.byHand(sql),
    async end() {
      await child.stop();
      await database.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
