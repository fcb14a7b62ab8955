import { dayMs, rfc3339Seconds, type Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import type { Ids, InventoryId, NumberId, WorkspaceId } from "../ids.ts";
import type { MailQueue } from "../mail/mail-queue.ts";
import type { Secrets } from "../secrets.ts";
import { deleteInventory, keepInventory, restInventory } from "../store/inventory.ts";
import {
  numberByE164,
  numberById,
  numberToChange,
  updateReleased,
  type NumberRow,
  type ReleaseReason,
} from "../store/numbers.ts";
import type { Tx } from "../store/store.ts";
import { keepWorkspace } from "../store/workspaces.ts";
import type { Ledger } from "../wallet/ledger.ts";
import { kes } from "../wallet/money.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import { tellWorkspace } from "../webhooks/workspace-events.ts";
import { addNumber, type Routing } from "./numbers.ts";
import { payMonth } from "./rent.ts";

/** Callers of the one who had a number are not to reach the next: it is nobody's for so long. */
export const restMs = 30 * dayMs;

export interface NumberParts {
  clock: Clock;
  ids: Ids;
  secrets: Secrets;
  ledger: Ledger;
  outbox: Outbox;
  mails: MailQueue;
}

type TellingParts = Pick<NumberParts, "clock" | "ids" | "outbox">;

export type Wanted = { number: string } | { inventoryId: InventoryId };

/**
 * Takes a number out of the inventory, in service at once, and debits its first month with it: both or neither. Throws
 * `numbers.not_in_inventory`, `numbers.already_claimed`, `numbers.resting`, `wallet.insufficient_funds`,
 * `workspace.frozen`.
 */
export async function claimNumber(
  tx: Tx,
  parts: NumberParts,
  workspaceId: WorkspaceId,
  wanted: Wanted,
  routing: Pick<Routing, "voiceCallbackUrl" | "eventsUrl">,
): Promise<{ number: NumberRow; voiceSigningSecret: string }> {
  const workspace = await keepWorkspace(tx, workspaceId);
  if (workspace?.frozenAtMs !== null) throw new SautikitError("workspace.frozen");
  const item = await keepInventory(
    tx,
    "number" in wanted ? { e164: wanted.number } : { id: wanted.inventoryId },
  );
  if (!item) throw new SautikitError("numbers.not_in_inventory");
  const nowMs = parts.clock.nowMs();
  if (item.availableAtMs > nowMs) throw new SautikitError("numbers.resting");
  const { e164, country } = item;
  const claimed = { ...routing, workspaceId, e164, country, provisionedAtMs: nowMs };
  const added = await addNumber(tx, parts, { ...claimed, origin: "claim" });
  if (!added) {
    const held = await numberByE164(tx, e164);
    throw held?.workspaceId === workspaceId
      ? new SautikitError(
          "numbers.already_claimed",
          "Your workspace has this number already. Nothing was debited.",
        )
      : new SautikitError("numbers.already_claimed");
  }
  const paid = await payMonth(tx, parts, { ...claimed, id: added.id, paidMonths: 0, paidUntilMs: nowMs });
  if (!paid.ok)
    throw new SautikitError(
      "wallet.insufficient_funds",
      `The first month costs ${kes(paid.rent.grossMinor)}; the wallet does not cover it.`,
    );
  const number = await numberById(tx, added.id);
  if (!number) throw new Error(`${added.id} was stored, yet it is not there.`);
  await tellProvisioned(tx, parts, number);
  return { number, voiceSigningSecret: added.voiceSigningSecret };
}

export const tellProvisioned = (tx: Tx, parts: TellingParts, number: NumberRow): Promise<void> =>
  tellWorkspace(tx, parts, {
    workspaceId: number.workspaceId,
    kind: "number.provisioned",
    data: {
      ...{ number_id: number.id, number: number.e164, country: number.country, by: number.origin },
      provisioned_at: rfc3339Seconds(number.provisionedAtMs),
    },
  });

/**
 * Ends a workspace's hold on a number; its live calls go on. From the inventory it can be claimed again after a rest,
 * unless it has gone to another carrier. Null: it was released before. Throws `numbers.not_found`.
 */
export async function releaseNumber(
  tx: Tx,
  parts: NumberParts,
  workspaceId: WorkspaceId,
  id: NumberId,
  reason: ReleaseReason,
): Promise<{ before: NumberRow; after: NumberRow } | null> {
  await keepWorkspace(tx, workspaceId);
  const seen = await numberById(tx, id);
  if (seen?.workspaceId !== workspaceId) throw new SautikitError("numbers.not_found");
  // Before the number's row, as a claim does.
  await keepInventory(tx, { e164: seen.e164 });
  const before = await numberToChange(tx, workspaceId, id);
  if (!before || before.status === "released") return null;
  const nowMs = parts.clock.nowMs();
  await updateReleased(tx, id, { releasedAtMs: nowMs, releaseReason: reason });
  if (reason === "ported_out") await deleteInventory(tx, before.e164);
  else await restInventory(tx, before.e164, nowMs + restMs);
  await tellWorkspace(tx, parts, {
    workspaceId,
    kind: "number.released",
    data: { number_id: id, number: before.e164, released_at: rfc3339Seconds(nowMs), reason },
  });
  const after = await numberById(tx, id);
  if (!after) throw new Error(`${id} was released, yet it is not there.`);
  return { before, after };
}
