import { SautikitError } from "../errors.ts";
import type { WorkspaceId } from "../ids.ts";
import type { Secrets } from "../secrets.ts";
import type { ReadTx } from "../store/store.ts";
import { numberByE164 } from "../store/numbers.ts";

/**
 * What stands where a number was: the same for the same number in the same workspace, so that rows stay countable, and of
 * no use without SECRETS_KEY, since all the numbers of a country are soon tried.
 */
export const pseudonymOf = (secrets: Secrets, workspaceId: WorkspaceId, e164: string): string =>
  `erased:${secrets.pseudonym(`${workspaceId} ${e164}`).slice(0, 24)}`;

/** Throws `privacy.own_number`: all calls of a workspace are with its own numbers. */
export async function requireOthers(tx: ReadTx, workspaceId: WorkspaceId, e164: string): Promise<void> {
  if ((await numberByE164(tx, e164))?.workspaceId === workspaceId)
    throw new SautikitError("privacy.own_number");
}
