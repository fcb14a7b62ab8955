import type { Clock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { forbiddenIn } from "../../engine/wallet/mpesa/callback-urls.ts";
import { DarajaError } from "../../engine/wallet/mpesa/daraja-error.ts";
import type { Config, DarajaConfig } from "../config.ts";
import { openDaraja } from "../open-mpesa.ts";
import { broken, doubtful, sound, type Finding } from "./finding.ts";

/** M-Pesa: whether Daraja takes our secrets, and could reach us. It asks for a token and moves nothing. */
export async function checkDaraja(config: Config, clock: Clock): Promise<Finding> {
  const { daraja } = config;
  if (!daraja) return doubtful("there are no top-ups", "Set DARAJA_URL to have them; docs/mpesa.md.");
  const { url, shortcode } = daraja;
  if (url === null)
    return doubtful(
      "the stand-in, which moves no money",
      "Set DARAJA_URL to take real money; docs/mpesa.md.",
    );
  try {
    await openDaraja({ clock, ids: systemIds(clock) }, daraja, url).ready();
  } catch (error) {
    if (!(error instanceof DarajaError)) throw error;
    return broken(`${url} gives no token: ${error.message}`, remedyOf(error));
  }
  // The stand-in as a process of its own is on this machine.
  const here = url.startsWith("http:");
  const detail = `${url} gives tokens for ${shortcode}`;
  return (here ? null : unreachable(config)) ?? (here ? sound(detail) : advice(config, daraja, detail));
}

function remedyOf({ fault }: DarajaError): string {
  return fault === "unreachable" || fault === "no_answer"
    ? "See whether this machine may connect to that host by HTTPS, and whether DARAJA_URL is right."
    : "Take DARAJA_CONSUMER_KEY and DARAJA_CONSUMER_SECRET of the app from Safaricom's portal, of sandbox or production as DARAJA_URL is.";
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
