-- An export may fail now, for which SQLite needs the table anew: its status is checked.
CREATE TABLE privacy_exports_by_turns (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  -- Keyed hash of the number (engine/privacy/data-subject.ts).
  pseudonym TEXT NOT NULL,
  -- Null once the ZIP is to go, or is given up.
  e164 TEXT,
  status TEXT NOT NULL CHECK (status IN ('pending', 'ready', 'expired', 'failed')),
  -- A key or a user; null: the operator.
  requested_by TEXT,
  created_at_ms BIGINT NOT NULL,
  -- Of calls that were created from then on, and before then; null: of all.
  from_ms BIGINT,
  to_ms BIGINT,
  ready_at_ms BIGINT,
  size_bytes BIGINT,
  -- JSON: how many calls and events, and which recordings.
  contents TEXT,
  -- When the ZIP is to go, and when it was seen to be gone.
  expires_at_ms BIGINT,
  removed_at_ms BIGINT,
  -- Why it has expired, or failed.
  ended_by TEXT CHECK (ended_by IN ('time', 'erasure', 'too_large', 'not_made')),
  -- Tries begun; with the id, the name of the one that runs.
  attempts BIGINT NOT NULL DEFAULT 0,
  -- Null unless it is pending.
  next_attempt_at_ms BIGINT,
  -- Until then somebody may be storing it: nobody else does, and nobody removes it.
  lease_until_ms BIGINT,
  -- 1: its tries so far read what was erased since, and what they stored is to go before the next.
  stale BIGINT NOT NULL DEFAULT 0
);
INSERT INTO privacy_exports_by_turns (id, workspace_id, pseudonym, e164, status, requested_by, created_at_ms, ready_at_ms,
    size_bytes, contents, expires_at_ms, removed_at_ms, ended_by, next_attempt_at_ms)
  SELECT id, workspace_id, pseudonym, e164, status, requested_by, created_at_ms, ready_at_ms, size_bytes, contents,
    expires_at_ms, removed_at_ms,
    CASE WHEN status <> 'expired' THEN NULL WHEN expires_at_ms IS NULL THEN 'erasure' ELSE 'time' END,
    CASE status WHEN 'pending' THEN created_at_ms END
  FROM privacy_exports;
DROP TABLE privacy_exports;
ALTER TABLE privacy_exports_by_turns RENAME TO privacy_exports;
CREATE INDEX privacy_exports_by_workspace ON privacy_exports (workspace_id, id);
CREATE INDEX privacy_exports_open ON privacy_exports (status, id) WHERE removed_at_ms IS NULL;
CREATE INDEX privacy_exports_due ON privacy_exports (next_attempt_at_ms, id) WHERE status = 'pending';

-- All was erased once, and with it the exports that had been begun by then were withdrawn.
ALTER TABLE privacy_erasures ADD COLUMN exports_withdrawn_at_ms BIGINT;

-- Which calls an erasure emptied: a call of two people who are both erased is in two of them. (calls.erased_by is the last.)
CREATE TABLE privacy_erased_calls (
  erasure_id TEXT NOT NULL REFERENCES privacy_erasures (id),
  call_id TEXT NOT NULL REFERENCES calls (id),
  PRIMARY KEY (erasure_id, call_id)
);
INSERT INTO privacy_erased_calls (erasure_id, call_id)
  SELECT erased_by, id FROM calls WHERE erased_by IS NOT NULL;

-- By who made them, while they can be accepted.
CREATE INDEX invitations_by_inviter ON invitations (workspace_id, invited_by) WHERE accepted_at_ms IS NULL AND revoked_at_ms IS NULL;

-- Answers that are kept for an Idempotency-Key are a workspace's, a user's, or those of a network (its hash).
CREATE TABLE idempotent_responses_of_all (
  owner TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  body_sha256 TEXT NOT NULL,
  status BIGINT NOT NULL,
  response TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  PRIMARY KEY (owner, method, path, idempotency_key)
);
INSERT INTO idempotent_responses_of_all (owner, method, path, idempotency_key, body_sha256, status, response, created_at_ms)
  SELECT workspace_id, method, path, idempotency_key, body_sha256, status, response, created_at_ms FROM idempotent_responses;
DROP TABLE idempotent_responses;
ALTER TABLE idempotent_responses_of_all RENAME TO idempotent_responses;
CREATE INDEX idempotent_responses_by_age ON idempotent_responses (created_at_ms);
