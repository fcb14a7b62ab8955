-- Whom a workspace's documents may dial at others' SIP servers (`dial.sip` with a URI).
CREATE TABLE sip_destinations (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  -- A host name in small letters, or an IPv4 address.
  host TEXT NOT NULL,
  -- Null, of each of the three: any.
  port BIGINT,
  -- udp, tcp, tls
  transport TEXT,
  sip_user TEXT,
  label TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL
);
CREATE INDEX sip_destinations_by_workspace ON sip_destinations (workspace_id, host);

-- SIP's name of the attempt's dialog (Call-ID); null: it came to none, or was erased.
ALTER TABLE leg_attempts ADD COLUMN sip_call_id TEXT;
-- contract: neither makes anything unique, so an older version writes as before.
CREATE INDEX leg_attempts_by_sip_call ON leg_attempts (sip_call_id) WHERE sip_call_id IS NOT NULL;

-- The oldest go, whatever their kind.
-- contract: as above.
CREATE INDEX refusals_by_age ON refusals (minute);
