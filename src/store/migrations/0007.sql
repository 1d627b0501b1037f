-- Several sources of one job: what a job knows of each of its sources stands with it, and no longer in the columns
-- of `jobs` of the same names. Every job has a row for each source.
ALTER TABLE job_sources ADD COLUMN service_principal;
-- The service principal that the links were made with.
ALTER TABLE job_sources ADD COLUMN application;
-- Of the list of assignments that `assignments` was made from; NULL where that was none.
ALTER TABLE job_sources ADD COLUMN assigned BLOB;
-- Of the tenant, as the last cycle that needed it read it.
ALTER TABLE job_sources ADD COLUMN default_domain TEXT;
-- What the source held at the job's last complete reading.
ALTER TABLE job_sources ADD COLUMN seen_users INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job_sources ADD COLUMN seen_groups INTEGER NOT NULL DEFAULT 0;
INSERT INTO job_sources (job, source, rank)
    SELECT key, 0, 0 FROM jobs WHERE key NOT IN (SELECT job FROM job_sources);
UPDATE job_sources SET (service_principal, application, assigned, default_domain, seen_users, seen_groups) =
    (SELECT service_principal, application, assigned, default_domain, seen_users, seen_groups
     FROM jobs WHERE key = job);
ALTER TABLE roles RENAME TO roles_before;
CREATE TABLE roles (
    job          INTEGER NOT NULL,
    source       INTEGER NOT NULL DEFAULT 0,
    id           TEXT NOT NULL,
    value        TEXT,
    display_name TEXT NOT NULL,
    PRIMARY KEY (job, source, id)
) WITHOUT ROWID;
INSERT INTO roles (job, source, id, value, display_name)
    SELECT r.job, s.source, r.id, r.value, r.display_name FROM roles_before r JOIN job_sources s ON s.job = r.job;
DROP TABLE roles_before;
