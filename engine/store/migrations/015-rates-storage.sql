-- 1: from this date on the prefix is not sold (any more); a shorter one may be.
ALTER TABLE rates ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;

-- What customers are told of everybody's prices at once: one import, one price that was set.
CREATE TABLE pricing_notices (
  id TEXT PRIMARY KEY,
  created_at_ms BIGINT NOT NULL,
  -- Owners of workspaces up to this one have their mail.
  mailed_up_to TEXT NOT NULL DEFAULT '',
  -- Null: there are more.
  mailed_at_ms BIGINT
);
CREATE INDEX pricing_notices_unmailed ON pricing_notices (id) WHERE mailed_at_ms IS NULL;

-- Each change of a price that is everybody's, as it was announced.
CREATE TABLE pricing_changes (
  id TEXT PRIMARY KEY,
  notice_id TEXT NOT NULL REFERENCES pricing_notices (id),
  -- A rate of the deck, by its id, or a price, by its name.
  rate_id TEXT,
  price_name TEXT,
  direction TEXT,
  prefix TEXT,
  country TEXT,
  description TEXT NOT NULL,
  -- Micro-KES a minute, or the price's own unit. after_amount null: not sold any more.
  before_amount BIGINT NOT NULL,
  after_amount BIGINT,
  announced_at_ms BIGINT NOT NULL,
  effective_at_ms BIGINT NOT NULL,
  -- Taken back before it came into effect.
  withdrawn_at_ms BIGINT
);
CREATE INDEX pricing_changes_to_come ON pricing_changes (effective_at_ms, id) WHERE withdrawn_at_ms IS NULL;
CREATE INDEX pricing_changes_by_notice ON pricing_changes (notice_id, id);
CREATE INDEX pricing_changes_by_rate ON pricing_changes (rate_id) WHERE rate_id IS NOT NULL;

-- How far the storage of a workspace is metered and settled. Days are counted since 1970-01-01 in East Africa Time.
CREATE TABLE storage_meters (
  workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id),
  next_day BIGINT NOT NULL,
  -- All days before this one are settled, by whole months.
  settled_to_day BIGINT NOT NULL,
  -- 1: something was stored or deleted since the threshold was looked at.
  stirred BIGINT NOT NULL DEFAULT 1,
  -- 1: above what is free, and told so.
  above BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX storage_meters_stirred ON storage_meters (workspace_id) WHERE stirred = 1;
CREATE INDEX storage_meters_by_day ON storage_meters (next_day);
CREATE INDEX storage_meters_by_month ON storage_meters (settled_to_day);
INSERT INTO storage_meters (workspace_id, next_day, settled_to_day)
  SELECT workspace_id, MIN((stored_at_ms + 10800000) / 86400000), MIN((stored_at_ms + 10800000) / 86400000)
  FROM recordings WHERE stored_at_ms IS NOT NULL GROUP BY workspace_id;

-- One row per workspace and day: the bytes of its recordings times the seconds that each was stored on that day.
CREATE TABLE storage_days (
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  day BIGINT NOT NULL,
  -- In two parts, since 100 GB for a month are more than a double counts: whole 10^9 byte-seconds, and what is left.
  gb_seconds BIGINT NOT NULL,
  byte_seconds BIGINT NOT NULL CHECK (byte_seconds >= 0 AND byte_seconds < 1000000000),
  PRIMARY KEY (workspace_id, day)
);

-- One row per workspace and month: what it was settled at, whether it cost something or not.
CREATE TABLE storage_months (
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  first_day BIGINT NOT NULL,
  last_day BIGINT NOT NULL,
  gb_seconds BIGINT NOT NULL,
  byte_seconds BIGINT NOT NULL,
  -- The prices of the month's first day, the tax of its last.
  free_gb BIGINT NOT NULL,
  gb_month_minor BIGINT NOT NULL,
  vat_basis_points BIGINT NOT NULL,
  amount_minor BIGINT NOT NULL,
  -- Null: it cost nothing.
  transaction_id TEXT UNIQUE REFERENCES ledger_transactions (id),
  settled_at_ms BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, first_day)
);

CREATE INDEX recordings_stored ON recordings (workspace_id, deleted_at_ms) WHERE stored_at_ms IS NOT NULL;
