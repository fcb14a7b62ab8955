import assert from "node:assert/strict";
import { toldLine } from "../cli/sautikit.ts";
import { scrape } from "../peers/scrape.ts";
import { eventually } from "../peers/waiting.ts";
import type { TestWorld } from "../world/world.ts";

/** Has the box drained, or not any more; resolves once the API's process knows of it too. */
export async function drain(
  { customer, env }: Pick<TestWorld, "customer" | "env">,
  box: string,
  isDrained: boolean,
): Promise<void> {
  const { draining } = await toldLine(["box", isDrained ? "drain" : "undrain", box], env);
  assert.equal(draining, isDrained);
  await eventually("the metric", async () => {
    const { value } = await scrape(customer.baseUrl);
    return value("sautikit_box_draining", { box }) === Number(isDrained) || undefined;
  });
}
