-- People: a user is a mail address that was proven by a link sent to it. Hashes are SHA-256, hex, of what was handed out.
CREATE TABLE users (
  id TEXT PRIMARY KEY,
  -- Normalised (engine/people/email.ts).
  email TEXT NOT NULL UNIQUE,
  created_at_ms BIGINT NOT NULL
);

CREATE TABLE members (
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  user_id TEXT NOT NULL REFERENCES users (id),
  role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  created_at_ms BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id, workspace_id);

CREATE TABLE invitations (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  email TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  token_sha256 TEXT NOT NULL UNIQUE,
  -- The key or user that invites; null: the operator.
  invited_by TEXT,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT NOT NULL,
  accepted_at_ms BIGINT,
  revoked_at_ms BIGINT
);
CREATE INDEX invitations_by_workspace ON invitations (workspace_id, id);
-- One that can be accepted for each address: a second one revokes the first.
CREATE UNIQUE INDEX invitations_open ON invitations (workspace_id, email) WHERE accepted_at_ms IS NULL AND revoked_at_ms IS NULL;

-- Links that sign in, by mail: 15 minutes, once.
CREATE TABLE sign_in_links (
  token_sha256 TEXT PRIMARY KEY,
  email TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT NOT NULL,
  used_at_ms BIGINT
);
CREATE INDEX sign_in_links_by_age ON sign_in_links (expires_at_ms);

-- How often in the window that began at since_ms; the subject is a kind and a hash, of a mail address or a network.
CREATE TABLE sign_in_tries (
  subject TEXT PRIMARY KEY,
  since_ms BIGINT NOT NULL,
  tries BIGINT NOT NULL
);
CREATE INDEX sign_in_tries_by_age ON sign_in_tries (since_ms);

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  token_sha256 TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES users (id),
  -- Where its requests go that do not say; null: it is in none yet.
  workspace_id TEXT REFERENCES workspaces (id),
  created_at_ms BIGINT NOT NULL,
  -- Written at most once a minute.
  seen_at_ms BIGINT NOT NULL,
  -- For good, whatever is seen of it.
  expires_at_ms BIGINT NOT NULL,
  revoked_at_ms BIGINT,
  address TEXT,
  user_agent TEXT
);
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_by_age ON sessions (expires_at_ms);

-- Who made a key: a key or a user; null: the operator.
ALTER TABLE api_keys ADD COLUMN created_by TEXT;
-- Written at most once a minute.
ALTER TABLE api_keys ADD COLUMN last_used_at_ms BIGINT;

CREATE INDEX audit_entries_by_action ON audit_entries (workspace_id, action, id);
CREATE INDEX audit_entries_by_subject ON audit_entries (workspace_id, subject, id);
CREATE INDEX audit_entries_by_actor ON audit_entries (workspace_id, actor_id, id);

-- Each time that a recording, or a link to it, was given out: never edited.
CREATE TABLE recording_accesses (
  id TEXT PRIMARY KEY,
  recording_id TEXT NOT NULL REFERENCES recordings (id),
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  -- listen: redirected to the audio; link: a link was shown; export: it is in an export for the person recorded.
  kind TEXT NOT NULL CHECK (kind IN ('listen', 'link', 'export')),
  actor_kind TEXT NOT NULL CHECK (actor_kind IN ('key', 'user', 'operator', 'system')),
  actor_id TEXT,
  address TEXT,
  request_id TEXT,
  accessed_at_ms BIGINT NOT NULL
);
CREATE INDEX recording_accesses_by_recording ON recording_accesses (recording_id, id);

-- What is held of a person, by phone number, as a ZIP in the object storage.
CREATE TABLE privacy_exports (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  -- Keyed hash of the number (engine/privacy/data-subject.ts).
  pseudonym TEXT NOT NULL,
  -- Null once the ZIP is gone.
  e164 TEXT,
  status TEXT NOT NULL CHECK (status IN ('pending', 'ready', 'expired')),
  -- A key or a user; null: the operator.
  requested_by TEXT,
  created_at_ms BIGINT NOT NULL,
  ready_at_ms BIGINT,
  size_bytes BIGINT,
  -- JSON: how many calls and events, and which recordings.
  contents TEXT,
  -- When the ZIP is to go, and when it was seen to be gone.
  expires_at_ms BIGINT,
  removed_at_ms BIGINT
);
CREATE INDEX privacy_exports_by_workspace ON privacy_exports (workspace_id, id);
CREATE INDEX privacy_exports_open ON privacy_exports (status, id) WHERE removed_at_ms IS NULL;

-- The receipt of an erasure, and what is left to do of it.
CREATE TABLE privacy_erasures (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  pseudonym TEXT NOT NULL,
  -- Null once all is erased.
  e164 TEXT,
  status TEXT NOT NULL CHECK (status IN ('running', 'complete')),
  requested_by TEXT,
  created_at_ms BIGINT NOT NULL,
  completed_at_ms BIGINT,
  -- JSON: how many calls, legs, … so far.
  counts TEXT NOT NULL
);
CREATE INDEX privacy_erasures_by_workspace ON privacy_erasures (workspace_id, id);
CREATE UNIQUE INDEX privacy_erasures_running ON privacy_erasures (workspace_id, pseudonym) WHERE status = 'running';

-- The erasure that took the person's number, and all that was said of them, out of it.
ALTER TABLE calls ADD COLUMN erased_by TEXT REFERENCES privacy_erasures (id);
CREATE INDEX calls_erased ON calls (erased_by) WHERE erased_by IS NOT NULL;
-- By the other party, whoever asks for what is held of them.
CREATE INDEX legs_by_to ON legs (workspace_id, to_e164);
CREATE INDEX legs_by_from ON legs (workspace_id, from_e164);
-- Its body and answers were erased: it cannot be replayed.
ALTER TABLE deliveries ADD COLUMN erased_at_ms BIGINT;
