-- Over which trunk a leg is dialled now, counted against the trunk's channels while it lives; null: over none, or it came to us.
ALTER TABLE legs ADD COLUMN trunk TEXT;
-- JSON, of a leg that is dialled alone and rings nowhere yet: how, should another trunk have to take it. Null: it cannot.
ALTER TABLE legs ADD COLUMN dialling TEXT;
CREATE INDEX legs_live_by_trunk ON legs (trunk) WHERE ended_at_us IS NULL AND trunk IS NOT NULL;

-- Each time that a leg was dialled over a trunk, from 1. All but the last failed for a technical cause before anything rang.
CREATE TABLE leg_attempts (
  leg_id TEXT NOT NULL REFERENCES legs (id),
  ordinal BIGINT NOT NULL,
  trunk TEXT NOT NULL,
  -- The number as that trunk wants it.
  dialled TEXT NOT NULL,
  -- The controller's clock; the end is the switch's stamp.
  started_at_us BIGINT NOT NULL,
  ended_at_us BIGINT,
  sip_status BIGINT,
  q850 BIGINT,
  hangup_cause TEXT,
  PRIMARY KEY (leg_id, ordinal)
);

-- The gateways that each media server has for the trunks, by the hash of what is written of each.
CREATE TABLE trunk_gateways (
  box TEXT NOT NULL,
  trunk TEXT NOT NULL,
  -- In the file beside the box; null: it is to go.
  written_sha256 TEXT,
  -- As the media server has it; null: not yet, or to be loaded anew.
  loaded_sha256 TEXT,
  -- Whether the carrier answers, as the media server last said; null: nobody knows.
  up BIGINT,
  changed_at_ms BIGINT,
  PRIMARY KEY (box, trunk)
);

-- The files beside each media server, by their hash, and what is wrong with the trunks' file that was to replace them.
CREATE TABLE trunk_files (
  box TEXT PRIMARY KEY,
  written_sha256 TEXT NOT NULL,
  loaded_sha256 TEXT,
  -- JSON: [{field, message}]; null: nothing.
  faults TEXT
);

-- Calls that the operator has the controller place over one trunk, to see whether it works: no workspace's, and no leg.
CREATE TABLE trunk_tests (
  -- What the media server calls the channel.
  channel TEXT PRIMARY KEY,
  trunk TEXT NOT NULL,
  to_e164 TEXT NOT NULL,
  from_e164 TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  -- Placed once, or never.
  sent_at_ms BIGINT,
  -- JSON, what came of it.
  outcome TEXT
);
