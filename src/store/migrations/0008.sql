-- That a source refused to be read for a job, when it was last read for it; NULL: it did not.
ALTER TABLE job_sources ADD COLUMN refuses TEXT;          -- 'sign-in' or 'permission'
ALTER TABLE job_sources ADD COLUMN refused_because TEXT;  -- in the words of the source
ALTER TABLE job_sources ADD COLUMN refused_remedy TEXT;
ALTER TABLE job_sources ADD COLUMN refused_since TEXT;
