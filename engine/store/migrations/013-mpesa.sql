-- M-Pesa: what was asked for, what Safaricom told us, what money came. Amounts are KES cents, times ms since the epoch.
CREATE TABLE topups (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
  phone_e164 TEXT NOT NULL,
  -- What the push names as account: the workspace's own and two characters, so that a record without our request's id is known.
  account_reference TEXT NOT NULL,
  -- In the push's callback address: which request is meant, also where the answer to the push was lost.
  callback_key TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('requested', 'pending', 'succeeded', 'failed', 'cancelled', 'unknown')),
  -- The phone again while a prompt may be open on it, and until when that is thought at most.
  open_phone TEXT UNIQUE,
  open_until_ms BIGINT,
  -- Marked in a commit of its own before the push goes out: it goes out once or never.
  sent_at_ms BIGINT,
  merchant_request_id TEXT,
  checkout_request_id TEXT,
  -- The query said that it was paid; it names no receipt, so the money waits for a record that does.
  paid_at_ms BIGINT,
  result_code TEXT,
  failure_reason TEXT,
  -- Shown as expired from here on; a late payment is credited all the same.
  expired_at_ms BIGINT,
  receipt TEXT,
  queries BIGINT NOT NULL DEFAULT 0,
  next_query_at_ms BIGINT,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL
);
CREATE INDEX topups_by_workspace ON topups (workspace_id, id);
CREATE INDEX topups_by_reference ON topups (account_reference, id);
CREATE INDEX topups_unsent ON topups (id) WHERE state = 'requested';
CREATE INDEX topups_open ON topups (id) WHERE state IN ('pending', 'unknown');
CREATE INDEX topups_to_query ON topups (next_query_at_ms, id) WHERE next_query_at_ms IS NOT NULL;

-- Money that came, one row a receipt, whoever told of it first and however often.
CREATE TABLE mpesa_payments (
  id TEXT PRIMARY KEY,
  receipt TEXT NOT NULL UNIQUE,
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
  -- Who told us first.
  source TEXT NOT NULL CHECK (source IN ('stk', 'c2b', 'pull', 'status')),
  topup_id TEXT REFERENCES topups (id),
  bill_reference TEXT,
  -- As Safaricom gives it, mostly masked.
  phone TEXT,
  paid_at_ms BIGINT,
  -- In whose wallet it is; null: in suspense.
  workspace_id TEXT REFERENCES workspaces (id),
  -- Why it is, or was, in suspense; null: it never was.
  suspense_reason TEXT,
  -- Whose it will be once it is verified.
  meant_for_id TEXT REFERENCES workspaces (id),
  assigned_at_ms BIGINT,
  -- What a later record of the same receipt said otherwise.
  contradiction TEXT,
  created_at_ms BIGINT NOT NULL,
  CHECK (workspace_id IS NOT NULL OR suspense_reason IS NOT NULL),
  CHECK ((assigned_at_ms IS NOT NULL) = (workspace_id IS NOT NULL AND suspense_reason IS NOT NULL))
);
CREATE INDEX mpesa_payments_in_suspense ON mpesa_payments (id) WHERE workspace_id IS NULL;
CREATE INDEX mpesa_payments_by_topup ON mpesa_payments (topup_id) WHERE topup_id IS NOT NULL;

-- Payments that we asked Safaricom about one by one. The key is in the address that the answer comes to: nobody else's counts.
CREATE TABLE mpesa_status_requests (
  answer_key TEXT PRIMARY KEY,
  receipt TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL
);
CREATE INDEX mpesa_status_requests_by_receipt ON mpesa_status_requests (receipt, created_at_ms);

-- What came to our callback addresses, as it came: stored before it is answered, worked off afterwards.
CREATE TABLE mpesa_notices (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('stk', 'confirmation', 'status')),
  callback_key TEXT,
  body TEXT NOT NULL,
  address TEXT,
  received_at_ms BIGINT NOT NULL,
  -- Null once it is worked off.
  due_at_ms BIGINT,
  attempts BIGINT NOT NULL DEFAULT 0,
  outcome TEXT
);
CREATE INDEX mpesa_notices_due ON mpesa_notices (due_at_ms, id) WHERE due_at_ms IS NOT NULL;
CREATE INDEX mpesa_notices_by_age ON mpesa_notices (received_at_ms);
