-- Endpoints of /v1/webhooks, and the durable outbox of every delivery.
CREATE TABLE webhook_endpoints (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  url TEXT NOT NULL,
  -- JSON array of kinds, or ["*"].
  events TEXT NOT NULL,
  enabled BIGINT NOT NULL DEFAULT 1,
  -- Sealed (engine/secrets.ts); during a rotation the previous one signs too, until then.
  signing_secret TEXT NOT NULL,
  previous_signing_secret TEXT,
  previous_signing_secret_until_ms BIGINT,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL,
  deleted_at_ms BIGINT
);
CREATE INDEX webhook_endpoints_by_workspace ON webhook_endpoints (workspace_id, id);

CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  event_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  call_id TEXT,
  url TEXT NOT NULL,
  -- The URL's host and port: with the workspace, the lane in which deliveries wait for each other.
  host TEXT NOT NULL,
  -- Whose secret signs: exactly one of the two.
  number_id TEXT REFERENCES numbers (id),
  endpoint_id TEXT REFERENCES webhook_endpoints (id),
  -- The envelope, to the byte as it is sent at every attempt.
  body TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'dead_letter')),
  -- Attempts ever made.
  attempts BIGINT NOT NULL DEFAULT 0,
  -- Attempts made of this schedule; a replay starts a new one.
  schedule_step BIGINT NOT NULL DEFAULT 0,
  -- 0: at once, whatever the clock says. Null once it is delivered or dead.
  next_attempt_at_ms BIGINT,
  created_at_ms BIGINT NOT NULL,
  delivered_at_ms BIGINT,
  CHECK ((number_id IS NULL) <> (endpoint_id IS NULL))
);
-- An event reaches a target once, however often it is told.
CREATE UNIQUE INDEX deliveries_once_by_endpoint ON deliveries (event_id, endpoint_id) WHERE endpoint_id IS NOT NULL;
CREATE UNIQUE INDEX deliveries_once_by_number ON deliveries (event_id, number_id, url) WHERE number_id IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (workspace_id, host, next_attempt_at_ms, id) WHERE next_attempt_at_ms IS NOT NULL;
CREATE INDEX deliveries_by_workspace ON deliveries (workspace_id, id);
CREATE INDEX deliveries_settled ON deliveries (created_at_ms) WHERE next_attempt_at_ms IS NULL;
CREATE INDEX deliveries_by_call ON deliveries (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX deliveries_pending_by_endpoint ON deliveries (endpoint_id) WHERE next_attempt_at_ms IS NOT NULL;

CREATE TABLE delivery_attempts (
  delivery_id TEXT NOT NULL REFERENCES deliveries (id),
  attempt BIGINT NOT NULL,
  attempted_at_ms BIGINT NOT NULL,
  -- Null where there was no answer; then `error` says why.
  status BIGINT,
  latency_ms BIGINT NOT NULL,
  -- The first KiB of the answer.
  response TEXT,
  error TEXT,
  PRIMARY KEY (delivery_id, attempt)
);
