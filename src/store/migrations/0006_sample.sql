-- A second tenant, with a job of its own.
INSERT INTO sources (name, tenant, number) VALUES ('north', '0000bbbb-0000-0000-0000-000000000000', 1);
INSERT INTO watermarks (source, kind, round, full_round, under_way, selected, delta_link, present) VALUES
    (1, 1, 4, 0, 0, 'id,manager', 'https://graph.microsoft.com/v1.0/users/delta?$deltatoken=n', 1);
INSERT INTO objects (key, kind, id, presence, seen, manager, label, attributes, source) VALUES
    (5, 1, 'n1', 1, 4, NULL, 'nora', x'00', 1);
UPDATE counter SET key = 5;
INSERT INTO jobs (key, name) VALUES (2, 'north');
INSERT INTO job_sources (job, source, rank) VALUES (2, 1, 0);
