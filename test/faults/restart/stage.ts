import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../../engine/clock.ts";
import { systemIds, type LegId } from "../../../engine/ids.ts";
import { aesSecrets } from "../../../engine/secrets.ts";
import { addNumber } from "../../../engine/numbers/numbers.ts";
import type { EslProxy } from "../../peers/esl-proxy.ts";
import { VoiceServer, type AskedQuestion, type Reply } from "../../peers/voice-server.ts";
import { nairobi, type TestWorld } from "../../world/world.ts";
import { ProxiedWorld } from "../proxied-world.ts";
import type { Witness } from "../witness.ts";
import { RowCall, type Row } from "./row.ts";
import { toneServer, type ToneServer } from "./tones.ts";

type Answer = (question: AskedQuestion) => Reply | object | Promise<Reply | object>;
type Moment = "apart" | "dies" | "returns";

/** Between the last word of a voice URL and the kill: it arrives, and cannot be stored. */
const lastWordsMs = 400;

/** The world of the rows: many calls at once, each of which is brought into its phase, and one kill for a batch of them. */
export class Stage {
  readonly on: ProxiedWorld;
  readonly world: TestWorld;
  readonly proxy: EslProxy;
  readonly witness: Witness;
  readonly voice: VoiceServer;
  readonly tones: ToneServer;
  /** To be said in the last moment before the kill. */
  readonly lastWords: (() => void)[] = [];
  readonly #answers: Map<string, Answer>;
  readonly #product: string | undefined;
  readonly #legs = new Map<string, LegId>();
  #numbers = 0;
  #isApart = false;
  readonly #waiting: (() => void)[] = [];
  /** Rows of the batch that runs, that have not met the others at the moment yet. */
  #rows = new Set<symbol>();
  #meeting: { moment: Moment; arrived: number; done: PromiseWithResolvers<undefined> } | null = null;

  private constructor(
    on: ProxiedWorld,
    voice: VoiceServer,
    tones: ToneServer,
    answers: Map<string, Answer>,
    product: string | undefined,
  ) {
    this.on = on;
    this.#product = product;
    ({ world: this.world, proxy: this.proxy, witness: this.witness } = on);
    this.voice = voice;
    this.tones = tones;
    this.#answers = answers;
  }

  /** `product`: the folder of another version, which each batch is brought into its phase by. */
  static async open(numbers: number, product?: string): Promise<Stage> {
    const answers = new Map<string, Answer>();
    const voice = await VoiceServer.open(
      (question) => answers.get(question.path)?.(question) ?? { text: "OK" },
    );
    const tones = await toneServer();
    const stage = new Stage(await ProxiedWorld.start(), voice, tones, answers, product);
    await stage.#addNumbers(numbers);
    return stage;
  }

  async close(): Promise<void> {
    await this.on.end();
    await this.voice.close();
    await this.tones.close();
  }

  answer(path: string, reply: Answer): void {
    this.#answers.set(path, reply);
  }

  numberOf = (number: number): string => `+25420001${String(10_000 + number).slice(1)}`;

  async #addNumbers(count: number): Promise<void> {
    const { store, env } = this.world;
    const ids = systemIds(systemClock);
    const secrets = aesSecrets(Buffer.from(env["SECRETS_KEY"] ?? "", "hex"), ids);
    await store.write(async (tx) => {
      const workspace = await tx.get<{ id: `ws_${string}` }>("SELECT id FROM workspaces", []);
      for (let number = 0; number < count; number++) {
        const provisionedAtMs = systemClock.nowMs();
        const e164 = this.numberOf(number);
        await addNumber(
          tx,
          { ids, secrets },
          { workspaceId: workspace!.id, e164, country: "ke", provisionedAtMs },
        );
      }
      // Whoever hears of their calls knows one secret.
      await tx.run(
        "UPDATE numbers SET voice_signing_secret = (SELECT voice_signing_secret FROM numbers WHERE e164 = ?)",
        [nairobi],
      );
    });
  }

  /** Where a number's calls are asked for. */
  async voiceOf(e164: string, url: string): Promise<void> {
    await this.world.store.write((tx) =>
      tx.run("UPDATE numbers SET voice_callback_url = ?, events_url = ? WHERE e164 = ?", [
        ...[url, this.world.inbox.url, e164],
      ]),
    );
  }

  async legsOf(callId: string): Promise<LegId[]> {
    const rows = await this.world.store.read((tx) =>
      tx.all<{ id: LegId }>("SELECT id FROM legs WHERE call_id = ? ORDER BY position", [callId]),
    );
    return rows.map(({ id }) => id);
  }

  /** The first leg of a call, also while nobody answers at the API. */
  async legOf(callId: string): Promise<LegId> {
    const known = this.#legs.get(callId);
    if (known) return known;
    const [first] = await this.legsOf(callId);
    this.#legs.set(callId, first!);
    return first!;
  }

  /** Runs the rows side by side; each one's outcome, once all are over. A row that fails keeps no other waiting. */
  async run(rows: readonly Row[]): Promise<Map<Row, Promise<void>>> {
    if (this.#product !== undefined) await this.#begunBy(this.#product);
    const outcomes = new Map<Row, Promise<void>>();
    this.#rows = new Set(rows.map(() => Symbol()));
    const names = [...this.#rows];
    for (const [index, row] of rows.entries()) {
      const outcome = row.act(new RowCall(this, this.#numbers++)).finally(() => {
        this.#rows.delete(names[index]!);
        this.#meetIfAll();
      });
      outcome.catch(() => undefined);
      outcomes.set(row, outcome);
    }
    await Promise.allSettled(outcomes.values());
    // Of rows that all failed on the way.
    if (!this.world.sautikit.running || this.#isApart) await this.#happen("returns");
    return outcomes;
  }

  async #begunBy(product: string): Promise<void> {
    await this.world.killSautikit();
    await this.world.startSautikit(product);
    await this.on.ready();
  }

  /** Resolves when every row of the batch has come so far, and it has happened. */
  meet(moment: Moment): Promise<void> {
    this.#meeting ??= { moment, arrived: 0, done: Promise.withResolvers() };
    const meeting = this.#meeting;
    if (meeting.moment !== moment) throw new Error(`${moment} before ${meeting.moment}`);
    meeting.arrived++;
    this.#meetIfAll();
    return meeting.done.promise;
  }

  /** Resolves when every row has come to its next moment, or to this. */
  others(): Promise<void> {
    const waiting = Promise.withResolvers<undefined>();
    this.#waiting.push(() => waiting.resolve(undefined));
    this.#meetIfAll();
    return waiting.promise;
  }

  #meetIfAll(): void {
    const meeting = this.#meeting;
    const arrived = meeting?.arrived ?? 0;
    if (this.#waiting.length > 0 && arrived + this.#waiting.length >= this.#rows.size)
      for (const resolve of this.#waiting.splice(0)) resolve();
    if (meeting === null || arrived < this.#rows.size) return;
    this.#meeting = null;
    this.#happen(meeting.moment).then(() => meeting.done.resolve(undefined), meeting.done.reject);
  }

  async #happen(moment: Moment): Promise<void> {
    switch (moment) {
      case "apart":
        this.proxy.refuse();
        this.proxy.cut();
        this.#isApart = true;
        await this.on.away();
        return;
      case "dies": {
        const words = this.lastWords.splice(0);
        if (words.length === 0) return this.world.killSautikit();
        const unlock = await this.world.lockDatabase();
        for (const say of words) say();
        await sleep(lastWordsMs);
        await this.world.killSautikit();
        return unlock();
      }
      case "returns":
        if (this.#isApart) await this.proxy.admit();
        this.#isApart = false;
        await this.world.startSautikit();
        await this.on.ready();
    }
  }
}
