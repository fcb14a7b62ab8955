import type { Clock } from "../clock.ts";
import type { Ids, KeyId, RequestId, UserId, WorkspaceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import { insertAuditEntry, type AuditRow } from "../store/audit.ts";
import type { Tx } from "../store/store.ts";

/** Who changes something, and from where. */
export type Actor =
  | { kind: "key"; id: KeyId; address: string | null; requestId: RequestId }
  | { kind: "user"; id: UserId; address: string | null; requestId: RequestId }
  | { kind: "operator" }
  | { kind: "system" };

/** What was changed, as its own view shows it: never with a secret in it. */
export interface Change {
  /** The id of what was changed. */
  subject: string | null;
  /** Null: there was nothing. */
  before: JsonObject | null;
  /** Null: there is nothing any more. */
  after: JsonObject | null;
}

export interface AuditedChange extends Change {
  /** Null: of the whole installation. */
  workspaceId: WorkspaceId | null;
  actor: Actor;
  /** The API's operationId, or the words of the command. */
  action: string;
}

/** Writes down a change, in its own transaction: there is none without its entry. */
export async function recordChange(
  tx: Tx,
  { ids, clock }: { ids: Ids; clock: Clock },
  { workspaceId, actor, action, subject, before, after }: AuditedChange,
): Promise<void> {
  await insertAuditEntry(tx, {
    id: ids.next("aud"),
    workspaceId,
    ...actorFields(actor),
    action,
    subject,
    before: before && JSON.stringify(before),
    after: after && JSON.stringify(after),
    createdAtMs: clock.nowMs(),
  });
}

/** Who it was, as a row has it. */
export function actorFields(actor: Actor): Pick<AuditRow, "actorKind" | "actorId" | "address" | "requestId"> {
  if (actor.kind !== "key" && actor.kind !== "user")
    return { actorKind: actor.kind, actorId: null, address: null, requestId: null };
  const { kind, id, address, requestId } = actor;
  return { actorKind: kind, actorId: id, address, requestId };
}
