-- What all processes of one installation share in talking with Safaricom, whatever machine each is on. Sealed with SECRETS_KEY.
CREATE TABLE mpesa_callback_tokens (
  -- One and no other: Safaricom is told of it once.
  id BIGINT PRIMARY KEY CHECK (id = 1),
  sealed TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL
);

-- Daraja ends the token before with each that it gives out, so there is one, and one process at a time asks for the next.
CREATE TABLE daraja_tokens (
  -- Keyed hash of Daraja's address and the app's key and secret.
  app TEXT PRIMARY KEY,
  -- Null: none was given out yet.
  sealed TEXT,
  fresh_until_ms BIGINT NOT NULL DEFAULT 0,
  -- Who asks just now, since when; null: nobody. One that died is waited for no longer than an answer takes.
  holder TEXT,
  asked_at_ms BIGINT NOT NULL DEFAULT 0
);

-- By what is due: in topups_open every top-up stayed whose end was never known.
CREATE INDEX topups_overdue ON topups (created_at_ms, id) WHERE state IN ('pending', 'unknown') AND expired_at_ms IS NULL;
CREATE INDEX topups_unanswered ON topups (sent_at_ms, id) WHERE state = 'pending' AND checkout_request_id IS NULL;
DROP INDEX topups_open;

-- What an operator has to look at.
CREATE INDEX mpesa_notices_unreadable ON mpesa_notices (id) WHERE outcome = 'unreadable';
