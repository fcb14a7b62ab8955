-- Who changed what: one row per change, written in its transaction, never edited.
CREATE TABLE audit_entries (
  id TEXT PRIMARY KEY,
  -- Null: of the whole installation (a rate deck).
  workspace_id TEXT REFERENCES workspaces (id),
  -- key, user, operator (a command typed on the machine), system (a due date).
  actor_kind TEXT NOT NULL CHECK (actor_kind IN ('key', 'user', 'operator', 'system')),
  -- The key's or the user's id; null: operator, system.
  actor_id TEXT,
  -- The API's operationId, or the command's words.
  action TEXT NOT NULL,
  -- The id of what was changed.
  subject TEXT,
  -- JSON; null: there was nothing before, or there is nothing now. Never a secret.
  before TEXT,
  after TEXT,
  -- Where the request came from: an IP address.
  address TEXT,
  request_id TEXT,
  created_at_ms BIGINT NOT NULL
);
CREATE INDEX audit_entries_by_workspace ON audit_entries (workspace_id, id);

-- Mails to be sent, each written in the transaction of what it tells. One row per recipient.
CREATE TABLE mails (
  id TEXT PRIMARY KEY,
  -- What makes a second one of the same impossible.
  once_key TEXT NOT NULL UNIQUE,
  workspace_id TEXT REFERENCES workspaces (id),
  recipient TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- Plain text; emptied once it was sent or given up, since it may hold a link that signs in.
  body TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'sent', 'failed')),
  attempts BIGINT NOT NULL DEFAULT 0,
  -- Null once it is sent or given up.
  next_attempt_at_ms BIGINT,
  last_error TEXT,
  created_at_ms BIGINT NOT NULL,
  sent_at_ms BIGINT
);
CREATE INDEX mails_due ON mails (next_attempt_at_ms, id) WHERE next_attempt_at_ms IS NOT NULL;
