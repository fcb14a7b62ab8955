import { rfc3339Ms } from "../clock.ts";
import type { JsonObject } from "../json.ts";
import type { OutboxEvent } from "./outbox.ts";

/** The envelope of API.md §5, as an object: a question to a voice URL adds keys of its own at the top. */
export const envelopeOf = (event: OutboxEvent): JsonObject => ({
  kind: event.kind,
  event_id: event.eventId,
  workspace_id: event.workspaceId,
  occurred_at: rfc3339Ms(event.occurredAtMs),
  data: event.data,
});
