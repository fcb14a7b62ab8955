import { parseArgs } from "node:util";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { isId } from "../../engine/ids.ts";
import { apiKeyById, apiKeysOf, revokeApiKey, type ApiKeyRow } from "../../engine/store/workspaces.ts";
import { createKey } from "../../engine/workspaces/api-keys.ts";
import { scopes, type Scope } from "../../engine/workspaces/scopes.ts";
import { print, recordOperatorChange, words, workspaceOf, type Desk } from "./desk.ts";

export async function keyCreate(desk: Desk, args: string[]): Promise<void> {
  const { store, ids, clock } = desk;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { name: { type: "string", default: "operator" }, scopes: { type: "string" } },
  });
  const workspaceId = await workspaceOf(store, words(positionals, "WORKSPACE")[0]);
  const wanted = values.scopes?.split(",").map(scopeNamed);
  const made = await store.write(async (tx) => {
    const key = await createKey(tx, ids, {
      workspaceId,
      name: values.name,
      ...(wanted ? { scopes: wanted } : {}),
      createdAtMs: clock.nowMs(),
    });
    const row = await apiKeyById(tx, workspaceId, key.id);
    const after = row ? keyView(row) : null;
    await recordOperatorChange(tx, desk, {
      ...{ workspaceId, action: "key create", subject: key.id, before: null, after },
    });
    return key;
  });
  print({ key_id: made.id, api_key: made.key });
}

/** A line for each, oldest first. */
export async function keyList({ store }: Desk, args: string[]): Promise<void> {
  const workspaceId = await workspaceOf(store, words(args, "WORKSPACE")[0]);
  for (const key of await store.read((tx) => apiKeysOf(tx, workspaceId))) print(keyView(key));
}

export async function keyRevoke(desk: Desk, args: string[]): Promise<void> {
  const [id] = words(args, "KEY");
  if (!isId("key", id)) throw new Error(`"${id ?? ""}" is not a key's id (key_…).`);
  const { store, clock } = desk;
  const revoked = await store.write(async (tx) => {
    const row = await revokeApiKey(tx, id, clock.nowMs());
    if (!row) throw new Error(`There is no key ${id}.`);
    const after = keyView(row);
    await recordOperatorChange(tx, desk, {
      ...{ workspaceId: row.workspaceId, action: "key revoke", subject: id, before: null, after },
    });
    return row;
  });
  print(keyView(revoked));
}

const keyView = (key: ApiKeyRow) => ({
  key_id: key.id,
  name: key.name,
  last_four: key.lastFour,
  scopes: JSON.parse(key.scopes) as string[],
  created_at: rfc3339Seconds(key.createdAtMs),
  expires_at: key.expiresAtMs === null ? null : rfc3339Seconds(key.expiresAtMs),
  last_used_at: key.lastUsedAtMs === null ? null : rfc3339Seconds(key.lastUsedAtMs),
  revoked_at: key.revokedAtMs === null ? null : rfc3339Seconds(key.revokedAtMs),
});

function scopeNamed(name: string): Scope {
  const scope = scopes.find((known) => known === name);
  if (!scope) throw new Error(`There is no scope "${name}"; known are ${scopes.join(", ")}.`);
  return scope;
}
