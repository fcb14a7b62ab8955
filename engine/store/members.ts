import type { WorkspaceId } from "../ids.ts";
import type { ReadTx } from "./store.ts";

/** Where a workspace's owners have their mail. A workspace has no members yet: nobody is written to. */
export const ownersOf: (tx: ReadTx, workspaceId: WorkspaceId) => Promise<string[]> = () =>
  Promise.resolve([]);
