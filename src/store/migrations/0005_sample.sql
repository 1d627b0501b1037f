-- Two of the objects in scope, of 100,000.
INSERT INTO strategy (in_scope, why, users, groups, scope_users, scope_groups, counted)
    VALUES (1, 'few of many', 100000, 1000, 1, 1, '2026-11-30T10:00:00.000Z');
INSERT INTO shards (shard, kind, selected, delta_link, updated)
    VALUES (1, 1, 'id,displayName', 'https://graph.microsoft.com/v1.0/users/delta?$deltatoken=a',
            '2026-11-30T10:00:00.000Z');
INSERT INTO shard_objects VALUES (1, 1);
