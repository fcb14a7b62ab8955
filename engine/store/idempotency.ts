import type { UserId, WorkspaceId } from "../ids.ts";
import type { ReadTx, Tx } from "./store.ts";

/** What names a request for good. `path` is as it was asked, without the query. */
export interface IdempotentRequest {
  /** Whose key it is: where nobody is known, the hash of the network that asks. */
  owner: WorkspaceId | UserId | `network ${string}`;
  method: string;
  path: string;
  idempotencyKey: string;
}

export interface IdempotentResponse {
  /** Of the request's body, hex. */
  bodySha256: string;
  status: number;
  /** JSON text, without secrets. */
  response: string;
}

/** What a request before this one answered, if that was after `sinceMs`. */
export const findResponse = (tx: ReadTx, request: IdempotentRequest, sinceMs: number) =>
  tx.get<IdempotentResponse>(
    `SELECT body_sha256, status, response FROM idempotent_responses
     WHERE owner = ? AND method = ? AND path = ? AND idempotency_key = ? AND created_at_ms > ?`,
    [...keyOf(request), sinceMs],
  );

/** Replaces one from before `sinceMs`. False: another request with this key came first. */
export async function keepResponse(
  tx: Tx,
  request: IdempotentRequest,
  response: IdempotentResponse,
  times: { createdAtMs: number; sinceMs: number },
): Promise<boolean> {
  const { changes } = await tx.run(
    `INSERT INTO idempotent_responses
       (owner, method, path, idempotency_key, body_sha256, status, response, created_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (owner, method, path, idempotency_key) DO UPDATE SET body_sha256 = excluded.body_sha256,
       status = excluded.status, response = excluded.response, created_at_ms = excluded.created_at_ms
     WHERE idempotent_responses.created_at_ms <= ?`,
    [
      ...keyOf(request),
      response.bodySha256,
      response.status,
      response.response,
      times.createdAtMs,
      times.sinceMs,
    ],
  );
  return changes === 1;
}

/** Drops the oldest of those from before `sinceMs`, `limit` at most. */
export const sweepResponses = (tx: Tx, sinceMs: number, limit: number) =>
  tx.run(
    `DELETE FROM idempotent_responses WHERE (owner, method, path, idempotency_key) IN
       (SELECT owner, method, path, idempotency_key FROM idempotent_responses
        WHERE created_at_ms <= ? ORDER BY created_at_ms LIMIT ?)`,
    [sinceMs, limit],
  );

const keyOf = (request: IdempotentRequest) => [
  request.owner,
  request.method,
  request.path,
  request.idempotencyKey,
];
