import { join } from "node:path";
import { pino } from "pino";
import { systemClock } from "../../engine/clock.ts";
import { systemIds, type LegId } from "../../engine/ids.ts";
import { FreeSwitchBox } from "../../engine/switch/freeswitch-box.ts";
import type { SwitchEvent } from "../../engine/switch/switch.ts";
import type { EndStamps } from "../calls/checks.ts";
import { eventually } from "../peers/waiting.ts";
import type { TestWorld } from "../world/world.ts";

/** The world's switch, to be heard and commanded past `sautikit`. */
export const boxBeside = (world: TestWorld, box: string): FreeSwitchBox =>
  new FreeSwitchBox({
    box,
    ...world.switch.esl,
    recordingsFolder: join(world.switch.spoolDir, "recordings"),
    clock: systemClock,
    ids: systemIds(systemClock),
    log: pino({ level: "silent" }),
    commandConnections: 1,
  });

/** Hears from the switch itself what becomes of its legs, whoever is killed or cut off meanwhile. */
export class Witness {
  readonly ends = new Map<string, EndStamps>();
  /** Seconds between a recording's first and last moment, by the switch's events. */
  readonly recorded = new Map<string, number>();
  readonly events: SwitchEvent[] = [];
  readonly #box: FreeSwitchBox;

  private constructor(world: TestWorld) {
    this.#box = boxBeside(world, "witness");
    const startedAtUs = new Map<string, number>();
    this.#box.onEvent((event) => {
      this.events.push(event);
      if (event.kind === "hungUp") {
        const { cause, answeredAtUs, endedAtUs } = event;
        // Nobody talked with one that answered as another did, and lost.
        const answeredUs = cause === "LOSE_RACE" ? 0n : BigInt(answeredAtUs ?? 0);
        this.ends.set(event.leg, { answeredUs, endedUs: BigInt(endedAtUs) });
      }
      if (event.kind === "recordingStarted") startedAtUs.set(event.recording, event.atUs);
      if (event.kind === "recordingStopped") {
        const fromUs = startedAtUs.get(event.recording) ?? Number.NaN;
        this.recorded.set(event.recording, (event.atUs - fromUs) / 1_000_000);
      }
    });
  }

  static async of(world: TestWorld): Promise<Witness> {
    const witness = new Witness(world);
    witness.#box.start();
    await eventually("the witness's connection", () => witness.#box.connected || undefined);
    return witness;
  }

  /** Waits until the switch has told so many events of that kind of a leg. */
  async event(leg: string, kind: SwitchEvent["kind"], count = 1): Promise<void> {
    await eventually(`${count} ${kind} of ${leg}`, () => this.#count(leg, kind) >= count || undefined, {
      withinMs: 30_000,
    });
  }

  /** The event is one leg's, and names the other. */
  async bridged(pair: readonly string[]): Promise<void> {
    const joined = () =>
      this.events.some(
        (event) => event.kind === "bridged" && pair.includes(event.leg) && pair.includes(event.otherLeg),
      );
    await eventually(`the two joined: ${pair.join()}`, () => joined() || undefined, { withinMs: 30_000 });
  }

  #count = (leg: string, kind: SwitchEvent["kind"]) =>
    this.events.filter((event) => event.leg === leg && event.kind === kind).length;

  /** Sends a party digits past the controller; resolves when it has pressed them all, as one that sends each back does. */
  async press(leg: string, digits: string): Promise<void> {
    const before = this.#count(leg, "digit");
    await this.#box.sendDigits(leg as LegId, digits);
    await this.event(leg, "digit", before + digits.length);
  }

  /** Ends a leg at the switch, past the controller. */
  async hangUp(leg: string): Promise<void> {
    await this.#box.hangUp(leg as LegId, "NORMAL_CLEARING");
  }

  stop(): Promise<void> {
    return this.#box.stop();
  }
}
