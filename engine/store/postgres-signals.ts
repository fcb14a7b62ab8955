import pg from "pg";
import type { Clock, Timer } from "../clock.ts";
import type { Listeners, Signals, Topic, Topics } from "./signals.ts";

const answerMsMax = 5_000;
const reconnectMs = 1_000;

/** In the process at once, between processes by NOTIFY, on one connection of its own, made when it is first needed. */
export function openPostgresSignals(url: string, { clock }: { clock: Clock }): Signals {
  return new PostgresSignals(url, clock);
}

class PostgresSignals implements Signals {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #listeners: Listeners = {};
  /** Told and not sent yet, the same one once: channel and JSON. */
  readonly #waiting = new Map<string, [channel: string, json: string]>();
  #link: Promise<pg.Client> | null = null;
  /** The connection answers one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #sending: Promise<void> | null = null;
  #reconnect: Timer | undefined;
  #closed = false;

  constructor(url: string, clock: Clock) {
    this.#url = url;
    this.#clock = clock;
  }

  tell<T extends Topic>(topic: T, what: Topics[T]): void {
    this.#listeners[topic]?.(what);
    if (this.#closed) return;
    const json = JSON.stringify(what);
    this.#waiting.set(`${topic} ${json}`, [channelOf(topic), json]);
    // What one commit tells goes together.
    this.#sending ??= Promise.resolve()
      .then(() => this.#sendAll())
      .finally(() => (this.#sending = null));
  }

  listen<T extends Topic>(topic: T, listener: (what: Topics[T]) => void): void {
    Object.assign(this.#listeners, { [topic]: listener });
    void this.#hear();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#reconnect?.cancel();
    await this.#sending;
    await this.#link?.then((client) => client.end()).catch(() => undefined);
  }

  /** What comes while one batch is on its way goes with the next. */
  async #sendAll(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting.values()];
      this.#waiting.clear();
      // Where that fails they are lost: the others look for themselves within a second.
      await this.#query(
        "SELECT pg_notify(channel, json) FROM unnest($1::text[], $2::text[]) AS told (channel, json)",
        [batch.map(([channel]) => channel), batch.map(([, json]) => json)],
      );
    }
  }

  #hear(): Promise<void> {
    const topics = Object.keys(this.#listeners) as Topic[];
    return this.#query(topics.map((topic) => `LISTEN ${channelOf(topic)}`).join("; "));
  }

  #query(text: string, values?: string[][]): Promise<void> {
    const mine = this.#turn.then(async () => {
      if (this.#closed && this.#link === null) return;
      const link = (this.#link ??= this.#connect());
      try {
        await (await link).query(text, values);
      } catch {
        this.#lost(link);
      }
    });
    this.#turn = mine;
    return mine;
  }

  #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: "sautikit signals",
      connectionTimeoutMillis: answerMsMax,
      query_timeout: answerMsMax,
      keepAlive: true,
    });
    const link = client.connect().then(() => client);
    client.on("error", () => this.#lost(link));
    client.on("end", () => this.#lost(link));
    client.on("notification", ({ channel, payload, processId }) => {
      // Our own, which were told at once.
      if (processId === (client as unknown as { processID: number }).processID) return;
      for (const topic of Object.keys(this.#listeners) as Topic[])
        if (channelOf(topic) === channel) this.#told(topic, payload ?? "");
    });
    return link;
  }

  #told<T extends Topic>(topic: T, json: string): void {
    this.#listeners[topic]?.(JSON.parse(json) as Topics[T]);
  }

  /** Who listens goes on trying to while the database is away. */
  #lost(link: Promise<pg.Client>): void {
    if (this.#link !== link) return;
    this.#link = null;
    link.then((client) => client.end()).catch(() => undefined);
    if (this.#closed || Object.keys(this.#listeners).length === 0) return;
    this.#reconnect?.cancel();
    this.#reconnect = this.#clock.after(reconnectMs, () => void this.#hear());
  }
}

const channelOf = (topic: Topic) => `sautikit_${topic}`;
