-- W3C Trace Context: what a call is a part of; null: it began before there were traces.
ALTER TABLE calls ADD COLUMN trace_id TEXT;
-- 1: who began it may have kept it.
ALTER TABLE calls ADD COLUMN trace_sampled BIGINT;
