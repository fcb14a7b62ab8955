import type { CallingNumber } from "../calls/call-request.ts";
import type { Clock } from "../clock.ts";
import { SautikitError } from "../errors.ts";
import type { Ids, NumberId, WorkspaceId } from "../ids.ts";
import { newSigningSecret, rotationOverlapMs, type Secrets } from "../secrets.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import {
  activeNumberOf,
  insertNumber,
  numberToChange,
  updateRouting,
  updateSigningSecrets,
  type NumberOrigin,
  type NumberRow,
} from "../store/numbers.ts";
import { openSigningSecrets } from "../webhooks/signing.ts";

/** Where a number's calls ask and tell. Each URL is checked by the caller, outside the transaction. */
export interface Routing {
  voiceCallbackUrl?: string | null;
  voiceFallbackUrl?: string | null;
  eventsUrl?: string | null;
  /** Whether calls to it are recorded. */
  record?: boolean;
  /** Whether they ring its registered devices where no voice URL says what they do. */
  ringSip?: boolean;
}

export interface NewNumber extends Omit<Routing, "record" | "ringSip"> {
  workspaceId: WorkspaceId;
  /** E.164. */
  e164: string;
  /** ISO 3166 alpha-2, lower case. */
  country: string;
  provisionedAtMs: number;
  /** Default: given by the operator, and free. Otherwise rented, with no month paid yet. */
  origin?: NumberOrigin;
}

/**
 * Gives a number to a workspace, in service at once. The signing secret is in this answer, and sealed in the store.
 * Null: somebody holds the number.
 */
export async function addNumber(
  tx: Tx,
  parts: { ids: Ids; secrets: Secrets },
  number: NewNumber,
): Promise<{ id: NumberId; voiceSigningSecret: string } | null> {
  const id = parts.ids.next("num");
  const voiceSigningSecret = newSigningSecret(parts.ids);
  const { origin = "operator", provisionedAtMs } = number;
  const rent =
    origin === "operator"
      ? { paidMonths: null, paidUntilMs: null, dueAtMs: null }
      : { paidMonths: 0, paidUntilMs: provisionedAtMs, dueAtMs: provisionedAtMs };
  const added = await insertNumber(tx, {
    id,
    origin,
    workspaceId: number.workspaceId,
    e164: number.e164,
    country: number.country,
    voiceCallbackUrl: number.voiceCallbackUrl ?? null,
    voiceFallbackUrl: number.voiceFallbackUrl ?? null,
    eventsUrl: number.eventsUrl ?? null,
    voiceSigningSecret: parts.secrets.seal(voiceSigningSecret),
    provisionedAtMs,
    ...rent,
  });
  return added ? { id, voiceSigningSecret } : null;
}

/** A new secret, in this answer alone; the one before signs too for 24 h. Throws as `heldNumber` does. */
export async function rotateSigningSecret(
  tx: Tx,
  { clock, ids, secrets }: { clock: Clock; ids: Ids; secrets: Secrets },
  workspaceId: WorkspaceId,
  id: NumberId,
): Promise<{
  number: { id: NumberId; e164: string; previousSecretUntilMs: number };
  voiceSigningSecret: string;
}> {
  const before = await heldNumber(tx, workspaceId, id);
  const voiceSigningSecret = newSigningSecret(ids);
  const previousSecretUntilMs = clock.nowMs() + rotationOverlapMs;
  await updateSigningSecrets(tx, id, {
    voiceSigningSecret: secrets.seal(voiceSigningSecret),
    previousSigningSecret: before.voiceSigningSecret,
    previousSigningSecretUntilMs: previousSecretUntilMs,
  });
  return { number: { id, e164: before.e164, previousSecretUntilMs }, voiceSigningSecret };
}

/** What its voice URL's questions are signed with: the current secret, and during a rotation the one before it. */
export const voiceSecrets = (number: NumberRow, secrets: Secrets, nowMs: number): string[] =>
  openSigningSecrets({ ...number, signingSecret: number.voiceSigningSecret }, secrets, nowMs);

/** What is left out stays as it is, null takes it away. Throws as `heldNumber` does. */
export async function routeNumber(
  tx: Tx,
  workspaceId: WorkspaceId,
  id: NumberId,
  { record, ringSip, ...urls }: Routing,
): Promise<{ before: NumberRow; after: NumberRow }> {
  const before = await heldNumber(tx, workspaceId, id);
  const after = {
    ...{ ...before, ...urls },
    ...(record === undefined ? {} : { record: record ? 1 : 0 }),
    ...(ringSip === undefined ? {} : { ringSip: ringSip ? 1 : 0 }),
  };
  await updateRouting(tx, id, after);
  return { before, after };
}

/** The row to be changed. Throws `numbers.not_found`, and `numbers.released` of one that is the workspace's no more. */
export async function heldNumber(tx: Tx, workspaceId: WorkspaceId, id: NumberId): Promise<NumberRow> {
  const row = await numberToChange(tx, workspaceId, id);
  if (!row) throw new SautikitError("numbers.not_found");
  if (row.status === "released") throw new SautikitError("numbers.released");
  return row;
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
