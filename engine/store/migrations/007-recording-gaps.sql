-- How long there was something to record, by the switch's stamps; null: not known. What duration_ms lacks of it is the gap.
ALTER TABLE recordings ADD COLUMN talk_ms BIGINT;
-- 1: the gap is more than a recording's beginning and end explain.
ALTER TABLE recordings ADD COLUMN short BIGINT NOT NULL DEFAULT 0;
CREATE INDEX recordings_short ON recordings (id) WHERE short = 1;
