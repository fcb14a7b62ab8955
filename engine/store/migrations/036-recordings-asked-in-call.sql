-- 1: somebody asked for it in the middle of the call; 0: it was to be of the whole leg; null: of a version that did not say.
ALTER TABLE recordings ADD COLUMN asked_in_call INTEGER;
