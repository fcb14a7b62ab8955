-- JSON array of addresses that are told when the balance is low; empty: the owners.
ALTER TABLE workspaces ADD COLUMN alert_emails TEXT NOT NULL DEFAULT '[]';
-- The buyer's KRA PIN, which invoices name; null: none was given.
ALTER TABLE workspaces ADD COLUMN tax_pin TEXT;
-- The last month that was closed, `2026-07`, of East Africa Time: its invoice is given out. Null: none yet.
ALTER TABLE workspaces ADD COLUMN closed_through TEXT;
CREATE INDEX workspaces_by_closed_month ON workspaces (closed_through, id);

-- A month's statement reads its own postings and no others.
CREATE INDEX ledger_transactions_by_workspace ON ledger_transactions (workspace_id, created_at_ms, id);
CREATE INDEX ledger_transactions_corrections ON ledger_transactions (corrects_id) WHERE corrects_id IS NOT NULL;

-- One row per seller: the last number that was given out, to invoices and credit notes alike. It moves in the
-- transaction that stores the document, so that no number is missing and none is twice.
CREATE TABLE invoice_sequences (
  seller_pin TEXT PRIMARY KEY,
  last_number BIGINT NOT NULL
);

-- Invoices and credit notes, as they were given out; never edited.
CREATE TABLE invoices (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
  number BIGINT NOT NULL,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  -- `2026-07`, of East Africa Time: the month whose closing gave it out.
  month TEXT NOT NULL,
  -- The invoice that a credit note corrects.
  corrects_id TEXT REFERENCES invoices (id),
  seller_name TEXT NOT NULL,
  seller_pin TEXT NOT NULL,
  buyer_name TEXT NOT NULL,
  buyer_pin TEXT,
  net_minor BIGINT NOT NULL,
  vat_minor BIGINT NOT NULL,
  -- JSON array of lines.
  lines TEXT NOT NULL,
  issued_at_ms BIGINT NOT NULL,
  UNIQUE (seller_pin, number),
  CHECK ((kind = 'credit_note') = (corrects_id IS NOT NULL))
);
CREATE UNIQUE INDEX invoices_of_month ON invoices (workspace_id, month) WHERE kind = 'invoice';
CREATE UNIQUE INDEX credit_notes_of_month ON invoices (corrects_id, month) WHERE kind = 'credit_note';
CREATE INDEX invoices_by_month ON invoices (month, number);
