import type { Clock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { checkCallbackToken } from "../../engine/wallet/mpesa/callback-token.ts";
import { forbiddenIn } from "../../engine/wallet/mpesa/callback-urls.ts";
import { DarajaError, isStaleToken, refusedSetting } from "../../engine/wallet/mpesa/daraja-error.ts";
import type { Daraja } from "../../engine/wallet/mpesa/daraja.ts";
import type { Config, DarajaConfig } from "../config.ts";
import { makeDataDir } from "../data-dir.ts";
import { openDaraja, type MpesaDesk } from "../open-mpesa.ts";
import { openStore } from "../open-store.ts";
import { openSecrets } from "../secrets-key.ts";
import { broken, doubtful, sound, wordsOf, type Finding } from "./finding.ts";

/** An id that no push ever had. */
const noPush = "ws_CO_DOCTOR";

/**
 * M-Pesa: whether Daraja takes our secrets, and could reach us. It takes the token that all processes share, or asks for it, and
 * asks how a push ended that never was; so it moves nothing, and ends no token that another uses.
 */
export async function checkDaraja(config: Config, clock: Clock): Promise<Finding> {
  const { daraja } = config;
  if (!daraja) return doubtful("there are no top-ups", "Set DARAJA_URL to have them; docs/mpesa.md.");
  const { url, shortcode } = daraja;
  if (url === null)
    return doubtful(
      "the stand-in, which moves no money",
      "Set DARAJA_URL to take real money; docs/mpesa.md.",
    );
  const ids = systemIds(clock);
  let store;
  try {
    await makeDataDir(config.dataDir);
    store = await openStore(config, { clock });
  } catch (error) {
    return broken(`not looked at, without the database: ${wordsOf(error)}`, "Mend the database first.");
  }
  try {
    const desk = { store, secrets: await openSecrets(config, ids), clock, ids };
    const refused = await refusalOf(openDaraja(desk, daraja, url), daraja, url);
    if (refused) return refused;
    const unopened = daraja.callbackToken === "" ? await sealedByAnother(desk) : null;
    if (unopened) return unopened;
  } finally {
    await store.close();
  }
  // The stand-in as a process of its own is on this machine.
  const here = url.startsWith("http:");
  const detail = `${url} gives tokens for ${shortcode}`;
  return (here ? null : unreachable(config)) ?? (here ? sound(detail) : advice(config, daraja, detail));
}

/** Null: it takes our secrets, or does not say that it does not. */
async function refusalOf(client: Daraja, { shortcode }: DarajaConfig, url: string): Promise<Finding | null> {
  try {
    await client.ready();
  } catch (error) {
    if (!(error instanceof DarajaError)) throw error;
    return broken(`${url} gives no token: ${error.message}`, remedyOf(error));
  }
  try {
    await client.query(noPush);
    return null;
  } catch (error) {
    if (!(error instanceof DarajaError)) throw error;
    const wrong = refusedSetting(error);
    if (wrong === "passkey")
      return broken(
        `${url} gives tokens, and refuses the passkey of ${shortcode}: ${error.message}`,
        "Take DARAJA_PASSKEY of that shortcode from Safaricom's portal or its go-live mail, of sandbox or production as DARAJA_URL is.",
      );
    if (wrong === "shortcode")
      return broken(
        `${url} gives tokens, and does not know the shortcode ${shortcode}: ${error.message}`,
        "Set DARAJA_SHORTCODE to your Paybill; in the sandbox it is 174379.",
      );
    // That there is no such push is what it should say, in whatever words.
    return error.fault === "refused" && !isStaleToken(error)
      ? null
      : broken(`${url} gives tokens, and no answers: ${error.message}`, remedyOf(error));
  }
}

/** Whether the processes on this database have one key: by the token that Safaricom calls back with. */
const sealedByAnother = (desk: Pick<MpesaDesk, "store" | "secrets">): Promise<Finding | null> =>
  checkCallbackToken(desk).then(
    () => null,
    (error: unknown) =>
      broken(wordsOf(error), "Set the same SECRETS_KEY for every process on this database."),
  );

function remedyOf({ fault }: DarajaError): string {
  switch (fault) {
    case "unreachable":
    case "no_answer":
      return "See whether this machine may connect to that host by HTTPS, and whether DARAJA_URL is right.";
    case "wrong_secrets":
    case "refused":
      return "Take DARAJA_CONSUMER_KEY and DARAJA_CONSUMER_SECRET of the app from Safaricom's portal, of sandbox or production as DARAJA_URL is.";
    case "not_json":
      return "What answers there is not Daraja: a proxy perhaps, or Daraja is down. See whether DARAJA_URL is right, and try again.";
  }
}

/** Why Safaricom's callbacks could not come; null: as far as can be seen from here, they could. */
function unreachable({ publicUrl }: Config): Finding | null {
  if (publicUrl === null)
    return broken(
      "PUBLIC_URL is not set, so Safaricom cannot call back",
      "Set PUBLIC_URL to the API's https address.",
    );
  if (!publicUrl.startsWith("https://"))
    return broken(
      `PUBLIC_URL ${publicUrl} is not https, so Safaricom refuses it`,
      "Put the API behind HTTPS.",
    );
  const word = forbiddenIn(publicUrl);
  return word === undefined
    ? null
    : broken(`PUBLIC_URL has "${word}" in it, which Safaricom refuses`, "Give the API another name.");
}

function advice({ trustedProxies }: Config, { addresses, pulls }: DarajaConfig, detail: string): Finding {
  if (addresses.length === 0)
    return doubtful(
      `${detail}, and whoever knows the token may call back`,
      "Set DARAJA_ADDRESSES; docs/mpesa.md.",
    );
  if (trustedProxies === 0)
    return doubtful(
      detail,
      "Behind a proxy set TRUSTED_PROXIES, or every callback is taken for the proxy's and refused.",
    );
  return pulls
    ? sound(detail)
    : doubtful(detail, "With DARAJA_PULL=yes payments are found whose callback was lost.");
}
