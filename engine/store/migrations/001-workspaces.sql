-- Who there is: workspaces, their keys, their numbers. Times are ms since the epoch, money KES cents.
CREATE TABLE workspaces (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  currency TEXT NOT NULL DEFAULT 'KES',
  created_at_ms BIGINT NOT NULL,
  frozen_at_ms BIGINT,
  requests_per_minute BIGINT NOT NULL DEFAULT 300,
  calls_per_second BIGINT NOT NULL DEFAULT 10,
  concurrent_calls BIGINT NOT NULL DEFAULT 100,
  -- JSON array of ISO 3166 alpha-2.
  allowed_countries TEXT NOT NULL DEFAULT '["KE"]',
  recording_retention_days BIGINT NOT NULL DEFAULT 30,
  on_zero_balance TEXT NOT NULL DEFAULT 'continue' CHECK (on_zero_balance IN ('continue', 'hangup')),
  low_balance_threshold_minor BIGINT,
  -- What the customer types as the Paybill account number.
  mpesa_account_ref TEXT NOT NULL UNIQUE
);

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  name TEXT NOT NULL,
  -- SHA-256 of the whole key, hex; the key itself is nowhere.
  key_sha256 TEXT NOT NULL UNIQUE,
  last_four TEXT NOT NULL,
  -- JSON array.
  scopes TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT,
  revoked_at_ms BIGINT
);
CREATE INDEX api_keys_by_workspace ON api_keys (workspace_id, id);

CREATE TABLE numbers (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  e164 TEXT NOT NULL UNIQUE,
  country TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
  voice_callback_url TEXT,
  voice_fallback_url TEXT,
  events_url TEXT,
  -- Sealed (engine/secrets.ts); during a rotation the previous one signs too, until then.
  voice_signing_secret TEXT NOT NULL,
  previous_signing_secret TEXT,
  previous_signing_secret_until_ms BIGINT,
  provisioned_at_ms BIGINT NOT NULL
);
CREATE INDEX numbers_by_workspace ON numbers (workspace_id, id);

-- What a POST with an Idempotency-Key answered, stored with its effect; 24 h.
CREATE TABLE idempotent_responses (
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  body_sha256 TEXT NOT NULL,
  status BIGINT NOT NULL,
  response TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, method, path, idempotency_key)
);
CREATE INDEX idempotent_responses_by_age ON idempotent_responses (created_at_ms);
