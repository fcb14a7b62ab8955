import { parseArgs } from "node:util";
import { rfc3339Seconds } from "../../engine/clock.ts";
import { normalEmail } from "../../engine/people/email.ts";
import { insertMember, upsertUser } from "../../engine/store/members.ts";
import { findWorkspaces } from "../../engine/store/workspaces.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { UsageError } from "../usage.ts";
import { print, recordOperatorChange, words, type Desk } from "./desk.ts";

/** A line each, the newest first; without TEXT of all. */
export async function workspaceFind(desk: Desk, args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  const [text = ""] = words(positionals, "TEXT");
  const found = await desk.store.read((tx) => findWorkspaces(tx, text.trim(), foundMax + 1));
  for (const row of found.slice(0, foundMax))
    print({
      ...{ workspace_id: row.id, name: row.name, mpesa_account_ref: row.mpesaAccountRef },
      ...{ created_at: rfc3339Seconds(row.createdAtMs), frozen: row.frozenAtMs !== null },
    });
  if (found.length > foundMax)
    process.stderr.write(`There are more than ${foundMax}: say more of the name, or its account number.\n`);
}

const foundMax = 1_000;

/** Its owner needs no invitation: they sign in by a link to that address. */
export async function workspaceCreate(desk: Desk, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { owner: { type: "string" } },
  });
  const [name] = words(positionals, "NAME");
  if (name === undefined || name.trim() === "")
    throw new UsageError("workspace create NAME: it needs a name.");
  const owner = values.owner === undefined ? null : normalEmail(values.owner);
  if (owner === undefined) throw new Error(`"${values.owner ?? ""}" is not a mail address.`);
  const { store, ids, clock } = desk;
  const made = await store.write(async (tx) => {
    const createdAtMs = clock.nowMs();
    const { id, mpesaAccountRef } = await createWorkspace(tx, ids, { name, createdAtMs });
    if (owner !== null) {
      const user = await upsertUser(tx, { id: ids.next("usr"), email: owner, createdAtMs });
      await insertMember(tx, { workspaceId: id, userId: user.id, role: "owner", createdAtMs });
    }
    const after = { id, name, owner };
    await recordOperatorChange(tx, desk, {
      ...{ workspaceId: id, action: "workspace create", subject: id, before: null, after },
    });
    return { id, mpesaAccountRef };
  });
  print({
    ...{ workspace_id: made.id, name, mpesa_account_ref: made.mpesaAccountRef },
    ...(owner === null ? {} : { owner }),
  });
}
