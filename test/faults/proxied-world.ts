import { EslProxy } from "../peers/esl-proxy.ts";
import type { SwitchOptions } from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { TestWorld } from "../world/world.ts";
import { Pairs } from "./pairs.ts";
import { Witness } from "./witness.ts";

/** A world in which `sautikit` reaches the switch's event socket through a proxy, and a witness does without it. */
export class ProxiedWorld {
  readonly world: TestWorld;
  readonly proxy: EslProxy;
  readonly witness: Witness;
  readonly pairs: Pairs;

  private constructor(world: TestWorld, proxy: EslProxy, witness: Witness) {
    this.world = world;
    this.proxy = proxy;
    this.witness = witness;
    this.pairs = new Pairs(world, witness);
  }

  static async start(
    env: Record<string, string> = {},
    switchOptions: Partial<SwitchOptions> = {},
  ): Promise<ProxiedWorld> {
    const opened = Promise.withResolvers<EslProxy>();
    const world = await TestWorld.start(env, undefined, {
      switchOptions,
      reach: async (esl) => {
        const proxy = await EslProxy.open(esl);
        opened.resolve(proxy);
        return { host: "127.0.0.1", port: proxy.port };
      },
    });
    const proxy = await opened.promise;
    world.auditor.watchBetween(proxy);
    const on = new ProxiedWorld(world, proxy, await Witness.of(world));
    await on.ready();
    return on;
  }

  /** The switch is connected, and the rest is there. */
  ready(): Promise<unknown> {
    return this.#readiness(200);
  }

  /** It is known that the switch is out of reach. */
  away(withinMs?: number): Promise<unknown> {
    return this.#readiness(503, withinMs);
  }

  #readiness(status: number, withinMs = 20_000): Promise<unknown> {
    return eventually(
      `${status} from /readyz`,
      async () => ((await this.world.customer.ask("GET", "/readyz")).status === status ? true : undefined),
      { withinMs },
    );
  }

  async end(): Promise<void> {
    await this.proxy.close();
    await this.witness.stop();
    await this.world.end();
  }
}
