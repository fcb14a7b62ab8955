-- Logins of devices that failed lately, by the address that they came from and by the credential whose name they had: a row a
-- minute. What is older than the time that is counted is swept.
CREATE TABLE sip_login_failures (
  -- address, credential
  kind TEXT NOT NULL,
  -- An IPv4 address, or a credential's id.
  subject TEXT NOT NULL,
  -- Whole minutes since the epoch.
  minute BIGINT NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (kind, subject, minute)
);
CREATE INDEX sip_login_failures_by_minute ON sip_login_failures (minute);

-- Who is let in no more for a time, or was not: the last ban of each, kept until it makes the next one no longer.
CREATE TABLE sip_bans (
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- The credential's; null: of an address.
  workspace_id TEXT REFERENCES workspaces (id),
  -- failed_logins, operator
  reason TEXT NOT NULL,
  -- The operator's words.
  note TEXT,
  -- How many led to it; 0: the operator did.
  failures BIGINT NOT NULL,
  -- Which one in a row it is, from 1: the time grows with it.
  round BIGINT NOT NULL,
  since_ms BIGINT NOT NULL,
  until_ms BIGINT NOT NULL,
  -- By the operator's command, before its time.
  lifted_at_ms BIGINT,
  -- JSON array of the addresses that a credential is let in from all the same: its own devices were registered there.
  spared TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (kind, subject)
);
CREATE INDEX sip_bans_by_end ON sip_bans (until_ms);

-- How many calls a credential's devices may have placed at once, and may place within a second.
ALTER TABLE sip_credentials ADD COLUMN max_concurrent_calls BIGINT NOT NULL DEFAULT 10;
ALTER TABLE sip_credentials ADD COLUMN max_calls_per_second BIGINT NOT NULL DEFAULT 5;
-- Whose device placed the call; null: it was placed otherwise, or came to us.
ALTER TABLE calls ADD COLUMN sip_credential_id TEXT REFERENCES sip_credentials (id);
CREATE INDEX calls_by_credential ON calls (sip_credential_id, created_at_ms) WHERE sip_credential_id IS NOT NULL;
CREATE INDEX calls_live_by_credential ON calls (sip_credential_id) WHERE sip_credential_id IS NOT NULL AND ended_at_us IS NULL;
