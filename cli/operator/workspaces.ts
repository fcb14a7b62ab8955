import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { UsageError } from "../usage.ts";
import { print, words, type Desk } from "./desk.ts";

export async function workspaceCreate({ store, ids, clock }: Desk, args: string[]): Promise<void> {
  const [name] = words(args, "NAME");
  if (name === undefined || name.trim() === "")
    throw new UsageError("workspace create NAME: it needs a name.");
  const made = await store.write((tx) => createWorkspace(tx, ids, { name, createdAtMs: clock.nowMs() }));
  print({ workspace_id: made.id, name, mpesa_account_ref: made.mpesaAccountRef });
}
