-- A small state of format 3: one user, her manager and their group, in the middle of everything.
UPDATE counter SET mark = 7, key = 3, row = 2;
INSERT INTO sources (name, tenant) VALUES ('', '0000aaaa-0000-0000-0000-000000000000');
INSERT INTO names VALUES (1, 'userPrincipalName'), (2, 'r1');
INSERT INTO paths VALUES (1, 'userName'), (2, 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager');
INSERT INTO watermarks
    (kind, round, full_round, under_way, selected, delta_link, page_link, updated, anew, present) VALUES
    (1, 3, 0, 0, 'id,manager', 'https://graph.microsoft.com/v1.0/users/delta?$deltatoken=a', NULL, '2025-03-01T06:00:00.000Z', 0, 1),
    (2, 3, 1, 1, 'id,members', NULL, 'https://graph.microsoft.com/v1.0/groups/delta?$skiptoken=b', NULL, 1, 1);
INSERT INTO objects (key, kind, id, presence, seen, manager, label, attributes) VALUES
    (1, 1, x'00112233445566778899aabbccddeeff', 1, 1, 2, 'ada', x'0101780161'),
    (2, 1, 'u2', 0, 0, NULL, '', NULL),
    (3, 2, 'g1', 1, 3, NULL, 'Sales', x'00');
INSERT INTO labels VALUES (1, 'ada', 1), (2, 'Sales', 3);
INSERT INTO members VALUES (3, 1, 3);
INSERT INTO memberships VALUES (1, 3);
INSERT INTO nested VALUES (3, 3);
INSERT INTO jobs (key, name, fingerprint, full_mark, service_principal, target, default_domain, linked_users, scope_users)
    VALUES (1, 'wizer', 'f0', 7, 'sp1', 'https://wizer.example/scim', 'example.com', 1, 1);
INSERT INTO described VALUES (1, '{}', '2025-03-01T06:00:00.000Z');
INSERT INTO scratch VALUES (1, 1, 1, 'entrain-probe-a', 'u7');
INSERT INTO learned VALUES (1, 'update', 'put', 'PATCH /Users/u: 501', '2025-03-01T06:00:00.000Z');
INSERT INTO roles (job, id, value, display_name) VALUES (1, 'r1', 'User', 'User');
INSERT INTO assignments VALUES (1, 2, 3, 2);
INSERT INTO pending VALUES (1, 1, 1, 7);
INSERT INTO links VALUES (4294967297, 1, 1, 't1', 1, 0, 1, 1, NULL, 0, x'00');
INSERT INTO lost_members VALUES (3, 2, 1740808801000);
INSERT INTO unreported_managers VALUES (2);
INSERT INTO sent_references VALUES (1, 1, 2, 2, 't2');
INSERT INTO sent_members VALUES (1, 3, 1, 0);
INSERT INTO link_events VALUES (1, 1);
INSERT INTO old_accounts VALUES (1, 2, 't9', 'userName', 'old@example.com');
INSERT INTO needs VALUES (1, 1, 1, 2);
INSERT INTO gone VALUES (1, 2, 1);
INSERT INTO escrow VALUES (1, 1, 2, 'u2', 1, '2025-03-01T06:00:01.000Z', '2025-03-01T06:00:01.000Z', 1, 'update', 'refused', 400, 'the target says no', 7, 0);
INSERT INTO withheld VALUES (1, 1, 1, 1, 'userName is left out: the target says no');
INSERT INTO holds VALUES (1, 1, 0, 4, 2, 'not-assigned', 0, 0, 1, 1, '2025-03-01T06:00:01.000Z', NULL, NULL);
INSERT INTO hold_reasons VALUES (1, 0, 'too-many-deletions', 'users', 3, 0, 2);
INSERT INTO cycles (job, kind, state, started) VALUES ('wizer', 'initial', 'running', '2025-03-01T06:00:00.000Z');
INSERT INTO configurations VALUES (1, 'd0', 1, '{"enabled": "true"}');
INSERT INTO cycle_counts VALUES (1, 'done', 'create', 1);
INSERT INTO actions (cycle, job, source, step, rank, operation, class, weight, state, at, attempts, duration_ms, target, body)
    VALUES (1, 1, 1, 1, 1, 0, NULL, 1, 10, 1740808801000, 1, 12, 't1', x'0101780161000000');
INSERT INTO actions (cycle, job, source, step, rank, operation, class, weight, state, target, body)
    VALUES (1, 1, 1, 0, 0, 4, 2, 1, 3, 't1', x'0000');
INSERT INTO requests (cycle, job, at, side, method, path, status, attempts, duration_ms)
    VALUES (1, 'wizer', '2025-03-01T06:00:01.000Z', 'target', 'GET', '/Users', 200, 1, 12);
INSERT INTO commands VALUES (1, '2025-03-01T06:00:01.000Z', 'alice', 'wizer', '{}', NULL, NULL, NULL);
INSERT INTO notices VALUES ('held', 'wizer', '2025-03-01T06:00:01.000Z', '2025-03-01T06:00:01.000Z', 3, 0);
INSERT INTO outbox VALUES (1, 'k1', 'mail:it@example.com', '2025-03-01T06:00:01.000Z', 's', 'b', 'h', 1, '2025-03-01T06:00:06.000Z', 'no');
INSERT INTO operations VALUES (1, '2025-03-01T06:00:02.000Z', 'alice', 'wizer', 'unlink', 1, '');
