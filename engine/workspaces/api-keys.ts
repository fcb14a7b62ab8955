import { SautikitError } from "../errors.ts";
import type { Ids, KeyId, UserId, WorkspaceId } from "../ids.ts";
import { sha256 } from "../secrets.ts";
import type { Role } from "../store/members.ts";
import {
  apiKeyByHash,
  insertApiKey,
  workspaceById,
  type ApiKeyRow,
  type WorkspaceRow,
} from "../store/workspaces.ts";
import type { ReadTx, Tx } from "../store/store.ts";
import { defaultScopes, type Scope } from "./scopes.ts";

export interface NewKey {
  workspaceId: WorkspaceId;
  name: string;
  /** Default: all but keys.manage. */
  scopes?: readonly Scope[];
  expiresAtMs?: number;
  createdAtMs: number;
  /** Default: the operator. */
  createdBy?: KeyId | UserId;
}

/** Makes a key. Its text is in this answer and nowhere else: only a hash and the last four characters are kept. */
export async function createKey(tx: Tx, ids: Ids, key: NewKey): Promise<{ id: KeyId; key: string }> {
  const id = ids.next("key");
  const text = `tskey_live_${ids.bytes(32).toString("base64url")}`;
  await insertApiKey(tx, {
    id,
    workspaceId: key.workspaceId,
    name: key.name,
    keySha256: sha256(text),
    lastFour: text.slice(-4),
    scopes: JSON.stringify(key.scopes ?? defaultScopes),
    createdAtMs: key.createdAtMs,
    expiresAtMs: key.expiresAtMs ?? null,
    createdBy: key.createdBy ?? null,
  });
  return { id, key: text };
}

/** Who asks: a key, or a person who is signed in; in which workspace, and what they may do there. */
export interface Caller {
  by: CallerKey | { kind: "user"; id: UserId; role: Role };
  scopes: readonly Scope[];
  workspace: WorkspaceRow;
}

interface CallerKey {
  kind: "key";
  id: KeyId;
  expiresAtMs: number | null;
  lastUsedAtMs: number | null;
}

const keyText = /^tskey_live_[A-Za-z0-9_-]{43}$/;

/** Throws `auth.invalid` for a key that is unknown, revoked or past its expiry, without saying which. */
export async function callerOfKey(tx: ReadTx, text: string, nowMs: number): Promise<Caller> {
  const key = keyText.test(text) ? await apiKeyByHash(tx, sha256(text)) : undefined;
  if (!key || isKeyOver(key, nowMs)) throw new SautikitError("auth.invalid");
  const workspace = await workspaceById(tx, key.workspaceId);
  if (!workspace) throw new SautikitError("auth.invalid");
  const { id, expiresAtMs, lastUsedAtMs } = key;
  const by = { kind: "key" as const, id, expiresAtMs, lastUsedAtMs };
  return { by, scopes: JSON.parse(key.scopes) as Scope[], workspace };
}

/** Revoked, or past its expiry. */
export const isKeyOver = (
  { revokedAtMs, expiresAtMs }: Pick<ApiKeyRow, "revokedAtMs" | "expiresAtMs">,
  nowMs: number,
) => revokedAtMs !== null || (expiresAtMs !== null && expiresAtMs <= nowMs);
