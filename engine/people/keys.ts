import { invalidField, SautikitError } from "../errors.ts";
import type { Ids, KeyId } from "../ids.ts";
import { revokeInvitedBy } from "../store/invitations.ts";
import { apiKeyById, revokeApiKey, type ApiKeyRow } from "../store/workspaces.ts";
import type { Tx } from "../store/store.ts";
import { createKey, type Caller } from "../workspaces/api-keys.ts";
import { defaultScopes, type Scope } from "../workspaces/scopes.ts";

export interface AskedKey {
  name: string;
  /** Default: all but keys.manage. */
  scopes?: readonly Scope[] | undefined;
  expiresAtMs?: number | undefined;
}

/**
 * A key of whoever asks, for no more than they may themselves: neither in scopes nor, of a key that expires, in time. Throws
 * `auth.scope` and `validation.invalid`.
 */
export async function makeKey(
  tx: Tx,
  ids: Ids,
  caller: Caller,
  { name, scopes = defaultScopes, expiresAtMs }: AskedKey,
  nowMs: number,
): Promise<{ row: ApiKeyRow; key: string }> {
  requireScopes(caller, scopes, "give");
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs)
    throw invalidField("expires_at", "range", "must be in the future");
  const until = caller.by.kind === "key" ? caller.by.expiresAtMs : null;
  if (until !== null && expiresAtMs !== undefined && expiresAtMs > until)
    throw invalidField("expires_at", "range", "must not be later than that of the key that makes it");
  const ends = expiresAtMs ?? until;
  const made = await createKey(tx, ids, {
    ...{ workspaceId: caller.workspace.id, name, scopes, createdAtMs: nowMs, createdBy: caller.by.id },
    ...(ends === null ? {} : { expiresAtMs: ends }),
  });
  return { row: await keyOf(tx, caller, made.id), key: made.key };
}

/** Refused from the commit on, and with it the invitations that it made; again: changes nothing. Throws `api_keys.not_found`, and `auth.scope` for one that may more. */
export async function revokeKey(
  tx: Tx,
  caller: Caller,
  id: KeyId,
  nowMs: number,
): Promise<{ before: ApiKeyRow; after: ApiKeyRow }> {
  const before = await keyOf(tx, caller, id);
  requireScopes(caller, JSON.parse(before.scopes) as Scope[], "take away");
  const after = (await revokeApiKey(tx, id, nowMs)) ?? before;
  await revokeInvitedBy(tx, caller.workspace.id, { invitedBy: id }, nowMs);
  return { before, after };
}

async function keyOf(tx: Tx, { workspace }: Caller, id: KeyId): Promise<ApiKeyRow> {
  const key = await apiKeyById(tx, workspace.id, id);
  if (!key) throw new SautikitError("api_keys.not_found");
  return key;
}

function requireScopes(caller: Caller, wanted: readonly Scope[], verb: string): void {
  const lacking = wanted.filter((scope) => !caller.scopes.includes(scope));
  if (lacking.length > 0)
    throw new SautikitError(
      "auth.scope",
      `You cannot ${verb} what you may not do yourself: ${lacking.join(", ")}.`,
    );
}
