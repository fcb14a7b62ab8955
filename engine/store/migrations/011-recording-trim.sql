-- 1: the silence at both ends is to be cut off before it is stored.
ALTER TABLE recordings ADD COLUMN trim BIGINT NOT NULL DEFAULT 0;
-- What was cut off, which is in duration_ms no more and is no gap; null: nothing was to be, or it is not stored yet.
ALTER TABLE recordings ADD COLUMN trimmed_ms BIGINT;
