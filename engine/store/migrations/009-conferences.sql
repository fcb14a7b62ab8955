-- An intent is a call's or, since a room is of several calls, a conference's: so the column refers to neither table.
CREATE TABLE intents_of_all (
  id TEXT PRIMARY KEY,
  call_id TEXT NOT NULL,
  -- Order within the call: ids of several processes, or of a clock that was set back, do not sort by age.
  position BIGINT NOT NULL,
  -- JSON array of commands, run in order.
  commands TEXT NOT NULL,
  -- 1: never sent twice. Such a row is marked sent, in a commit of its own, before it is.
  at_most_once BIGINT NOT NULL,
  sent_at_ms BIGINT,
  created_at_ms BIGINT NOT NULL
);
INSERT INTO intents_of_all (id, call_id, position, commands, at_most_once, sent_at_ms, created_at_ms)
  SELECT id, call_id, position, commands, at_most_once, sent_at_ms, created_at_ms FROM intents;
DROP TABLE intents;
ALTER TABLE intents_of_all RENAME TO intents;
CREATE UNIQUE INDEX intents_by_call ON intents (call_id, position);

-- Rooms of the voice action `conference`. One lives from its first member to its last; then its name is free again.
CREATE TABLE conferences (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  -- The customer's; the switch knows the room by its id.
  name TEXT NOT NULL,
  -- Where it is, and the legs of all its members.
  box TEXT NOT NULL,
  max_participants BIGINT NOT NULL,
  locked BIGINT NOT NULL DEFAULT 0,
  -- A file of ours that those who wait hear; null: the tone.
  music TEXT,
  created_at_ms BIGINT NOT NULL,
  -- Null: all wait.
  started_at_ms BIGINT,
  ended_at_ms BIGINT
);
CREATE UNIQUE INDEX conferences_live_by_name ON conferences (workspace_id, name) WHERE ended_at_ms IS NULL;
CREATE INDEX conferences_live ON conferences (workspace_id, id) WHERE ended_at_ms IS NULL;

CREATE TABLE conference_members (
  -- Of the step of the call's document that brings it there.
  token TEXT PRIMARY KEY,
  conference_id TEXT NOT NULL REFERENCES conferences (id),
  call_id TEXT NOT NULL REFERENCES calls (id),
  leg_id TEXT NOT NULL REFERENCES legs (id),
  status TEXT NOT NULL CHECK (status IN ('entering', 'inside', 'left')),
  start_on_enter BIGINT NOT NULL,
  end_on_exit BIGINT NOT NULL,
  -- As the switch last said.
  muted BIGINT NOT NULL,
  held BIGINT NOT NULL DEFAULT 0,
  -- Why it is about to leave, where that was asked for: kicked, ended, directed.
  leaving TEXT,
  -- Its own, begun with its entry.
  recording_id TEXT,
  -- Who is told of its events, and of which: JSON array of kinds; null: of all.
  status_url TEXT,
  status_events TEXT,
  -- 1: its call shows that the room has started.
  told_started BIGINT NOT NULL DEFAULT 0,
  created_at_ms BIGINT NOT NULL,
  joined_at_us BIGINT,
  left_at_us BIGINT
);
CREATE INDEX conference_members_present ON conference_members (conference_id, created_at_ms) WHERE left_at_us IS NULL;
CREATE INDEX conference_members_by_leg ON conference_members (leg_id) WHERE left_at_us IS NULL;
