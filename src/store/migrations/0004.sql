-- By which the database can tell that its change at `position` is the one that this copy has: after a restore it
-- may be another one.
ALTER TABLE copied ADD COLUMN token TEXT;
