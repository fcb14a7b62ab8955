import type { NumberParts } from "../../engine/numbers/claims.ts";
import { createMailQueue } from "../../engine/mail/mail-queue.ts";
import { createOutbox } from "../../engine/webhooks/outbox.ts";
import { openLedger } from "../open-ledger.ts";
import { openSecrets } from "../secrets-key.ts";
import type { Desk } from "./desk.ts";

/** What moves numbers from here. The running controller, another process, finds by itself what there is to tell and arm. */
export async function numberParts({ clock, ids, config }: Desk): Promise<NumberParts> {
  const nobody = () => undefined;
  return {
    clock,
    ids,
    secrets: await openSecrets(config, ids),
    ledger: openLedger({ clock, ids, changed: nobody, paybill: config.paybill }),
    outbox: createOutbox({ clock, ids, wake: nobody }),
    mails: createMailQueue({ clock, ids, wake: nobody }),
  };
}
