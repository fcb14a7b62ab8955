import assert from "node:assert/strict";
import { join } from "node:path";
import { startCarrierProcess } from "../peers/carrier-process.ts";
import { startSautikit, type Child } from "../peers/child.ts";
import { freePort } from "../peers/free-ports.ts";
import { boxName, startSwitchUnderTest, type SwitchUnderTest } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { TestWorld } from "../world/world.ts";

/** Two boxes on one machine, an API with the spool, and controllers, each a process with a folder of its own. */
export class ManyWorld {
  readonly world: TestWorld;
  readonly boxes: readonly [string, string];
  readonly second: SwitchUnderTest;
  readonly #controllers = new Map<string, Child>();
  readonly #env: Record<string, string>;

  private constructor(world: TestWorld, second: SwitchUnderTest) {
    this.world = world;
    this.second = second;
    this.boxes = [boxName(world.switch), boxName(second)];
    this.#env = { ...world.env, S3_ENDPOINT: `http://127.0.0.1:${world.env["S3_PORT"]}` };
  }

  static async start(env: Record<string, string> = {}): Promise<ManyWorld> {
    // Of its own: the world's is not there yet when the second box is.
    const carrier = await startCarrierProcess();
    const second = await startSwitchUnderTest({ carrier });
    const world = await TestWorld.start(
      {
        ...{ S3_PORT: String(await freePort()) },
        ...{ S3_ACCESS_KEY_ID: "wanjiru", S3_SECRET_ACCESS_KEY: "wanjiru-secret" },
        ...env,
      },
      "api,spool",
      { carrier, switchOptions: { spoolDir: second.spoolDir }, beside: [second] },
    );
    return new ManyWorld(world, second);
  }

  async startController(name: string, env: Record<string, string> = {}): Promise<Child> {
    const { folder } = this.world;
    const own = { ...this.#env, DATA_DIR: join(folder, name), ...env };
    const { child } = await startSautikit(["start", "--role", "controller"], { folder, env: own });
    this.#controllers.set(name, child);
    return child;
  }

  controller(name: string): Child {
    const child = this.#controllers.get(name);
    assert.ok(child, `there is no controller ${name}`);
    return child;
  }

  async kill(name: string): Promise<void> {
    this.controller(name).kill("SIGKILL");
    await this.controller(name).exited();
  }

  /** Which process leads each box, by name of the controller. */
  async leaders(): Promise<Map<string, string>> {
    const rows = (await this.world.byHand(
      "SELECT l.name, c.pid FROM leases l JOIN controllers c ON c.id = l.holder",
    )) as { name: string; pid: string | number }[];
    const names = new Map([...this.#controllers].map(([name, child]) => [child.pid, name]));
    return new Map(rows.map(({ name, pid }) => [name, names.get(Number(pid)) ?? `process ${pid}`]));
  }

  /** Resolves with how long it took, ms. */
  async untilLed(
    what: string,
    when: (leaders: Map<string, string>) => boolean,
    withinMs = 20_000,
  ): Promise<number> {
    const fromMs = performance.now();
    await eventually(what, async () => (when(await this.leaders()) ? true : undefined), { withinMs });
    return performance.now() - fromMs;
  }

  async legsByBox(): Promise<Map<string, number>> {
    const rows = (await this.world.byHand(
      "SELECT box, COUNT(*) AS legs FROM legs WHERE ended_at_us IS NULL GROUP BY box",
    )) as { box: string; legs: string | number }[];
    return new Map(rows.map(({ box, legs }) => [box, Number(legs)]));
  }

  output(): string {
    return [...this.#controllers.values()].map((child) => child.output()).join("");
  }

  async end(): Promise<void> {
    for (const child of this.#controllers.values()) {
      // One that stands still hears no SIGTERM.
      if (child.running) child.kill("SIGCONT");
      await child.stop();
    }
    await this.world.end();
    await this.second.stop();
  }
}
