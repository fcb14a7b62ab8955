import { rearmCutOffs, type CutOffParts } from "../engine/calls/cut-off.ts";
import { hurrySuspended } from "../engine/store/numbers.ts";
import { createLedger, type Ledger } from "../engine/wallet/ledger.ts";

/** The ledger, with all that follows from a wallet's new balance. */
export function openLedger(parts: CutOffParts): Ledger {
  return createLedger({
    ids: parts.ids,
    walletMoved: [
      // The end of a leg reckons the others' deadlines itself, once its row says that it has ended.
      async (tx, { kind, workspaceId }) => {
        if (kind !== "call") await rearmCutOffs(tx, parts, workspaceId);
      },
      // The renewals pay it, in a transaction of their own: nothing is posted from within a posting.
      async (tx, { workspaceId, beforeMinor, afterMinor }) => {
        if (afterMinor > beforeMinor) await hurrySuspended(tx, workspaceId);
      },
    ],
  });
}
