import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { Demo } from "../../cli/demo-workspace.ts";
import type { CarrierCallView, PlacedCallView } from "../peers/carrier-process.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { eventually } from "../peers/waiting.ts";
import { Customer, type ApiCall } from "../world/customer.ts";
import { Recipe } from "./recipe.ts";

const program = join(import.meta.dirname, "../../cli/sautikit.ts");

/** Where a developer sits who has just run `npm start`, as the pages of docs/recipes/ have it. */
export class Desk {
  /** The one in which it was run: `data/` is here. */
  readonly folder: string;
  readonly customer: Customer;
  readonly #carrierStatus: string;
  readonly #sautikit: Child;
  readonly #recipes: Recipe[] = [];

  private constructor(folder: string, sautikit: Child, demo: Demo) {
    this.folder = folder;
    this.#sautikit = sautikit;
    this.#carrierStatus = String(demo.carrier_status);
    this.customer = new Customer(demo.base_url, demo.api_key);
  }

  static async open(): Promise<Desk> {
    const folder = await mkdtemp(join(tmpdir(), "sautikit-recipes-"));
    // `npx sautikit …` as it is in a checkout.
    const npx = `#!/bin/sh\nshift\nexec '${process.execPath}' '${program}' "$@"\n`;
    await writeFile(join(folder, "npx"), npx, { mode: 0o700 });
    const env = { DATA_DIR: join(folder, "data"), PORT: "0", LOG_LEVEL: "warn" };
    const { child } = await startSautikit(["start"], { folder, env });
    const demo = JSON.parse(await readFile(join(folder, "data/demo.json"), "utf8")) as Demo;
    const desk = new Desk(folder, child, demo);
    // Those who look on ask far more often than a recipe does.
    desk.limit("requests_per_minute", 100_000);
    return desk;
  }

  /** A page, with its files saved. */
  async recipe(page: string): Promise<Recipe> {
    const recipe = await Recipe.read(page, { folder: this.folder, api: this.customer.baseUrl });
    this.#recipes.push(recipe);
    await recipe.save();
    return recipe;
  }

  /** What the operator allows the workspace. */
  limit(column: "requests_per_minute" | "calls_per_second", value: number): void {
    const database = new Database(join(this.folder, "data/sautikit.db"));
    database.prepare(`UPDATE workspaces SET ${column} = ?`).run(value);
    database.close();
  }

  /** The carrier's account of its calls. */
  async carrier(): Promise<{
    calls: CarrierCallView[];
    placed: PlacedCallView[];
    numbers: Record<string, { invites: number }>;
  }> {
    return (await fetch(`${this.#carrierStatus}/calls`)).json() as ReturnType<Desk["carrier"]>;
  }

  /** The newest call that is so, once there is one. */
  call(filter: Record<string, string>): Promise<ApiCall> {
    const query = new URLSearchParams(filter).toString();
    return eventually(`a call with ${query}`, async () => {
      const { body } = await this.customer.ask("GET", `/v1/calls?${query}`);
      return (body.data as ApiCall[])[0];
    });
  }

  /** Waits until so many texts have begun to be said in the call; all of them. */
  async said(callId: string, count: number): Promise<string[]> {
    return spoken(
      await this.customer.until(callId, `${count} texts`, (call) => spoken(call).length >= count),
    );
  }

  async close(): Promise<void> {
    for (const recipe of this.#recipes) await recipe.stop();
    await this.#sautikit.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Every text that was said, in order; none may have failed. */
export function spoken({ events }: ApiCall): string[] {
  const failed = events.find(({ kind }) => kind === "say.failed");
  if (failed) throw new Error(JSON.stringify(failed.payload));
  return events.filter(({ kind }) => kind === "say.started").map(({ payload }) => String(payload["text"]));
}
