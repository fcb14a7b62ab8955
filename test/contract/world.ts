import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { systemClock } from "../../engine/clock.ts";
import { systemIds, type CallId, type LegId, type RecordingId } from "../../engine/ids.ts";
import { createWavWriter, readWav, type Wav } from "../../engine/simulator/media/wav.ts";
import { toneSource } from "../../engine/simulator/media/tone.ts";
import { parseEndRecord, type EndRecord } from "../../engine/switch/end-record.ts";
import { FreeSwitchBox } from "../../engine/switch/freeswitch-box.ts";
import type {
  BoxEvent,
  Branch,
  MediaFile,
  Originate,
  OriginateOutcome,
  SwitchEvent,
} from "../../engine/switch/switch.ts";
import { startCarrierProcess, type CarrierCallView, type CarrierProcess } from "../peers/carrier-process.ts";
import {
  startSwitchUnderTest,
  type SwitchOptions,
  type SwitchUnderTest,
} from "../peers/switch-under-test.ts";
import { eventually } from "../peers/waiting.ts";
import { noteVersion } from "./report.ts";
import { EslClient } from "../simulator/switch/esl-client.ts";

export const ids = systemIds(systemClock);

/** How the carrier's numbers behave: engine/simulator/carrier/magic-numbers.ts. */
export const numbers = {
  answers440: "+254700000001",
  answers880: "+254700000002",
  ringsFiveSeconds: "+254700000003",
  repeatsDigits: "+254700000004",
  losesAThird: "+254700000006",
  isNotHeard: "+254700000007",
  /** A second of 440 Hz at -35 dBFS and two of noise at -50, over and over. */
  speaksSoftlyWithPauses: "+254700000008",
  hangsUpAfterThreeSeconds: "+254700000103",
  ringsForEver: "+254700000180",
  /** Two seconds of 620 Hz, then answers with 880 Hz. */
  announcesThenAnswers: "+254700000183",
  /** Two seconds of 620 Hz, then 480. */
  announcesThenRefuses: "+254700000185",
  isBusy: "+254700000486",
  /** Rings for a second, then answers with 440 Hz. */
  ringsThenAnswers: "+254722000001",
} as const;

/** A party's tone lies at about -12 dBFS. */
export const audibleDbfs = -30;
/** What another tone leaves here when a busy machine loses a frame of it lies below. */
export const silentDbfs = -50;

/** From a leg's answer to the first frame in its file: two ticks of the switch, and more on a busy machine. */
export const startSlackMs = 150;

/** One leg that was dialled, before anything is known of it. */
export interface Dialled {
  leg: LegId;
  call: CallId;
  /** Of this leg alone, so that the carrier's call can be told from others. */
  callerId: string;
}

type EventOf<K extends SwitchEvent["kind"]> = SwitchEvent & { kind: K };

/** A switch under test, the carrier behind it, and our own connections to the switch. */
export class World {
  readonly switch: SwitchUnderTest;
  readonly carrier: CarrierProcess;
  readonly box: FreeSwitchBox;
  readonly events: SwitchEvent[] = [];
  readonly boxEvents: BoxEvent[] = [];
  #raw: Promise<EslClient> | undefined;

  static async open(more: Pick<SwitchOptions, "devices" | "mediaTimeoutS"> = {}): Promise<World> {
    const carrier = await startCarrierProcess();
    try {
      const world = new World(await startSwitchUnderTest({ carrier, ...more }), carrier);
      await world.connect();
      return world;
    } catch (error) {
      await carrier.stop();
      throw error;
    }
  }

  constructor(switchUnderTest: SwitchUnderTest, carrier: CarrierProcess) {
    this.switch = switchUnderTest;
    this.carrier = carrier;
    this.box = new FreeSwitchBox({
      box: "under-test",
      ...switchUnderTest.esl,
      recordingsFolder: join(switchUnderTest.spoolDir, "recordings"),
      clock: systemClock,
      ids,
      log: pino({ level: "silent" }),
    });
    this.box.onEvent((event) => this.events.push(event));
    this.box.onBoxEvent((event) => this.boxEvents.push(event));
  }

  async connect(): Promise<void> {
    this.box.start();
    noteVersion((await this.boxEvent("connected")).version);
    await this.boxEvent("alive");
  }

  async close(): Promise<void> {
    (await this.#raw)?.close();
    await this.box.stop();
    await this.switch.stop();
    await this.carrier.stop();
  }

  /** An ESL client of the tests' own, which hears every event of the channels. */
  raw(): Promise<EslClient> {
    return (this.#raw ??= EslClient.login(
      this.switch.esl.port,
      this.switch.esl.password,
      "CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE",
    ));
  }

  /** One leg to that number; parked when it is answered unless `more` says otherwise. */
  dial(
    to: string,
    more: Partial<Branch> & Partial<Pick<Originate, "then" | "ignoreEarlyMedia">> = {},
  ): Dialled & { outcome: Promise<OriginateOutcome> } {
    const { then = { kind: "park" }, ignoreEarlyMedia = true, ...branch } = more;
    const dialled = this.branch(to, branch);
    const outcome = this.box.originate({ then, ignoreEarlyMedia, branches: [dialled] });
    // Whoever waits for an event first looks at the outcome afterwards.
    outcome.catch(() => undefined);
    return { leg: dialled.leg, call: dialled.call, callerId: dialled.callerId, outcome };
  }

  branch(to: string, more: Partial<Branch> = {}): Branch {
    const leg = more.leg ?? ids.next("leg");
    return {
      leg,
      call: ids.next("call"),
      way: { kind: "trunk", gateway: "carrier", to },
      callerId: `+2547110${String(callers++)}`,
      ringTimeoutSeconds: 30,
      maxSeconds: 60,
      cutGroup: `cut-${leg}-0`,
      ...more,
    };
  }

  /** Dials, and waits until it is answered and parked. */
  async parked(to: string, more: Partial<Branch> = {}): Promise<Dialled> {
    const dialled = this.dial(to, more);
    const outcome = await dialled.outcome;
    if (!outcome.ok) throw new Error(`${to} was not reached: ${outcome.reply}`);
    await this.event(dialled.leg, "parked");
    return dialled;
  }

  /** A waiting leg and another that is joined to it as soon as it is answered. */
  async pair(
    to: [waiting: string, joining: string] = [numbers.answers440, numbers.answers880],
    prepare: (waiting: Dialled) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<[waiting: Dialled, joining: Dialled]> {
    const waiting = await this.parked(to[0]);
    await prepare(waiting);
    const joining = this.dial(to[1], { then: { kind: "intercept", leg: waiting.leg } });
    await this.bridged(waiting.leg, joining.leg);
    // In its first moments a bridge that ends leaves the other leg with DESTINATION_OUT_OF_ORDER, on a busy machine.
    await this.carrierCall(joining, ({ heard }) => heard.length > 0);
    return [waiting, joining];
  }

  /** The first event of that kind on the leg, past or to come. */
  event<K extends SwitchEvent["kind"]>(
    leg: LegId,
    kind: K,
    where: (event: EventOf<K>) => boolean = () => true,
    withinMs = 10_000,
  ): Promise<EventOf<K>> {
    return eventually(
      `"${kind}" of ${leg}`,
      () =>
        this.events.find((e): e is EventOf<K> => e.leg === leg && e.kind === kind && where(e as EventOf<K>)),
      { withinMs, everyMs: 10 },
    );
  }

  /** The switch tells of a pair once, on either of the two. */
  bridged(one: LegId, other: LegId): Promise<SwitchEvent> {
    const pair = [one, other];
    return eventually(
      `the bridge of ${one} and ${other}`,
      () =>
        this.events.find((e) => e.kind === "bridged" && pair.includes(e.leg) && pair.includes(e.otherLeg)),
      { everyMs: 10 },
    );
  }

  boxEvent<K extends BoxEvent["kind"]>(kind: K, from = 0): Promise<Extract<BoxEvent, { kind: K }>> {
    return eventually(
      `"${kind}" of the box`,
      () => this.boxEvents.slice(from).find((e): e is Extract<BoxEvent, { kind: K }> => e.kind === kind),
      { withinMs: 30_000, everyMs: 10 },
    );
  }

  kindsOf(...legs: LegId[]): string[] {
    return this.events.filter(({ leg }) => legs.includes(leg)).map(({ kind }) => kind);
  }

  /** The end-of-leg record, if it is there. */
  record(leg: LegId): EndRecord | undefined {
    const file = join(this.switch.spoolDir, "cdr", `${leg}.cdr.json`);
    if (!existsSync(file)) return undefined;
    const text = readFileSync(file, "utf8");
    const result = text.endsWith("\n") ? parseEndRecord(text) : undefined;
    return result?.ok === true ? result.record : undefined;
  }

  wav(recording: RecordingId): Promise<Wav> {
    return readWav(join(this.switch.spoolDir, "recordings", `${recording}.wav`));
  }

  /** A file of one tone among those that the switch plays. */
  async toneFile(hz: number, ms: number): Promise<MediaFile> {
    const path = join(this.switch.spoolDir, "media", `tone-${hz}-${ms}-${String(tones++)}.wav`);
    const writer = await createWavWriter(path, { channels: 1 });
    const next = toneSource({ hz });
    for (let written = 0; written < ms; written += 20) writer.write(next() ?? new Int16Array(160));
    await writer.close();
    return path as MediaFile;
  }

  carrierCall(dialled: Dialled, when?: (call: CarrierCallView) => boolean): Promise<CarrierCallView> {
    return this.carrier.callFrom(dialled.callerId, when);
  }
}

let callers = 10_000;
let tones = 1;
