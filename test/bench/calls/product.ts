import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../engine/clock.ts";
import { openSqlite } from "../../../engine/store/sqlite.ts";
import type { Store } from "../../../engine/store/store.ts";
import { startSautikit, type Child } from "../../peers/child.ts";
import { freePort } from "../../peers/free-ports.ts";
import type { SwitchUnderTest } from "../../peers/switch-under-test.ts";
import { nairobi, openAccount } from "../../world/world.ts";
import { PlainClient, PlainReceiver } from "./plain-http.ts";

/** How often the database is asked what has been stored. */
const lookEveryMs = 4;

const wanjiru = "+254700000001";
const otieno = "+254700000002";

interface Progress {
  bridged: PromiseWithResolvers<undefined>;
  over: PromiseWithResolvers<undefined>;
  wasBridged: boolean;
}

interface Parts {
  child: Child;
  folder: string;
  client: PlainClient;
  store: Store;
  receiver: PlainReceiver;
}

/** `sautikit start` with all its roles on a switch, and a customer who places calls as fast as they end. */
export class Product {
  /** Calls that were answered and have not ended. */
  live = 0;
  /** Calls that nobody answered. */
  unanswered = 0;
  /** Calls whose end, charge and last webhook are stored. */
  ended = 0;
  /** Of those, calls that were not joined. */
  failed = 0;
  readonly #parts: Parts;
  readonly #progress = new Map<string, Progress>();
  #lastRow = 0;
  #looking: NodeJS.Timeout | undefined;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  static async start(
    box: Pick<SwitchUnderTest, "esl" | "spoolDir">,
    env: Record<string, string> = {},
  ): Promise<Product> {
    const folder = mkdtempSync(join(tmpdir(), "sautikit-bench-"));
    const database = join(folder, "sautikit.db");
    const store = await openSqlite(database, { clock: systemClock });
    const secretsKey = randomBytes(32);
    const { key } = await openAccount(store, secretsKey);
    const receiver = await PlainReceiver.open();
    const apiPort = await freePort();
    const { host, port: eslPort, password } = box.esl;
    const { child } = await startSautikit(["start", "--role", "api,controller,spool"], {
      folder,
      env: {
        DATA_DIR: join(folder, "data"),
        DATABASE_URL: `sqlite:${database}`,
        PORT: String(apiPort),
        SECRETS_KEY: secretsKey.toString("hex"),
        SPOOL_DIR: box.spoolDir,
        FREESWITCH_URLS: `freeswitch://:${password}@${host}:${eslPort}`,
        ALLOW_PRIVATE_URLS: "yes",
        LOG_LEVEL: "error",
        ...env,
      },
    });
    const client = new PlainClient({ host: "127.0.0.1", port: apiPort }, { authorization: `Bearer ${key}` });
    const product = new Product({ child, folder, client, store, receiver });
    product.#look();
    return product;
  }

  get pid(): number {
    return this.#parts.child.pid;
  }

  /** Stores a call that then goes its way; its id. */
  async place(to: string, more: object = {}): Promise<string> {
    const { client, receiver } = this.#parts;
    const { id } = await client.post("/v1/calls", { from: nairobi, to, events_url: receiver.url, ...more });
    assert.ok(typeof id === "string");
    return id;
  }

  /** One call: Wanjiru is rung, Otieno is dialled to her, both are hung up as soon as they are joined. */
  async call(record: boolean): Promise<void> {
    const id = await this.place(wanjiru, { record, actions: [{ dial: { number: otieno, record } }] });
    const { bridged, over } = this.#progressOf(id);
    await Promise.race([bridged.promise, over.promise]);
    await this.#parts.client.post(`/v1/calls/${id}/hangup`, {});
    await over.promise;
    this.#progress.delete(id);
  }

  /** What each question took that was answered, ms, as the call's events say. */
  async voiceUrlMs(): Promise<number[]> {
    const rows = await this.#parts.store.read((tx) =>
      tx.all<{ payload: string }>("SELECT payload FROM call_events WHERE kind = 'voice_url.answered'", []),
    );
    return rows.map(({ payload }) => (JSON.parse(payload) as { latency_ms: number }).latency_ms);
  }

  async stop(): Promise<void> {
    const { client, child, receiver, store, folder } = this.#parts;
    clearTimeout(this.#looking);
    client.close();
    await child.stop(30_000);
    receiver.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }

  /** What is stored is stored for whoever looks: the customer's program would be told by webhook, a little later. */
  #look(): void {
    this.#looking = setTimeout(() => {
      void this.#lookOnce().finally(() => this.#look());
    }, lookEveryMs);
  }

  async #lookOnce(): Promise<void> {
    const rows = await this.#parts.store.read((tx) =>
      tx.all<{ row: number; callId: string; kind: string }>(
        "SELECT rowid AS row, call_id, kind FROM call_events WHERE rowid > ? ORDER BY rowid",
        [this.#lastRow],
      ),
    );
    for (const { row, callId, kind } of rows) {
      this.#lastRow = row;
      if (kind === "call.answered") this.live++;
      if (kind === "call.completed") this.live--;
      if (kind === "call.failed") this.unanswered++;
      if (kind === "leg.bridged") this.#bridged(this.#progressOf(callId));
      if (kind === "call.completed" || kind === "call.failed") this.#over(this.#progressOf(callId));
    }
  }

  /** Whoever comes first, the one who placed the call or the news of it. */
  #progressOf(callId: string): Progress {
    let progress = this.#progress.get(callId);
    if (!progress) {
      progress = { bridged: Promise.withResolvers(), over: Promise.withResolvers(), wasBridged: false };
      this.#progress.set(callId, progress);
    }
    return progress;
  }

  #bridged(progress: Progress): void {
    progress.wasBridged = true;
    progress.bridged.resolve(undefined);
  }

  #over(progress: Progress): void {
    this.ended++;
    if (!progress.wasBridged) this.failed++;
    progress.over.resolve(undefined);
  }
}
