-- RTP packets of the whole leg, both ways; null: it has not ended, or never had media.
ALTER TABLE legs ADD COLUMN packets_received BIGINT;
ALTER TABLE legs ADD COLUMN packets_sent BIGINT;
-- not_heard: nothing came from the party; not_sent: nothing was sent to it; null: neither.
ALTER TABLE legs ADD COLUMN one_way TEXT;
CREATE INDEX legs_one_way ON legs (ended_at_us) WHERE one_way IS NOT NULL;
-- SIP's name of the leg's dialog (Call-ID); null: it came to none, or was erased.
ALTER TABLE legs ADD COLUMN sip_call_id TEXT;
CREATE INDEX legs_by_sip_call ON legs (sip_call_id) WHERE sip_call_id IS NOT NULL;

-- SIP of calls' legs, as the media server sent and received it; secrets are masked (engine/sip/trace/).
CREATE TABLE sip_messages (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  call_id TEXT NOT NULL REFERENCES calls (id),
  leg_id TEXT NOT NULL REFERENCES legs (id),
  -- By the media server's clock, µs since the epoch.
  at_us BIGINT NOT NULL,
  -- Of the media server: sent, received.
  direction TEXT NOT NULL,
  transport TEXT NOT NULL,
  -- Of CSeq: INVITE, BYE, … A response has its request's.
  method TEXT NOT NULL,
  -- A request's method and whom it is for; a response's status and reason.
  summary TEXT NOT NULL,
  message TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL
);
CREATE INDEX sip_messages_by_call ON sip_messages (call_id, at_us);
CREATE INDEX sip_messages_by_leg ON sip_messages (leg_id);
CREATE INDEX sip_messages_by_age ON sip_messages (created_at_ms);
