-- The balance with which a wallet opened each day that moved it: a month's statement begins there, however much was
-- posted since. Days are counted since 1970-01-01 in East Africa Time, by when something was posted.
CREATE TABLE wallet_days (
  account_id TEXT NOT NULL REFERENCES ledger_accounts (id),
  day BIGINT NOT NULL,
  opening_minor BIGINT NOT NULL,
  -- The day's first entry. Its last one is before the first of the next day, but for those that came late.
  first_sequence BIGINT NOT NULL,
  -- The last one known; null: none was later than the next day's first.
  late_sequence BIGINT,
  PRIMARY KEY (account_id, day)
);
-- The youngest of them; null: nothing moved it yet, or it is no wallet.
ALTER TABLE ledger_accounts ADD COLUMN last_day BIGINT;
INSERT INTO wallet_days (account_id, day, opening_minor, first_sequence, late_sequence)
  SELECT account_id, day, CAST(SUM(moved_minor) OVER (PARTITION BY account_id ORDER BY day) - moved_minor AS BIGINT),
    first_sequence, last_sequence
  FROM (SELECT e.account_id, (t.created_at_ms + 10800000) / 86400000 AS day, MIN(e.sequence) AS first_sequence,
      MAX(e.sequence) AS last_sequence, CAST(SUM(e.amount_minor) AS BIGINT) AS moved_minor
    FROM ledger_accounts a
    JOIN ledger_entries e ON e.account_id = a.id
    JOIN ledger_transactions t ON t.id = e.transaction_id
    WHERE a.kind = 'wallet'
    GROUP BY e.account_id, (t.created_at_ms + 10800000) / 86400000) AS days;
UPDATE ledger_accounts SET last_day = (SELECT MAX(d.day) FROM wallet_days d WHERE d.account_id = ledger_accounts.id)
  WHERE kind = 'wallet';

-- Of a rate, the kind of leg; null: it is a price.
ALTER TABLE pricing_changes ADD COLUMN leg_kind TEXT;
UPDATE pricing_changes SET leg_kind = 'pstn' WHERE rate_id IS NOT NULL;
-- The notice that tells those who were told of it that it does not come; null: it comes, or nobody had been told.
ALTER TABLE pricing_changes ADD COLUMN withdrawn_by_id TEXT REFERENCES pricing_notices (id);
CREATE INDEX pricing_changes_by_withdrawal ON pricing_changes (withdrawn_by_id, id) WHERE withdrawn_by_id IS NOT NULL;
-- Of a withdrawal, the notice whose changes it takes back: it goes to whoever has a mail of that one, and mailed_up_to is
-- the key of the last such mail.
ALTER TABLE pricing_notices ADD COLUMN withdraws_id TEXT REFERENCES pricing_notices (id);
