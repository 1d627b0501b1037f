-- How the source is read, and what that was decided from. No row: it was read whole, by a version that knew no
-- other way.
CREATE TABLE strategy (
    in_scope     INTEGER NOT NULL,
    why          TEXT NOT NULL,
    -- Objects of the tenant, and those in scope or linked; NULL: not known.
    users        INTEGER,
    groups       INTEGER,
    scope_users  INTEGER,
    scope_groups INTEGER,
    counted      TEXT                       -- when the objects of the tenant were counted
) STRICT;
-- Delta queries of few objects each, where only what is in scope is read.
CREATE TABLE shards (
    shard        INTEGER PRIMARY KEY,
    kind         INTEGER NOT NULL,
    selected     TEXT NOT NULL,             -- the $select that the link was made with
    delta_link   TEXT,                      -- NULL: not read yet
    updated      TEXT
) STRICT;
CREATE TABLE shard_objects (
    key          INTEGER PRIMARY KEY,
    shard        INTEGER NOT NULL
) STRICT;
CREATE INDEX shard_objects_by_shard ON shard_objects (shard);
