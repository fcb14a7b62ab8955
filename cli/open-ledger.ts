import { rearmCutOffs, type CutOffParts } from "../engine/calls/cut-off.ts";
import { createMailQueue, type MailQueue } from "../engine/mail/mail-queue.ts";
import { tellOfLowBalance } from "../engine/wallet/alerts.ts";
import { hurrySuspended } from "../engine/store/numbers.ts";
import { createLedger, type Ledger } from "../engine/wallet/ledger.ts";
import { createOutbox, type Outbox } from "../engine/webhooks/outbox.ts";

export interface LedgerDoors extends CutOffParts {
  /** Default, for commands: ones that wake nobody, since the server, another process, looks by itself. */
  outbox?: Outbox;
  mails?: MailQueue;
  /** That mails name (MPESA_PAYBILL); null: none. */
  paybill?: string | null;
}

/** The ledger, with all that follows from a wallet's new balance. */
export function openLedger(parts: LedgerDoors): Ledger {
  const { clock, ids, paybill = null } = parts;
  const wake = () => undefined;
  const { outbox = createOutbox({ clock, ids, wake }), mails = createMailQueue({ clock, ids, wake }) } =
    parts;
  return createLedger({
    ids,
    walletMoved: [
      // The end of a leg reckons the others' deadlines itself, once its row says that it has ended.
      async (tx, { kind, workspaceId }) => {
        if (kind !== "call") await rearmCutOffs(tx, parts, workspaceId);
      },
      // The renewals pay it, in a transaction of their own: nothing is posted from within a posting.
      async (tx, { workspaceId, beforeMinor, afterMinor }) => {
        if (afterMinor > beforeMinor) await hurrySuspended(tx, workspaceId, clock.nowMs());
      },
      (tx, move) => tellOfLowBalance(tx, { clock, ids, outbox, mails, paybill }, move),
    ],
  });
}
