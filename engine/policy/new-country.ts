import { rfc3339Ms, type Clock } from "../clock.ts";
import type { Ids } from "../ids.ts";
import type { MailQueue } from "../mail/mail-queue.ts";
import { ownersOf } from "../store/members.ts";
import type { Tx } from "../store/store.ts";
import type { WorkspaceRow } from "../store/workspaces.ts";
import type { Outbox } from "../webhooks/outbox.ts";
import { tellWorkspace } from "../webhooks/workspace-events.ts";

/** Tells the owners by mail, and whoever listens by webhook, that somebody calls a country that was never called before. */
export async function tellOfNewCountry(
  tx: Tx,
  parts: { clock: Clock; ids: Ids; outbox: Outbox; mails: MailQueue },
  { id: workspaceId, name, newCountryWatch }: WorkspaceRow,
  { country, to, nowMs }: { country: string; to: string; nowMs: number },
): Promise<void> {
  await tellWorkspace(tx, parts, {
    workspaceId,
    kind: "calls.new_country",
    data: { country, to, called_at: rfc3339Ms(nowMs) },
  });
  const owners = await ownersOf(tx, workspaceId);
  if (owners.length === 0) return;
  const meanwhile = newCountryWatch === 1 ? "For an hour from now one call at a time goes there.\n\n" : "";
  await parts.mails.send(tx, {
    key: `first call ${workspaceId} ${country}`,
    workspaceId,
    to: owners,
    subject: `First call to ${country}`,
    text:
      `Hello,\n\nThe workspace "${name}" (${workspaceId}) calls ${country} for the first time: ${to}.\n\n${meanwhile}` +
      `If none of you wanted this, take ${country} out of allowed_countries, and revoke the key that placed the call.\n`,
  });
}
