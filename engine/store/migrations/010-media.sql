-- One row per uploaded prompt; its file is in the object storage under object_key.
CREATE TABLE media (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  name TEXT,
  -- By content: audio/wav, audio/mpeg.
  content_type TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  -- Hex.
  sha256 TEXT NOT NULL,
  duration_ms BIGINT NOT NULL,
  object_key TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  -- Null: on its way to the storage, which was not yet seen to hold the whole file. It takes its room, and nobody sees it.
  stored_at_ms BIGINT,
  -- Its object is removed afterwards, and then the row.
  deleted_at_ms BIGINT
);
CREATE INDEX media_by_workspace ON media (workspace_id, id);
CREATE INDEX media_unstored ON media (created_at_ms) WHERE stored_at_ms IS NULL AND deleted_at_ms IS NULL;
CREATE INDEX media_to_remove ON media (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL;
