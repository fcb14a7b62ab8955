-- When the operator last had something checked as a whole (ledger, recordings), and what was found wrong.
CREATE TABLE checks (
  name TEXT PRIMARY KEY,
  checked_at_ms BIGINT NOT NULL,
  findings BIGINT NOT NULL
);
