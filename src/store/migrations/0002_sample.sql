-- Of a user who was deleted for good, and what was done last.
INSERT INTO objects (key, kind, id, presence, seen, manager, label, attributes)
    VALUES (4, 1, 'u4', 0, 1, NULL, 'bob', NULL);
INSERT INTO actions (cycle, job, source, step, rank, operation, class, weight, state, at, attempts, duration_ms, target, body)
    VALUES (1, 1, 4, 0, 0, 4, 2, 1, 15, NULL, NULL, NULL, 't4', x'0000');
INSERT INTO unreported_members VALUES (3);
