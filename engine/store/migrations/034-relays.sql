-- A device that is registered with another box than its call is on: the call's box dials that one, which rings it.
CREATE TABLE relays (
  -- What the one box shows the other, in a header: of chance, good once.
  ticket TEXT PRIMARY KEY,
  leg_id TEXT NOT NULL,
  -- Where the device is.
  box TEXT NOT NULL,
  -- How that box dials it.
  contact TEXT NOT NULL,
  -- Null, or `only`: its sound.
  encrypted TEXT,
  ring_seconds BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT NOT NULL,
  -- The channel that came with it there; null: none has.
  channel_uuid TEXT
);
CREATE INDEX relays_by_leg ON relays (leg_id);
CREATE INDEX relays_by_age ON relays (created_at_ms);
