-- One row per recording of a leg (a segment, where it was toggled). Its file on the spool is <id>.wav.
CREATE TABLE recordings (
  id TEXT PRIMARY KEY,
  call_id TEXT NOT NULL REFERENCES calls (id),
  leg_id TEXT NOT NULL REFERENCES legs (id),
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  box TEXT NOT NULL,
  -- starting, recording, paused, stopping: on the switch. uploading: closed. Then ready, empty (no audio), missing (no file), deleted.
  status TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  started_at_us BIGINT,
  ended_at_us BIGINT,
  duration_ms BIGINT,
  size_bytes BIGINT,
  -- Hex.
  sha256 TEXT,
  -- Set once the storage was seen to hold the whole file.
  object_key TEXT,
  stored_at_ms BIGINT,
  deleted_at_ms BIGINT,
  -- requested, retention.
  delete_reason TEXT,
  -- A deleted recording's object is removed afterwards; null until that is done.
  object_removed_at_ms BIGINT
);
CREATE INDEX recordings_by_call ON recordings (call_id, id);
CREATE INDEX recordings_by_leg ON recordings (leg_id, id);
CREATE INDEX recordings_by_workspace ON recordings (workspace_id, id);
CREATE INDEX recordings_unfinished ON recordings (box, status) WHERE status IN ('starting', 'recording', 'paused', 'stopping', 'uploading');
CREATE INDEX recordings_by_age ON recordings (created_at_ms) WHERE status = 'ready';
CREATE INDEX recordings_to_remove ON recordings (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL AND object_removed_at_ms IS NULL;
