import { randomText, type Ids, type WorkspaceId } from "../ids.ts";
import type { Tx } from "../store/store.ts";
import { insertWorkspace, type WorkspaceRow } from "../store/workspaces.ts";

export interface NewWorkspace {
  name: string;
  createdAtMs: number;
}

/** Limits, countries and retention begin at their defaults. */
export async function createWorkspace(
  tx: Tx,
  ids: Ids,
  workspace: NewWorkspace,
): Promise<{ id: WorkspaceId; mpesaAccountRef: string }> {
  const id = ids.next("ws");
  const mpesaAccountRef = newAccountRef(ids);
  await insertWorkspace(tx, {
    id,
    name: workspace.name,
    mpesaAccountRef,
    createdAtMs: workspace.createdAtMs,
  });
  return { id, mpesaAccountRef };
}

export const allowedCountries = (row: WorkspaceRow): string[] => JSON.parse(row.allowedCountries) as string[];

/** Crockford's base 32: nobody takes one of these for another while typing it into a phone. */
export const accountDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** Short enough for the Paybill's account field and for an STK push (12 characters). */
const newAccountRef = (ids: Ids): string => `SK${randomText(ids, accountDigits, 8)}`;
