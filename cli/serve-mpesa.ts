import type { Secrets } from "../engine/secrets.ts";
import type { Store } from "../engine/store/store.ts";
import { CallbackUrls } from "../engine/wallet/mpesa/callback-urls.ts";
import { Callbacks } from "../engine/wallet/mpesa/callbacks.ts";
import { Mpesa, type MpesaParts } from "../engine/wallet/mpesa/mpesa.ts";
import { TopUps } from "../engine/wallet/mpesa/top-ups.ts";
import type { Config } from "./config.ts";
import { startEmbeddedDaraja } from "./embedded.ts";
import { callbackToken, openDaraja } from "./open-mpesa.ts";

export interface ServedMpesa {
  topUps: TopUps;
  /** Null: M-Pesa is not set up here. */
  callbacks: Callbacks | null;
  /** Of the stand-in; null with a real Daraja. */
  controlUrl: string | null;
  /** Once the API can be called back. */
  start(): Promise<void>;
  /** What is done in the background, by one process at a time. */
  work(store: Store): { start(): void; stop(): Promise<void> };
  /** After everything that may still ask the stand-in. */
  close(): Promise<void>;
}

/** Top-ups, the doors that Safaricom knocks at, and what is done in the background. */
export async function serveMpesa(
  config: Config,
  parts: Pick<MpesaParts, "store" | "clock" | "ids" | "log" | "ledger" | "outbox"> & {
    secrets: Secrets;
    publicUrl: () => string;
    /** Whether this process may be the one that works. */
    works: boolean;
  },
): Promise<ServedMpesa> {
  const { store, secrets, clock, ids, log, publicUrl, works } = parts;
  const { daraja: money } = config;
  if (!money) {
    const topUps = new TopUps({ clock, ids, amounts: null, perHour: 0, wake: () => undefined });
    const nothing = () => Promise.resolve();
    const idle = { start: () => undefined, stop: nothing };
    return { topUps, callbacks: null, controlUrl: null, start: nothing, work: () => idle, close: nothing };
  }
  const { amounts, addresses, shortcode, verifyAboveMinor, pulls, topUpsPerHour: perHour } = money;
  const token = await callbackToken(config, money, parts);
  const urls = new CallbackUrls(publicUrl, token);
  const standIn = works && money.url === null ? await startEmbeddedDaraja(money, log) : null;
  const url = standIn?.url ?? money.url;
  const open = () => (url === null ? null : openDaraja({ store, secrets, clock, ids }, money, url));
  let mpesa: Mpesa | null = null;
  const wake = () => mpesa?.wake();
  return {
    topUps: new TopUps({ clock, ids, amounts, perHour, wake }),
    callbacks: new Callbacks({ store, clock, ids, log, token, addresses, shortcode, amounts, wake }),
    controlUrl: standIn?.controlUrl ?? null,
    async start() {
      const { confirmation, validation } = urls;
      if (standIn) await open()?.registerUrls({ confirmation, validation });
    },
    work(fenced) {
      // One that was stopped asks nothing any more.
      const daraja = open();
      const working = daraja && new Mpesa({ ...parts, store: fenced, daraja, urls, verifyAboveMinor, pulls });
      return {
        start() {
          mpesa = working;
          working?.start();
        },
        async stop() {
          if (mpesa === working) mpesa = null;
          await working?.stop();
        },
      };
    },
    close: async () => standIn?.stop(),
  };
}
