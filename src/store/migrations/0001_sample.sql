-- A small state of format 1: one user, her manager and their group, in the middle of everything.
UPDATE counter SET mark = 7;
INSERT INTO watermarks VALUES
    ('user', 3, 0, 0, 'id,manager', 'https://graph.microsoft.com/v1.0/users/delta?$deltatoken=a', NULL, '2025-03-01T06:00:00.000Z'),
    ('group', 3, 1, 1, 'id,members', NULL, 'https://graph.microsoft.com/v1.0/groups/delta?$skiptoken=b', NULL);
INSERT INTO objects VALUES
    ('user', 'u1', 'present', 1, 'u2', 'ada@example.com', '{"manager":{"reference":"u2"},"userPrincipalName":"ada@example.com"}'),
    ('user', 'u2', 'soft-deleted', 1, NULL, 'u2', '{}'),
    ('group', 'g1', 'present', 3, NULL, 'Sales', '{"displayName":"Sales"}');
INSERT INTO members VALUES ('g1', 'u1', 'user', 3);
INSERT INTO jobs VALUES ('wizer', 'f0', 7, 'sp1', 'https://wizer.example/scim', 'example.com');
INSERT INTO roles VALUES ('wizer', 'r1', 'User', 'User');
INSERT INTO assignments VALUES ('wizer', 'group', 'g1', 'r1');
INSERT INTO pending VALUES ('wizer', 'user', 'u1', 7);
INSERT INTO links VALUES ('wizer', 'user', 'u1', 't1', 1, '{"userName":"ada@example.com"}');
INSERT INTO sent_references VALUES
    ('wizer', 'user', 'u1', 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager', 'u2');
INSERT INTO sent_members VALUES ('wizer', 'g1', 'u1', 't1');
INSERT INTO link_events VALUES ('wizer', 'user', 'u1');
INSERT INTO intents VALUES ('wizer', 'group', 'g1', 1, 0, '[["displayName","Sales"]]');
INSERT INTO writes VALUES ('wizer', 'user', 'u1', 1, 1, 0);
INSERT INTO escrow VALUES ('wizer', 'user', 'u2', 'u2', 1, '2025-03-01T06:00:01.000Z', '2025-03-01T06:00:01.000Z', 1, 'update', 'refused', 400, 'the target says no');
INSERT INTO holds VALUES ('wizer', '2025-03-01T06:00:01.000Z', 'too-many-deletions', 3, 2);
INSERT INTO held_removals VALUES ('wizer', 0, 'user', 'u1', 'ada@example.com', 'disable');
INSERT INTO approvals VALUES ('wizer', 'user', 'u2', '2025-03-01T06:00:02.000Z');
INSERT INTO cycles (job, kind, state, started) VALUES ('wizer', 'initial', 'running', '2025-03-01T06:00:00.000Z');
INSERT INTO cycle_counts VALUES (1, 'done', 'create', 1);
INSERT INTO log (cycle, job, at, kind, source_id, label, target_id, action, status, changes, requests, duration_ms)
    VALUES (1, 'wizer', '2025-03-01T06:00:01.000Z', 'user', 'u1', 'ada@example.com', 't1', 'create', 'succeeded', '[["userName",null,"ada@example.com"]]', 1, 12);
INSERT INTO requests (cycle, job, at, method, path, status, duration_ms)
    VALUES (1, 'wizer', '2025-03-01T06:00:01.000Z', 'GET', '/Users', 200, 12);
