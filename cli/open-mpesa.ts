import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import type { Secrets } from "../engine/secrets.ts";
import type { Store } from "../engine/store/store.ts";
import { sharedCallbackToken } from "../engine/wallet/mpesa/callback-token.ts";
import { CallbackUrls } from "../engine/wallet/mpesa/callback-urls.ts";
import { Daraja } from "../engine/wallet/mpesa/daraja.ts";
import type { Config, DarajaConfig } from "./config.ts";

/** What is shared with every other process, by the store. */
export interface MpesaDesk {
  store: Store;
  secrets: Secrets;
  clock: Clock;
  ids: Ids;
}

/** The secret in the path of Safaricom's callbacks: configured, or the one that is kept in the store. */
export async function callbackToken(
  { dataDir }: Config,
  daraja: DarajaConfig,
  desk: MpesaDesk,
): Promise<string> {
  if (daraja.callbackToken !== "") return daraja.callbackToken;
  // Where it was kept before, and may have been registered from.
  const file = join(dataDir, "callback.token");
  return sharedCallbackToken(desk, () =>
    readFile(file, "utf8").then(
      (text) => text.trim() || null,
      () => null,
    ),
  );
}

/** `url`: where Daraja is, be it Safaricom's or the stand-in. */
export function openDaraja(
  { store, secrets, clock, ids }: MpesaDesk,
  daraja: DarajaConfig,
  url: string,
): Daraja {
  const { consumerKey, consumerSecret, shortcode, passkey, initiator } = daraja;
  return new Daraja({
    ...{ store, secrets, clock, ids },
    settings: { url, consumerKey, consumerSecret, shortcode, passkey, initiator },
  });
}

/** For a command, which has no API of its own: where customers, and so Safaricom, reach the one that runs. */
export async function configuredUrls(
  config: Config,
  daraja: DarajaConfig,
  desk: MpesaDesk,
): Promise<CallbackUrls> {
  const token = await callbackToken(config, daraja, desk);
  return new CallbackUrls(() => config.publicUrl ?? `http://${config.host}:${config.port}`, token);
}
