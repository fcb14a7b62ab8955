import type { CallId, WorkspaceId } from "../engine/ids.ts";
import { refusalIn } from "../engine/policy/refusal.ts";
import type { ApiParts } from "./parts.ts";

/**
 * Keeps that a request was refused by the policy, once its own transaction is undone. The answer is the refusal, whatever becomes
 * of this.
 */
export async function noteRefused(
  { store, policy, log }: Pick<ApiParts, "store" | "policy" | "log">,
  error: unknown,
  asked: { workspaceId: WorkspaceId; from: string | null; to: string | null; callId?: CallId },
): Promise<void> {
  const refusal = refusalIn(error);
  if (!refusal) return;
  const fault = refusal.reason === "caller_id" ? "from" : "to";
  const of = { ...asked, source: "api" as const, [fault]: refusal.number ?? asked[fault] };
  await store
    .write((tx) => policy.note(tx, refusal, of))
    .catch((err: unknown) => log.error({ err, ...asked }, "A refusal could not be noted."));
}
