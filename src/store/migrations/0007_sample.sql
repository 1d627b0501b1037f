-- A job of both tenants.
INSERT INTO jobs (key, name) VALUES (3, 'both');
INSERT INTO job_sources (job, source, rank, service_principal, assigned, default_domain, seen_users)
    VALUES (3, 1, 0, 'sp2', x'00', 'north.example', 1), (3, 0, 1, NULL, NULL, NULL, 0);
INSERT INTO roles (job, source, id, value, display_name) VALUES (3, 1, 'r1', 'User', 'User');
