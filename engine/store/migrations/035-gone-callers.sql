-- Callers who had gone, and their end-of-leg record with them, before word of their coming was heard: whoever hears of it
-- then takes in no caller who waits.
CREATE TABLE gone_callers (
  channel_uuid TEXT PRIMARY KEY,
  -- How it ended, as JSON. Null: somebody takes that caller in just now, in a transaction that takes the row away again.
  facts TEXT,
  gone_at_ms BIGINT NOT NULL
);
CREATE INDEX gone_callers_by_age ON gone_callers (gone_at_ms);
