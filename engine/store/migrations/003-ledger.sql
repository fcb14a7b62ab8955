-- Double entry, append-only, KES cents. The sum of all entries is zero, always.
CREATE TABLE ledger_accounts (
  id TEXT PRIMARY KEY,
  -- wallet (one per workspace), revenue_calls, revenue_rental, revenue_storage, vat, mpesa_clearing, suspense, promotions, adjustments.
  kind TEXT NOT NULL,
  workspace_id TEXT REFERENCES workspaces (id),
  -- Sum of the account's entries, kept with each posting. A wallet with money in it is positive.
  balance_minor BIGINT NOT NULL DEFAULT 0,
  -- How many entries the account has; the next one's sequence is one more.
  last_sequence BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX ledger_accounts_house ON ledger_accounts (kind) WHERE workspace_id IS NULL;
CREATE UNIQUE INDEX ledger_accounts_wallet ON ledger_accounts (workspace_id, kind) WHERE workspace_id IS NOT NULL;

CREATE TABLE ledger_transactions (
  id TEXT PRIMARY KEY,
  -- What makes a second posting impossible: `leg_… settled`, `credit …`.
  reference TEXT NOT NULL,
  kind TEXT NOT NULL,
  description TEXT NOT NULL,
  workspace_id TEXT REFERENCES workspaces (id),
  -- A correction names what it corrects; nothing else does.
  corrects_id TEXT REFERENCES ledger_transactions (id),
  created_at_ms BIGINT NOT NULL,
  CHECK ((kind = 'correction') = (corrects_id IS NOT NULL))
);
CREATE UNIQUE INDEX ledger_transactions_reference ON ledger_transactions (reference);

CREATE TABLE ledger_entries (
  transaction_id TEXT NOT NULL REFERENCES ledger_transactions (id),
  account_id TEXT NOT NULL REFERENCES ledger_accounts (id),
  -- 1, 2, … within the account, without a gap: the order in which balance_after_minor was reached.
  sequence BIGINT NOT NULL,
  amount_minor BIGINT NOT NULL,
  balance_after_minor BIGINT NOT NULL,
  PRIMARY KEY (transaction_id, account_id)
);
CREATE UNIQUE INDEX ledger_entries_by_account ON ledger_entries (account_id, sequence);

-- The deck: longest prefix wins, then a workspace's own rate, then the latest date of effect that has come.
CREATE TABLE rates (
  id TEXT PRIMARY KEY,
  -- Null: everybody's.
  workspace_id TEXT REFERENCES workspaces (id),
  leg_kind TEXT NOT NULL,
  direction TEXT NOT NULL,
  -- Digits after the +; empty matches all.
  prefix TEXT NOT NULL,
  country TEXT,
  description TEXT NOT NULL,
  micro_kes_per_minute BIGINT NOT NULL CHECK (micro_kes_per_minute >= 0),
  effective_at_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX rates_everybodys ON rates (leg_kind, direction, prefix, effective_at_ms) WHERE workspace_id IS NULL;
CREATE UNIQUE INDEX rates_of_workspace ON rates (workspace_id, leg_kind, direction, prefix, effective_at_ms) WHERE workspace_id IS NOT NULL;

-- Prices that are not per minute, and taxes, with their dates of effect.
CREATE TABLE prices (
  name TEXT NOT NULL,
  -- KES cents; for vat_basis_points, hundredths of a percent; for recording_free_gb, GB.
  amount BIGINT NOT NULL,
  effective_at_ms BIGINT NOT NULL,
  PRIMARY KEY (name, effective_at_ms)
);
