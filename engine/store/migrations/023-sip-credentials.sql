-- SIP credentials: what a customer's phone or PBX registers and calls with, as one number.
CREATE TABLE sip_credentials (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  number_id TEXT NOT NULL REFERENCES numbers (id),
  label TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  rotated_at_ms BIGINT,
  revoked_at_ms BIGINT
);
CREATE INDEX sip_credentials_by_number ON sip_credentials (number_id, id);

-- What media servers let in. A credential has one; a second, with an end, while a rotation overlaps.
CREATE TABLE sip_logins (
  username TEXT PRIMARY KEY,
  credential_id TEXT NOT NULL REFERENCES sip_credentials (id),
  -- HA1 of RFC 2617: MD5 of username:realm:password, hex. The password itself is kept nowhere.
  ha1 TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  -- Let in until then; null: it is the credential's own.
  ends_at_ms BIGINT
);
CREATE UNIQUE INDEX sip_logins_own ON sip_logins (credential_id) WHERE ends_at_ms IS NULL;
CREATE INDEX sip_logins_by_credential ON sip_logins (credential_id);

-- The list of logins that each media server has beside it, by its hash: as it was written, and as it was read.
CREATE TABLE sip_directories (
  box TEXT PRIMARY KEY,
  written_sha256 TEXT NOT NULL,
  loaded_sha256 TEXT
);

-- Each device that is registered with a login, as its media server last said.
CREATE TABLE sip_registrations (
  box TEXT NOT NULL,
  username TEXT NOT NULL REFERENCES sip_logins (username),
  -- Of its REGISTERs: a binding has one.
  sip_call_id TEXT NOT NULL,
  -- As the device wrote it.
  contact_uri TEXT NOT NULL,
  -- As the media server dials it; null: it cannot be called.
  contact TEXT,
  transport TEXT NOT NULL,
  -- Where it came from.
  address TEXT NOT NULL,
  port BIGINT NOT NULL,
  user_agent TEXT NOT NULL,
  expires_at_ms BIGINT NOT NULL,
  PRIMARY KEY (box, username, sip_call_id)
);
CREATE INDEX sip_registrations_by_username ON sip_registrations (username, expires_at_ms);

-- 1: calls to the number ring its registered devices where no voice URL says what they do.
ALTER TABLE numbers ADD COLUMN ring_sip BIGINT NOT NULL DEFAULT 0;
