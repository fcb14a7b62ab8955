import type { CallingNumber } from "../calls/call-request.ts";
import { SautikitError } from "../errors.ts";
import type { Ids, NumberId, WorkspaceId } from "../ids.ts";
import { newSigningSecret, type Secrets } from "../secrets.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { activeNumberOf, insertNumber } from "../store/workspaces.ts";

export interface NewNumber {
  workspaceId: WorkspaceId;
  /** E.164. */
  e164: string;
  /** ISO 3166 alpha-2, lower case. */
  country: string;
  /** Checked by the caller, outside the transaction. */
  voiceCallbackUrl?: string;
  eventsUrl?: string;
  provisionedAtMs: number;
}

/**
 * Gives a number to a workspace, in service at once. The signing secret is in this answer, and sealed in the store.
 * Null: somebody has the number.
 */
export async function addNumber(
  tx: Tx,
  parts: { ids: Ids; secrets: Secrets },
  number: NewNumber,
): Promise<{ id: NumberId; voiceSigningSecret: string } | null> {
  const id = parts.ids.next("num");
  const voiceSigningSecret = newSigningSecret(parts.ids);
  const added = await insertNumber(tx, {
    id,
    workspaceId: number.workspaceId,
    e164: number.e164,
    country: number.country,
    status: "active",
    voiceCallbackUrl: number.voiceCallbackUrl ?? null,
    voiceFallbackUrl: null,
    eventsUrl: number.eventsUrl ?? null,
    voiceSigningSecret: parts.secrets.seal(voiceSigningSecret),
    previousSigningSecret: null,
    previousSigningSecretUntilMs: null,
    provisionedAtMs: number.provisionedAtMs,
  });
  return added ? { id, voiceSigningSecret } : null;
}

/** The number to call from, or to present. Throws `calls.caller_id_not_owned` at `field`. */
export async function callingNumber(
  tx: ReadTx,
  workspaceId: WorkspaceId,
  e164: string,
  field: string,
): Promise<CallingNumber> {
  const number = await activeNumberOf(tx, workspaceId, e164);
  if (!number) {
    const message = "is not an active number of this workspace";
    throw new SautikitError("calls.caller_id_not_owned", `${field} ${message}.`, {
      fields: [{ field, code: "not_owned", message }],
    });
  }
  return { id: number.id, voiceCallbackUrl: number.voiceCallbackUrl, eventsUrl: number.eventsUrl };
}
