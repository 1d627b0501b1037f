-- The state as several agents share it: a snapshot of it, and the changes since then, in the order in which
-- they were committed. Each agent keeps a copy in a file, where everything is looked up. What is in `changes`
-- and `snapshots` is described in store/shared/changes.rs.

-- One row. Who writes locks it, so that changes have one order.
CREATE TABLE head (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    state      text NOT NULL,                   -- a name for this state, given once
    version    integer NOT NULL,                -- of these tables
    format     bigint NOT NULL,                 -- of what is in them
    position   bigint NOT NULL,                 -- of the last change
    timeline   text NOT NULL,                   -- of the server: another one after a failover
    bytes      bigint NOT NULL DEFAULT 0,       -- of the changes since the snapshot
    key        text                             -- digest by which agents see that they have the same state.key
);

CREATE TABLE changes (
    position   bigint NOT NULL,
    part       integer NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    agent      text,
    token      text NOT NULL,                   -- by which who wrote it recognises it
    body       bytea NOT NULL,
    PRIMARY KEY (position, part)
);

CREATE TABLE snapshots (
    position   bigint NOT NULL,
    part       integer NOT NULL,
    body       bytea NOT NULL,
    PRIMARY KEY (position, part)
);

-- The agents. One whose lease ended is fenced: nothing that it writes is accepted any more.
CREATE TABLE agents (
    id         text PRIMARY KEY,
    host       text NOT NULL,
    pid        bigint NOT NULL,
    version    text NOT NULL,
    command    text NOT NULL,
    started    timestamptz NOT NULL DEFAULT clock_timestamp(),
    renewed    timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_ms   bigint NOT NULL,
    shares     boolean NOT NULL,                -- it takes jobs that are free
    fenced     boolean NOT NULL DEFAULT false,
    outdated   text[] NOT NULL DEFAULT '{}'     -- jobs of which it has an older configuration than another agent
);

-- Who runs what: the jobs, and what only one agent does at a time.
CREATE TABLE leases (
    name          text PRIMARY KEY,
    agent         text REFERENCES agents (id) ON DELETE SET NULL,
    epoch         bigint NOT NULL DEFAULT 0,    -- how often it was taken
    since         timestamptz,
    freed         timestamptz NOT NULL DEFAULT clock_timestamp(),
    inherited     boolean NOT NULL DEFAULT false,   -- its last agent did not give it back
    weight        bigint NOT NULL DEFAULT 1000, -- how long its cycles take, in milliseconds
    configuration text,                         -- digest of the configuration that was loaded last
    configured    timestamptz,
    configured_by text                          -- the agent that loaded it
);
