-- Of a migration that takes away what older versions use: the number of the migration that a version must have to run with it.
ALTER TABLE migrations ADD COLUMN oldest TEXT;
