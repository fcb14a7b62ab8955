import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../engine/clock.ts";
import { systemIds } from "../../../engine/ids.ts";
import type { Book } from "../../../engine/simulator/daraja/book.ts";
import { startStandIn, type StandIn } from "../../../engine/simulator/daraja/stand-in.ts";
import { CallbackUrls } from "../../../engine/wallet/mpesa/callback-urls.ts";
import { startEmbeddedS3, type EmbeddedS3 } from "../../../recordings/embedded-s3/server.ts";
import { startBot } from "../../peers/bot.ts";
import { startSautikit, type Child } from "../../peers/child.ts";
import { EslProxy } from "../../peers/esl-proxy.ts";
import { openStorageProxy, type StorageProxy } from "../../peers/storage-proxy.ts";
import { VoiceServer, type AskedQuestion } from "../../peers/voice-server.ts";
import { TestWorld } from "../../world/world.ts";
import { order, takesOrdersAt } from "./control.ts";
import type { Order } from "./failpoints.ts";

const daraja = { consumerKey: "key", consumerSecret: "secret", shortcode: "600999", passkey: "pass" };
const callbackToken = "5f1d0c9a7b3e4d2f8a6b1c0d9e8f7a6b5c4d";

/**
 * API and controller in a process, spool in another, a carrier, a switch that serves devices; and, here, all that stands
 * around them and can be made to fail: the event socket's way, the storage, Safaricom, customers' servers and bots.
 */
export class Surroundings {
  readonly world: TestWorld;
  readonly esl: EslProxy;
  readonly storage: StorageProxy;
  readonly voice: VoiceServer;
  readonly bot: Awaited<ReturnType<typeof startBot>>;
  readonly book: Book;
  spool: Child;
  readonly #standIn: StandIn;
  readonly #s3: EmbeddedS3;
  readonly #folder: string;
  readonly #spoolEnv: Record<string, string>;

  private constructor(
    parts: Pick<Surroundings, "world" | "esl" | "storage" | "voice" | "bot" | "spool">,
    own: { standIn: StandIn; s3: EmbeddedS3; folder: string; spoolEnv: Record<string, string> },
  ) {
    ({ world: this.world, esl: this.esl, storage: this.storage } = parts);
    ({ voice: this.voice, bot: this.bot, spool: this.spool } = parts);
    this.#standIn = own.standIn;
    this.book = own.standIn.book;
    this.#s3 = own.s3;
    this.#folder = own.folder;
    this.#spoolEnv = own.spoolEnv;
  }

  static async start(answer: (question: AskedQuestion) => object): Promise<Surroundings> {
    const folder = await mkdtemp(join(tmpdir(), "faults-"));
    const credentials = { accessKeyId: "wanjiru", secretAccessKey: "wanjiru-secret" };
    const s3 = await startEmbeddedS3({
      ...{ host: "127.0.0.1", port: 0, directory: join(folder, "objects"), region: "af-nairobi-1" },
      ...{ credentials, clock: systemClock },
    });
    const storage = await openStorageProxy(s3);
    const standIn = await startStandIn({ clock: systemClock, ids: systemIds(systemClock), settings: daraja });
    const opened = Promise.withResolvers<EslProxy>();
    const world = await TestWorld.start(
      {
        ...{ S3_ENDPOINT: storage.endpoint },
        ...{ S3_ACCESS_KEY_ID: credentials.accessKeyId, S3_SECRET_ACCESS_KEY: credentials.secretAccessKey },
        ...{ DARAJA_URL: standIn.url, DARAJA_CONSUMER_KEY: daraja.consumerKey },
        ...{ DARAJA_CONSUMER_SECRET: daraja.consumerSecret, DARAJA_SHORTCODE: daraja.shortcode },
        ...{ DARAJA_PASSKEY: daraja.passkey, DARAJA_CALLBACK_TOKEN: callbackToken, TOPUPS_PER_HOUR: "9999" },
        ...takesOrdersAt(join(folder, "controller.sock")),
      },
      "api,controller",
      {
        switchOptions: { devices: true },
        reach: async (esl) => {
          const proxy = await EslProxy.open(esl);
          opened.resolve(proxy);
          return { host: "127.0.0.1", port: proxy.port };
        },
      },
    );
    // Some webhooks are signed by a process whose clock was stepped.
    world.inbox.judgesTime = false;
    world.witnesses.daraja = standIn.book;
    const urls = new CallbackUrls(() => world.customer.baseUrl, callbackToken);
    standIn.book.urls = { confirmation: urls.confirmation, validation: urls.validation };
    const spoolEnv = { ...world.env, ...takesOrdersAt(join(folder, "spool.sock")) };
    const { child: spool } = await startSautikit(["start", "--role", "spool"], {
      folder: world.folder,
      env: spoolEnv,
    });
    const voice = await VoiceServer.open(answer);
    // A bot that hangs up by itself, as most do.
    const bot = await startBot(({ socket }) => void setTimeout(() => socket.close(), 1_500).unref());
    const esl = await opened.promise;
    world.auditor.watchBetween(esl);
    return new Surroundings({ world, esl, storage, voice, bot, spool }, { standIn, s3, folder, spoolEnv });
  }

  /** Resolves once the process has taken the order; rejects where it is not there. */
  order(to: "controller" | "spool", what: Order): Promise<void> {
    return order(join(this.#folder, `${to}.sock`), what);
  }

  async startSpool(): Promise<void> {
    const { folder } = this.world;
    this.spool = (await startSautikit(["start", "--role", "spool"], { folder, env: this.#spoolEnv })).child;
  }

  async stop(): Promise<void> {
    await this.spool.stop();
    await this.world.end();
    await this.esl.close();
    await this.voice.close();
    this.bot.stop();
    await this.storage.close();
    await this.#s3.close();
    await this.#standIn.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
