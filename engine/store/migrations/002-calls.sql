-- A call and its legs. Times ending _us are the switch's own stamps, µs since the epoch; _ms are ours.
CREATE TABLE calls (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  number_id TEXT REFERENCES numbers (id),
  direction TEXT NOT NULL CHECK (direction IN ('outbound', 'inbound')),
  from_e164 TEXT NOT NULL,
  to_e164 TEXT NOT NULL,
  -- Country of the remote party, ISO 3166 alpha-2.
  country TEXT,
  status TEXT NOT NULL,
  voice_callback_url TEXT,
  events_url TEXT,
  client_request_id TEXT,
  -- JSON object, flat.
  metadata TEXT,
  -- What was asked at the start that legs need later, JSON: ring_timeout_seconds, max_duration_seconds, record, caller_id.
  options TEXT NOT NULL,
  -- The running voice document, JSON: actions, position, the running step's state. Null: none.
  document TEXT,
  -- When the running step wants to be woken, ms; null: it waits for events only.
  wake_at_ms BIGINT,
  -- Someone asked for the end: nothing new is started.
  hangup_requested_at_ms BIGINT,
  -- Of its events: all, and those that are told.
  last_position BIGINT NOT NULL DEFAULT 0,
  last_sequence BIGINT NOT NULL DEFAULT 0,
  hangup_cause TEXT,
  failure_code TEXT,
  created_at_ms BIGINT NOT NULL,
  started_at_us BIGINT,
  answered_at_us BIGINT,
  ended_at_us BIGINT,
  updated_at_ms BIGINT NOT NULL
);
CREATE INDEX calls_by_workspace ON calls (workspace_id, id);
CREATE INDEX calls_by_age ON calls (workspace_id, created_at_ms);
CREATE INDEX calls_by_client_request ON calls (workspace_id, client_request_id) WHERE client_request_id IS NOT NULL;
-- Live rows only: concurrency is counted here, never in a counter.
CREATE INDEX calls_live ON calls (workspace_id, status) WHERE ended_at_us IS NULL;
CREATE INDEX calls_to_wake ON calls (wake_at_ms) WHERE wake_at_ms IS NOT NULL;

CREATE TABLE legs (
  id TEXT PRIMARY KEY,
  call_id TEXT NOT NULL REFERENCES calls (id),
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  -- 0: the first leg, the call's own; 1 and on: dialled by it.
  position BIGINT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('pstn', 'sip', 'browser')),
  direction TEXT NOT NULL CHECK (direction IN ('outbound', 'inbound')),
  from_e164 TEXT NOT NULL,
  to_e164 TEXT NOT NULL,
  status TEXT NOT NULL,
  -- The box that is to dial it, and when it was told to (null: it has not been).
  box TEXT NOT NULL,
  dialled_at_ms BIGINT,
  -- Fixed when the leg is dialled.
  rate_micro_kes_per_minute BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  started_at_us BIGINT,
  ringing_at_us BIGINT,
  answered_at_us BIGINT,
  ended_at_us BIGINT,
  bridged_to TEXT,
  -- From the answer; asked for when it was dialled.
  max_duration_seconds BIGINT NOT NULL,
  -- What the switch was armed with at dialling, from the answer: that, or less where the money ends sooner.
  cut_after_seconds BIGINT NOT NULL,
  -- When it is armed to end the leg since (null: still so), and how often that was changed: the group is cut-<id>-<n>.
  cut_at_us BIGINT,
  cut_generation BIGINT NOT NULL DEFAULT 0,
  -- When the switch's own list last showed it, or it was last heard of.
  seen_at_us BIGINT,
  hangup_cause TEXT,
  q850 BIGINT,
  sip_status BIGINT,
  -- JSON {mos, jitter_ms, packet_loss_percent}.
  quality TEXT,
  -- How the end is known: event, end_record, last_proven, controller.
  ended_by TEXT,
  billed_seconds BIGINT,
  cost_minor BIGINT,
  UNIQUE (call_id, position)
);
CREATE INDEX legs_live ON legs (box, id) WHERE ended_at_us IS NULL;
CREATE INDEX legs_live_by_workspace ON legs (workspace_id, id) WHERE ended_at_us IS NULL;

-- Everything that happened on a call, oldest first; kinds call.* are also told by webhook.
CREATE TABLE call_events (
  id TEXT PRIMARY KEY,
  call_id TEXT NOT NULL REFERENCES calls (id),
  workspace_id TEXT NOT NULL,
  position BIGINT NOT NULL,
  -- data.sequence of the kinds that are told, 1 and on without gaps; null for the others.
  sequence BIGINT,
  kind TEXT NOT NULL,
  -- JSON object.
  payload TEXT NOT NULL,
  occurred_at_ms BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  UNIQUE (call_id, position)
);

-- What the controller has yet to do at the switch, in order within a call.
CREATE TABLE intents (
  id TEXT PRIMARY KEY,
  call_id TEXT NOT NULL REFERENCES calls (id),
  -- Order within the call: ids of several processes, or of a clock that was set back, do not sort by age.
  position BIGINT NOT NULL,
  -- JSON array of commands, run in order.
  commands TEXT NOT NULL,
  -- 1: never sent twice. Such a row is marked sent, in a commit of its own, before it is.
  at_most_once BIGINT NOT NULL,
  sent_at_ms BIGINT,
  created_at_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX intents_by_call ON intents (call_id, position);

-- What we know of each box: to which second its legs were proven alive.
CREATE TABLE boxes (
  name TEXT PRIMARY KEY,
  core_uuid TEXT,
  version TEXT,
  alive_at_us BIGINT
);

-- The record of one finished leg: facts, written once.
CREATE TABLE cdrs (
  leg_id TEXT PRIMARY KEY REFERENCES legs (id),
  call_id TEXT NOT NULL,
  workspace_id TEXT NOT NULL,
  from_e164 TEXT NOT NULL,
  to_e164 TEXT NOT NULL,
  direction TEXT NOT NULL,
  started_at_us BIGINT NOT NULL,
  ringing_at_us BIGINT,
  answered_at_us BIGINT,
  ended_at_us BIGINT NOT NULL,
  ring_us BIGINT NOT NULL,
  talk_us BIGINT NOT NULL,
  billed_seconds BIGINT NOT NULL,
  rate_micro_kes_per_minute BIGINT NOT NULL,
  cost_minor BIGINT NOT NULL,
  hangup_cause TEXT NOT NULL,
  sip_status BIGINT,
  ended_by TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL
);
CREATE INDEX cdrs_by_workspace ON cdrs (workspace_id, created_at_ms);
