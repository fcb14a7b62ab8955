-- What a workspace's outbound calls may do (engine/policy/).

-- Why the operator froze it; null: they did not say.
ALTER TABLE workspaces ADD COLUMN frozen_reason TEXT;
-- The owner's own. JSON array of + and digits.
ALTER TABLE workspaces ADD COLUMN refused_prefixes TEXT NOT NULL DEFAULT '[]';
-- JSON array of {days, from, to} in East Africa Time; empty: always.
ALTER TABLE workspaces ADD COLUMN calling_windows TEXT NOT NULL DEFAULT '[]';
-- KES cents; null: none.
ALTER TABLE workspaces ADD COLUMN daily_spend_cap_minor BIGINT;
ALTER TABLE workspaces ADD COLUMN highest_rate_per_minute_minor BIGINT;
-- The operator's: the owner's own count where they are lower.
ALTER TABLE workspaces ADD COLUMN daily_spend_cap_max_minor BIGINT;
ALTER TABLE workspaces ADD COLUMN highest_rate_per_minute_max_minor BIGINT;
-- The operator's; null: as many as there are.
ALTER TABLE workspaces ADD COLUMN short_calls_max BIGINT DEFAULT 60;
ALTER TABLE workspaces ADD COLUMN numbers_per_range_max BIGINT DEFAULT 30;
-- 1: in the hour after the first call to a foreign country one at a time goes there.
ALTER TABLE workspaces ADD COLUMN new_country_watch BIGINT NOT NULL DEFAULT 1;

-- Where nobody's calls go, by the operator's word. Digits after the +.
CREATE TABLE refused_prefixes (
  prefix TEXT PRIMARY KEY,
  reason TEXT,
  created_at_ms BIGINT NOT NULL
);

-- Calls that were refused: one row for each reason, source and minute, with the first of them.
CREATE TABLE refusals (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  -- engine/policy/refusal.ts
  reason TEXT NOT NULL,
  source TEXT NOT NULL,
  -- Whole minutes since the epoch.
  minute BIGINT NOT NULL,
  from_e164 TEXT,
  to_e164 TEXT,
  -- The call whose dial it was; null: a call that never was.
  call_id TEXT REFERENCES calls (id),
  message TEXT NOT NULL,
  count BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  last_at_ms BIGINT NOT NULL,
  UNIQUE (workspace_id, reason, source, minute)
);
CREATE INDEX refusals_by_workspace ON refusals (workspace_id, id);

-- Country of whom a leg dials, ISO 3166 alpha-2; null: nobody knows, or somebody called us.
ALTER TABLE legs ADD COLUMN country TEXT;
UPDATE legs SET country = (SELECT c.country FROM calls c WHERE c.id = legs.call_id)
  WHERE direction = 'outbound' AND EXISTS (SELECT 1 FROM calls c
    WHERE c.id = legs.call_id AND c.direction = 'outbound' AND c.country <> 'KE' AND c.to_e164 = legs.to_e164);
-- When a foreign country was first called. Kenya is home, and is most of the traffic.
CREATE INDEX legs_abroad ON legs (workspace_id, country, created_at_ms) WHERE direction = 'outbound' AND country <> 'KE';
-- Who was called lately in one range: all but the last three digits.
CREATE INDEX legs_by_range ON legs (workspace_id, substr(to_e164, 1, length(to_e164) - 3), created_at_ms, to_e164) WHERE direction = 'outbound';
-- Short talks that cost something, as few as they should be.
CREATE INDEX cdrs_short ON cdrs (workspace_id, created_at_ms)
  WHERE direction = 'outbound' AND rate_micro_kes_per_minute > 0 AND talk_us > 0 AND talk_us < 6000000;
-- What calls have cost since a moment, summed from the index alone.
CREATE INDEX cdrs_paid ON cdrs (workspace_id, created_at_ms, cost_minor) WHERE cost_minor > 0;
