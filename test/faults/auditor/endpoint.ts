import { createHmac } from "node:crypto";
import type { ReceivedWebhook } from "../../world/webhook-inbox.ts";

/** One webhook that reached the customer, read anew from its bytes. */
export interface HeardEvent {
  id: string;
  kind: string;
  callId: string | null;
  body: string;
  data: Record<string, unknown>;
  workspaceId: string;
  /** Null: the signature is of this id, time and body, by the customer's secret. */
  wrong: string | null;
}

/** Reads what came, and works out each signature by itself (standardwebhooks.com, `v1`). */
export function readWebhook({ headers, body }: ReceivedWebhook, secret: string): HeardEvent {
  const { kind, event_id, workspace_id, data } = JSON.parse(body) as {
    kind: string;
    event_id: string;
    workspace_id: string;
    data: Record<string, unknown>;
  };
  const header = (name: string) => String(headers[name] ?? "");
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signed = `${header("webhook-id")}.${header("webhook-timestamp")}.${body}`;
  const expected = `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
  let wrong: string | null = null;
  if (header("webhook-id") !== event_id) wrong = `its webhook-id is ${header("webhook-id")}`;
  else if (!header("webhook-signature").split(" ").includes(expected))
    wrong = `its signature is ${header("webhook-signature")}, not ${expected}`;
  const callId = typeof data["call_id"] === "string" ? data["call_id"] : null;
  return { id: event_id, kind, callId, workspaceId: workspace_id, body, data, wrong };
}
