import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { EslClient, type Headers } from "../../simulator/switch/esl-client.ts";
import type { SwitchOptions } from "../../peers/switch-under-test.ts";
import { commandIn, EslProxy } from "../../peers/esl-proxy.ts";
import { eventually } from "../../peers/waiting.ts";
import { TestWorld } from "../../world/world.ts";
import { KnownCommands } from "./commands.ts";

/**
 * The whole product, with every command to the switch in view: on the wire, as the switch says that it ran it (it tells of
 * each api and each application, whoever asked for it), and in its log.
 */
export class WatchedWorld {
  readonly world: TestWorld;
  /** On the wire, each with its headers below its line. */
  readonly commands: readonly string[];
  readonly #proxy: EslProxy;
  readonly #known: KnownCommands;
  readonly #witness: EslClient;
  readonly #log: EslClient;

  private constructor(
    world: TestWorld,
    { proxy, commands }: { proxy: EslProxy; commands: readonly string[] },
    witness: EslClient,
    log: EslClient,
  ) {
    this.world = world;
    this.#proxy = proxy;
    this.commands = commands;
    this.#witness = witness;
    this.#log = log;
    this.#known = new KnownCommands({ spool: world.switch.spoolDir, password: world.switch.esl.password });
  }

  static async start(switchOptions: Partial<SwitchOptions> = {}): Promise<WatchedWorld> {
    const commands: string[] = [];
    let proxy: EslProxy | undefined;
    const env = { FREESWITCH_LOG_LEVEL: "debug" };
    const reach = async (esl: { host: string; port: number }) => {
      proxy = await EslProxy.open(esl);
      proxy.rule = (passing) => {
        const command = commandIn(passing);
        if (command !== null) commands.push(command);
        return "pass";
      };
      return { host: "127.0.0.1", port: proxy.port };
    };
    const world = await TestWorld.start({}, undefined, {
      reach,
      switchOptions: { env, ...switchOptions },
    });
    const { port, password } = world.switch.esl;
    const witness = await EslClient.login(
      port,
      password,
      "API CHANNEL_EXECUTE CHANNEL_CREATE CHANNEL_DESTROY",
    );
    const log = await EslClient.login(port, password, "SHUTDOWN");
    // The simulator has no log: it answers the command, and sends nothing.
    await log.command("log debug");
    return new WatchedWorld(world, { proxy: proxy!, commands }, witness, log);
  }

  /** Numbers that the switch was told to dial, in order. */
  get dialled(): string[] {
    return this.commands.flatMap((command) => this.#known.dialled(command));
  }

  /** Apis and applications as the switch tells of them. */
  get ran(): { apis: string[]; applications: string[] } {
    const of = (name: string) => this.#witness.events.filter((event) => event["Event-Name"] === name);
    return {
      apis: of("API").map((event) => words(event, "API-Command", "API-Command-Argument")),
      applications: of("CHANNEL_EXECUTE").map((event) => words(event, "Application", "Application-Data")),
    };
  }

  /** How many channels were none of ours: the carrier's own calls. */
  get inbound(): number {
    const created = this.#witness.events.filter((event) => event["Event-Name"] === "CHANNEL_CREATE");
    return created.filter((event) => !event["Unique-ID"]!.startsWith("leg_")).length;
  }

  /** Channels that came and did not go again. */
  get channels(): string[] {
    const live = new Set<string>();
    for (const event of this.#witness.events) {
      if (event["Event-Name"] === "CHANNEL_CREATE") live.add(event["Unique-ID"]!);
      if (event["Event-Name"] === "CHANNEL_DESTROY") live.delete(event["Unique-ID"]!);
    }
    return [...live];
  }

  /** Every line that the switch logged, each with its level (0 is the worst). */
  get log(): { level: number; text: string }[] {
    return this.#log.frames
      .filter(({ headers }) => headers["Content-Type"] === "log/data")
      .map(({ headers, body }) => ({ level: Number(headers["Log-Level"]), text: body }));
  }

  /** Throws on the first command, api or application that was not ours, and where nothing was commanded at all. */
  checkCommands(): void {
    const { apis, applications } = this.ran;
    const strange = [
      ...this.commands.filter((text) => !this.#known.onWire(text)).map((text) => `on the wire: ${text}`),
      ...apis.filter((text) => !this.#known.api(text)).map((text) => `api: ${text}`),
      ...applications.filter((text) => !this.#known.application(text)).map((text) => `application: ${text}`),
      ...this.log.filter(isAlarming).map(({ text }) => `log: ${text}`),
    ];
    assert.deepEqual(strange.slice(0, 10), []);
    assert.ok(this.commands.length > 0 && apis.length > 0 && applications.length > 0);
    // The simulator has no log.
    if (this.world.switch.kind === "freeswitch") {
      const executed = this.log.flatMap(
        ({ text }) => /EXECUTE \[depth=\d+\] \S+ (.*)\n/.exec(text)?.[1] ?? [],
      );
      const unknown = executed.filter(
        (text) => !this.#known.application(text.replace(/^(\w+)\((.*)\)$/s, "$1 $2")),
      );
      assert.deepEqual(unknown.slice(0, 10), []);
      assert.ok(executed.length > 0);
    }
  }

  /** Nothing is left of any call: not at the switch, not in the store; the three processes live, the books are right. */
  async checkRest(): Promise<void> {
    await eventually(
      "an end of every channel",
      () => {
        assert.deepEqual(this.channels, []);
        return true;
      },
      { withinMs: 30_000 },
    );
    // The list lags.
    await eventually("an empty list of channels", async () => {
      assert.match(await this.#witness.api("show channels as json"), /^\{"row_count": ?0\}/);
      return true;
    });
    await eventually("an end of every call", async () => {
      const open = await this.world.store.read((tx) =>
        tx.all("SELECT id FROM legs WHERE ended_at_us IS NULL UNION ALL SELECT id FROM intents"),
      );
      assert.deepEqual(open, []);
      return true;
    });
    // Each leg's record could be read, whatever the carrier had the switch write into it.
    const { spoolDir } = this.world.switch;
    await eventually("an end of every record", async () => {
      assert.deepEqual(await readdir(join(spoolDir, "cdr")), []);
      return true;
    });
    const aside = existsSync(join(spoolDir, "unclaimed")) ? await readdir(join(spoolDir, "unclaimed")) : [];
    assert.deepEqual(aside, []);
    const { sautikit, carrier } = this.world;
    assert.deepEqual(
      [sautikit.running, this.world.switch.child.running, carrier.child.running],
      [true, true, true],
    );
    await this.world.verifyLedger();
  }

  async end(): Promise<void> {
    this.#witness.close();
    this.#log.close();
    await this.world.end();
    await this.#proxy.close();
  }
}

const words = (event: Headers, name: string, argument: string): string =>
  event[argument] === undefined ? event[name]! : `${event[name]!} ${event[argument]}`;

/** The switch's own refusal to keep what a carrier sent is none: it is what one would want of it. */
const isAlarming = ({ level, text }: { level: number; text: string }): boolean =>
  (level <= 2 &&
    // It tells of its own start at the level of what is asked for at its console.
    !/\[CONSOLE\] sofia_presence\.c:\d+ Event Thread Started\n$/.test(text) &&
    !/Invalid data \(\$\{.*\} contains a variable\)\n$/.test(text)) ||
  /Command not found|Invalid Application|Invalid command/i.test(text);
