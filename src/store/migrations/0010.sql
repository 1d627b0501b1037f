-- How many requests the last readings of what changed in the whole tenant took, the newest last.
ALTER TABLE strategy ADD COLUMN recent TEXT NOT NULL DEFAULT '';
