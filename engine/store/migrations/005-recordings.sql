-- One row per recording of a leg (a segment, where it was toggled). The file on the spool is <id>.wav, the object's key too.
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
  object_key TEXT,
  stored_at_ms BIGINT,
  deleted_at_ms BIGINT,
  delete_reason TEXT
);
CREATE INDEX recordings_by_call ON recordings (call_id, id);
CREATE INDEX recordings_by_leg ON recordings (leg_id, id);
CREATE INDEX recordings_by_workspace ON recordings (workspace_id, id);
CREATE INDEX recordings_unfinished ON recordings (box, status) WHERE status IN ('starting', 'recording', 'paused', 'stopping', 'uploading');
