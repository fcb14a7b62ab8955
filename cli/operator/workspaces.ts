import { parseArgs } from "node:util";
import { normalEmail } from "../../engine/people/email.ts";
import { insertMember, upsertUser } from "../../engine/store/members.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { UsageError } from "../usage.ts";
import { print, recordOperatorChange, words, type Desk } from "./desk.ts";

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
