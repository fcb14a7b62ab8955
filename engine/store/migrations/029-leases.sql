-- Who does what of which there may be one at a time: a controller leads a box, or sees to what is nobody's box ('duties').
CREATE TABLE leases (
  -- A box's name, or 'duties'.
  name TEXT PRIMARY KEY,
  -- The controller that has it; null: nobody.
  holder TEXT,
  -- One more with each holder: what an older one would write is refused.
  fence BIGINT NOT NULL,
  -- One more each second while its holder lives: who sees it stand still for long enough, by a clock of their own, takes it.
  renewals BIGINT NOT NULL
);
-- That makes `fence` a key: a transaction that keeps (name, fence) for itself waits for no renewal, and a new holder waits for it.
CREATE UNIQUE INDEX leases_by_fence ON leases (name, fence);

CREATE TABLE controllers (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  pid BIGINT NOT NULL,
  -- One more each second.
  beats BIGINT NOT NULL,
  -- The boxes that it may lead, JSON array of names.
  boxes TEXT NOT NULL,
  -- 1: it takes no box any more.
  draining BIGINT NOT NULL,
  started_at_ms BIGINT NOT NULL
);

-- 1: the operator wants no new calls on it.
ALTER TABLE boxes ADD COLUMN draining BIGINT NOT NULL DEFAULT 0;
