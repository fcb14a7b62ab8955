-- Numbers that are claimed, rented by the month, suspended and released; and those that move here from another carrier.

-- The row of a released number stays, since calls and deliveries point at it. The E.164 is another's to hold then.
ALTER TABLE numbers RENAME COLUMN e164 TO held_e164;
-- Null once it is released.
ALTER TABLE numbers ALTER COLUMN held_e164 DROP NOT NULL;
ALTER TABLE numbers ADD COLUMN e164 TEXT NOT NULL DEFAULT '';
UPDATE numbers SET e164 = held_e164;

-- suspended: its month could not be paid.
ALTER TABLE numbers ADD COLUMN state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'released'));
UPDATE numbers SET state = status;
ALTER TABLE numbers DROP COLUMN status;
ALTER TABLE numbers RENAME COLUMN state TO status;
-- When the operator took it out of service, which paying does not end; null: they have not.
ALTER TABLE numbers ADD COLUMN blocked_at_ms BIGINT;
-- How it came: claim, port, operator.
ALTER TABLE numbers ADD COLUMN origin TEXT NOT NULL DEFAULT 'operator';
-- 1: calls to it are recorded from their answer.
ALTER TABLE numbers ADD COLUMN record BIGINT NOT NULL DEFAULT 0;
-- Months that were paid, each on the day of provisioned_at_ms; null: it costs no rent.
ALTER TABLE numbers ADD COLUMN paid_months BIGINT;
ALTER TABLE numbers ADD COLUMN paid_until_ms BIGINT;
-- When its rent is to be looked at next; null: never.
ALTER TABLE numbers ADD COLUMN due_at_ms BIGINT;
-- While suspended: since when, and when it is released for good.
ALTER TABLE numbers ADD COLUMN suspended_at_ms BIGINT;
ALTER TABLE numbers ADD COLUMN release_at_ms BIGINT;
ALTER TABLE numbers ADD COLUMN released_at_ms BIGINT;
-- requested, unpaid, ported_out.
ALTER TABLE numbers ADD COLUMN release_reason TEXT;
CREATE INDEX numbers_due ON numbers (due_at_ms, id) WHERE due_at_ms IS NOT NULL;

-- One row per number and month that was paid.
CREATE TABLE number_rentals (
  number_id TEXT NOT NULL REFERENCES numbers (id),
  -- 1, 2, … without a gap.
  month BIGINT NOT NULL,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  begins_at_ms BIGINT NOT NULL,
  ends_at_ms BIGINT NOT NULL,
  -- KES cents.
  net_minor BIGINT NOT NULL,
  vat_minor BIGINT NOT NULL,
  -- Null: it cost nothing.
  transaction_id TEXT REFERENCES ledger_transactions (id),
  PRIMARY KEY (number_id, month)
);
CREATE UNIQUE INDEX number_rentals_by_transaction ON number_rentals (transaction_id) WHERE transaction_id IS NOT NULL;

-- Every number that may be claimed here. Whether somebody holds it is asked of numbers.held_e164.
CREATE TABLE number_inventory (
  id TEXT PRIMARY KEY,
  e164 TEXT NOT NULL UNIQUE,
  -- ISO 3166 alpha-2, lower case.
  country TEXT NOT NULL,
  -- A released one rests until then.
  available_at_ms BIGINT NOT NULL,
  imported_at_ms BIGINT NOT NULL
);
CREATE INDEX number_inventory_by_country ON number_inventory (country, id);

-- Requests to move a number here from another carrier.
CREATE TABLE ports (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  e164 TEXT NOT NULL,
  country TEXT NOT NULL,
  current_carrier TEXT NOT NULL,
  -- The customer's at that carrier.
  account_reference TEXT NOT NULL,
  -- Of the number, once it is here; null: none.
  voice_callback_url TEXT,
  -- The customer's own link; nobody here fetches it.
  document_url TEXT,
  -- What was uploaded, in the object storage under a key made of the ids; null: nothing yet.
  document_type TEXT,
  document_bytes BIGINT,
  document_sha256 TEXT,
  document_at_ms BIGINT,
  status TEXT NOT NULL CHECK (status IN ('submitted', 'in_review', 'scheduled', 'completed', 'rejected', 'canceled')),
  -- Days in Nairobi, as 2026-06-27: between them it is expected to move.
  expected_from TEXT NOT NULL,
  expected_by TEXT NOT NULL,
  scheduled_for_ms BIGINT,
  -- Why it was rejected.
  reason TEXT,
  -- What became of it.
  number_id TEXT REFERENCES numbers (id),
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL
);
CREATE INDEX ports_by_workspace ON ports (workspace_id, id);
CREATE INDEX ports_by_status ON ports (status, id);
CREATE UNIQUE INDEX ports_open ON ports (workspace_id, e164) WHERE status IN ('submitted', 'in_review', 'scheduled');
