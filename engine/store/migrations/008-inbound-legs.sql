-- The switch's own name of a leg's channel, where the call came to us: a leg that we dial is called by its id. Null: dialled.
ALTER TABLE legs ADD COLUMN channel_uuid TEXT;
CREATE UNIQUE INDEX legs_by_channel ON legs (channel_uuid) WHERE channel_uuid IS NOT NULL;
