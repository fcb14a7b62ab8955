-- What the storage may hold is known before it holds it, and what is due, or used, is found without reading all there is.

-- object_key is written before the first byte is sent. By put_until_ms that upload has ended, one way or another; null: none
-- is under way.
ALTER TABLE recordings ADD COLUMN put_until_ms BIGINT;
-- An upload of before may have left an object.
UPDATE recordings SET object_key = workspace_id || '/' || call_id || '/' || id || '.wav'
  WHERE object_key IS NULL AND object_removed_at_ms IS NULL AND status <> 'empty';
DROP INDEX recordings_by_age;
CREATE INDEX recordings_to_expire ON recordings (workspace_id, created_at_ms)
  WHERE status IN ('uploading', 'ready', 'empty', 'missing') AND object_key IS NOT NULL;

-- The bytes of a workspace's recordings, moved with each that is stored or deleted.
ALTER TABLE storage_meters ADD COLUMN used_bytes BIGINT NOT NULL DEFAULT 0;
UPDATE storage_meters SET used_bytes = (
  SELECT CAST(COALESCE(SUM(r.size_bytes), 0) AS BIGINT) FROM recordings r
  WHERE r.workspace_id = storage_meters.workspace_id AND r.status = 'ready');
-- What came and went since a moment, without a look at the rows.
CREATE INDEX recordings_by_storing ON recordings (workspace_id, stored_at_ms, size_bytes) WHERE stored_at_ms IS NOT NULL;
DROP INDEX recordings_stored;
CREATE INDEX recordings_by_deletion ON recordings (workspace_id, deleted_at_ms, stored_at_ms, size_bytes)
  WHERE stored_at_ms IS NOT NULL AND deleted_at_ms IS NOT NULL;
-- In the order in which they are taken up, a page at a time.
DROP INDEX storage_meters_by_day;
CREATE INDEX storage_meters_by_day ON storage_meters (next_day, workspace_id);
DROP INDEX storage_meters_by_month;
CREATE INDEX storage_meters_by_month ON storage_meters (settled_to_day, workspace_id);

-- Every object that a porting request may have in the storage: there before the object, until after it has gone.
CREATE TABLE port_papers (
  object_key TEXT PRIMARY KEY,
  port_id TEXT NOT NULL REFERENCES ports (id),
  created_at_ms BIGINT NOT NULL,
  -- Since when it is the request's document; null: it is being uploaded.
  kept_at_ms BIGINT,
  -- Null: it is wanted.
  deleted_at_ms BIGINT
);
CREATE INDEX port_papers_reserved ON port_papers (created_at_ms) WHERE kept_at_ms IS NULL AND deleted_at_ms IS NULL;
CREATE INDEX port_papers_to_remove ON port_papers (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL;
-- Of the document that was uploaded; null: none, or not any more.
ALTER TABLE ports ADD COLUMN document_key TEXT;
UPDATE ports SET document_key = workspace_id || '/ports/' || id WHERE document_at_ms IS NOT NULL;
-- A request of before without a document may have an object all the same: the sweep looks, as for an upload that died.
INSERT INTO port_papers (object_key, port_id, created_at_ms, kept_at_ms)
  SELECT workspace_id || '/ports/' || id, id, 0, document_at_ms FROM ports;

-- Whether a number was somebody's before.
CREATE INDEX numbers_released ON numbers (e164, released_at_ms, id) WHERE status = 'released';
