-- What the trunk edge lets in: a call from a trunk is taken in by the ticket it came with, once.
CREATE TABLE edge_tickets (
  ticket TEXT PRIMARY KEY,
  trunk TEXT NOT NULL,
  -- User part of the request URI, as it was sent on to the media server: a number of ours, or nobody's; never the caller's.
  dialled TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT NOT NULL,
  used_at_ms BIGINT,
  -- Of a call that came with it and was refused: whoever comes with it again, sent on to another box, is told the same.
  refused_cause TEXT
);
CREATE INDEX edge_tickets_by_age ON edge_tickets (expires_at_ms);
