import type { Clock } from "../engine/clock.ts";
import type { Ids } from "../engine/ids.ts";
import { CallbackUrls } from "../engine/wallet/mpesa/callback-urls.ts";
import { Daraja } from "../engine/wallet/mpesa/daraja.ts";
import type { Config, DarajaConfig } from "./config.ts";
import { keptOnce } from "./secrets-key.ts";

/** The secret in the path of Safaricom's callbacks: configured, or made once. Hexadecimal has none of the forbidden words. */
export const callbackToken = (config: Config, daraja: DarajaConfig, ids: Ids): Promise<string> =>
  daraja.callbackToken === ""
    ? keptOnce(config.dataDir, "callback.token", () => ids.bytes(24).toString("hex"))
    : Promise.resolve(daraja.callbackToken);

/** `url`: where Daraja is, be it Safaricom's or the stand-in. */
export function openDaraja(
  { clock, ids }: { clock: Clock; ids: Ids },
  daraja: DarajaConfig,
  url: string,
): Daraja {
  const { consumerKey, consumerSecret, shortcode, passkey, initiator } = daraja;
  return new Daraja({
    clock,
    ids,
    settings: { url, consumerKey, consumerSecret, shortcode, passkey, initiator },
  });
}

/** For a command, which has no API of its own: where customers, and so Safaricom, reach the one that runs. */
export async function configuredUrls(config: Config, daraja: DarajaConfig, ids: Ids): Promise<CallbackUrls> {
  const token = await callbackToken(config, daraja, ids);
  return new CallbackUrls(() => config.publicUrl ?? `http://${config.host}:${config.port}`, token);
}
