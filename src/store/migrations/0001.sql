-- Format 1. Times are RFC 3339 in UTC with milliseconds; kinds and states are the words of the vocabulary.

-- One ever-growing number; a pending mark is the number's value when the mark was set.
CREATE TABLE counter (mark INTEGER NOT NULL);
INSERT INTO counter VALUES (0);

-- The source ---------------------------------------------------------------------------------------

CREATE TABLE watermarks (
    kind        TEXT PRIMARY KEY,
    round       INTEGER NOT NULL,
    full_round  INTEGER NOT NULL,           -- whether the round began without a delta link
    under_way   INTEGER NOT NULL,
    selected    TEXT NOT NULL,              -- the $select that the links were made with
    delta_link  TEXT,                       -- of the last round that was finished
    page_link   TEXT,                       -- of the round under way: the page to read next
    updated     TEXT
) WITHOUT ROWID;

CREATE TABLE objects (
    kind        TEXT NOT NULL,
    id          TEXT NOT NULL,
    presence    TEXT NOT NULL,              -- present, soft-deleted, deleted
    seen_round  INTEGER NOT NULL,           -- the last full round that reported it
    manager     TEXT,
    label       TEXT NOT NULL,
    attributes  TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX objects_by_manager ON objects (manager) WHERE manager IS NOT NULL;
CREATE INDEX objects_by_label ON objects (kind, label COLLATE NOCASE);
CREATE INDEX objects_gone ON objects (kind, id) WHERE presence <> 'present';

CREATE TABLE members (
    group_id    TEXT NOT NULL,
    member_id   TEXT NOT NULL,
    member_kind TEXT NOT NULL,
    seen_round  INTEGER NOT NULL,
    PRIMARY KEY (group_id, member_id)
) WITHOUT ROWID;
CREATE INDEX members_by_member ON members (member_id);
CREATE INDEX members_nested ON members (group_id, member_id) WHERE member_kind = 'group';

-- Jobs ---------------------------------------------------------------------------------------------

CREATE TABLE jobs (
    name              TEXT PRIMARY KEY,
    fingerprint       TEXT,
    full_mark         INTEGER,              -- a full evaluation is due since this mark
    service_principal TEXT,
    target            TEXT,                 -- the address that the links were made at
    default_domain    TEXT                  -- of the tenant, as the last cycle that needed it read it
) WITHOUT ROWID;

CREATE TABLE roles (
    job          TEXT NOT NULL,
    id           TEXT NOT NULL,
    value        TEXT,
    display_name TEXT NOT NULL,
    PRIMARY KEY (job, id)
) WITHOUT ROWID;

CREATE TABLE assignments (
    job       TEXT NOT NULL,
    kind      TEXT NOT NULL,
    principal TEXT NOT NULL,
    role      TEXT NOT NULL,
    PRIMARY KEY (job, kind, principal, role)
) WITHOUT ROWID;

CREATE TABLE pending (
    job  TEXT NOT NULL,
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    mark INTEGER NOT NULL,
    PRIMARY KEY (job, kind, id)
) WITHOUT ROWID;

-- The target ---------------------------------------------------------------------------------------

CREATE TABLE links (
    job       TEXT NOT NULL,
    kind      TEXT NOT NULL,
    source_id TEXT NOT NULL,
    target_id TEXT NOT NULL,
    in_scope  INTEGER NOT NULL,
    sent      TEXT NOT NULL,                -- all but the references
    PRIMARY KEY (job, kind, source_id),
    UNIQUE (job, kind, target_id)
);

CREATE TABLE sent_references (
    job        TEXT NOT NULL,
    kind       TEXT NOT NULL,
    source_id  TEXT NOT NULL,
    path       TEXT NOT NULL,
    referenced TEXT NOT NULL,
    PRIMARY KEY (job, kind, source_id, path)
) WITHOUT ROWID;
CREATE INDEX sent_references_by_referenced ON sent_references (job, referenced);

CREATE TABLE sent_members (
    job           TEXT NOT NULL,
    group_id      TEXT NOT NULL,
    member_id     TEXT NOT NULL,
    member_target TEXT NOT NULL,
    PRIMARY KEY (job, group_id, member_id)
) WITHOUT ROWID;
CREATE INDEX sent_members_by_member ON sent_members (job, member_id);

-- Links that came, went or changed scope since the last evaluation was finished: whoever refers to
-- them is marked then.
CREATE TABLE link_events (
    job       TEXT NOT NULL,
    kind      TEXT NOT NULL,
    source_id TEXT NOT NULL,
    PRIMARY KEY (job, kind, source_id)
) WITHOUT ROWID;

-- Creates that were begun and whose end is not recorded.
CREATE TABLE intents (
    job       TEXT NOT NULL,
    kind      TEXT NOT NULL,
    source_id TEXT NOT NULL,
    cycle     INTEGER NOT NULL,
    lost      INTEGER NOT NULL,             -- an earlier answer was lost: the target may have created it
    keys      TEXT NOT NULL,
    PRIMARY KEY (job, kind, source_id)
) WITHOUT ROWID;

-- Other writes that were begun and whose end is not recorded.
CREATE TABLE writes (
    job       TEXT NOT NULL,
    kind      TEXT NOT NULL,
    source_id TEXT NOT NULL,
    cycle     INTEGER NOT NULL,
    remaining INTEGER NOT NULL,             -- actions of this cycle that are not recorded yet
    lost      INTEGER NOT NULL,
    PRIMARY KEY (job, kind, source_id)
) WITHOUT ROWID;

CREATE TABLE escrow (
    job          TEXT NOT NULL,
    kind         TEXT NOT NULL,
    source_id    TEXT NOT NULL,
    label        TEXT NOT NULL,
    cycle        INTEGER NOT NULL,          -- of the last failure
    first_failed TEXT NOT NULL,
    last_failed  TEXT NOT NULL,
    attempts     INTEGER NOT NULL,          -- cycles in which it failed
    action       TEXT NOT NULL,             -- 'plan' when it never became an action
    class        TEXT,
    http_status  INTEGER,
    message      TEXT NOT NULL,
    PRIMARY KEY (job, kind, source_id)
) WITHOUT ROWID;

-- Safety -------------------------------------------------------------------------------------------

CREATE TABLE holds (
    job     TEXT PRIMARY KEY,
    since   TEXT NOT NULL,
    why     TEXT NOT NULL,                  -- too-many-deletions (planned, allowed) or emptied-scope (users, groups)
    first   INTEGER NOT NULL,
    second  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE held_removals (
    job       TEXT NOT NULL REFERENCES holds (job) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    source_id TEXT NOT NULL,
    label     TEXT NOT NULL,
    action    TEXT NOT NULL,
    PRIMARY KEY (job, position)
) WITHOUT ROWID;

CREATE TABLE approvals (
    job       TEXT NOT NULL,
    kind      TEXT NOT NULL,
    source_id TEXT NOT NULL,
    approved  TEXT NOT NULL,
    PRIMARY KEY (job, kind, source_id)
) WITHOUT ROWID;

-- The record ---------------------------------------------------------------------------------------

CREATE TABLE cycles (
    number            INTEGER PRIMARY KEY AUTOINCREMENT,
    job               TEXT NOT NULL,
    kind              TEXT NOT NULL,        -- initial, incremental
    state             TEXT NOT NULL,
    started           TEXT NOT NULL,
    finished          TEXT,
    duration_ms       INTEGER NOT NULL DEFAULT 0,
    evaluated_users   INTEGER NOT NULL DEFAULT 0,
    evaluated_groups  INTEGER NOT NULL DEFAULT 0,
    in_scope_users    INTEGER NOT NULL DEFAULT 0,
    in_scope_groups   INTEGER NOT NULL DEFAULT 0,
    linked_users      INTEGER NOT NULL DEFAULT 0,
    linked_groups     INTEGER NOT NULL DEFAULT 0,
    failed            INTEGER NOT NULL DEFAULT 0,
    not_tried         INTEGER NOT NULL DEFAULT 0,
    held              INTEGER NOT NULL DEFAULT 0,
    requests_source   INTEGER NOT NULL DEFAULT 0,
    requests_target   INTEGER NOT NULL DEFAULT 0,
    incomplete        TEXT,
    error             TEXT
);
CREATE INDEX cycles_by_job ON cycles (job, number);

CREATE TABLE cycle_counts (
    cycle  INTEGER NOT NULL REFERENCES cycles (number) ON DELETE CASCADE,
    family TEXT NOT NULL,                   -- done, skipped
    word   TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (cycle, family, word)
) WITHOUT ROWID;

CREATE TABLE log (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    cycle       INTEGER NOT NULL REFERENCES cycles (number) ON DELETE CASCADE,
    job         TEXT NOT NULL,
    at          TEXT NOT NULL,
    kind        TEXT NOT NULL,
    source_id   TEXT NOT NULL,
    label       TEXT NOT NULL,
    target_id   TEXT,
    action      TEXT NOT NULL,
    status      TEXT NOT NULL,              -- succeeded, met, vanished, failed
    changes     TEXT NOT NULL,              -- [[attribute, before, after], ..]
    http_status INTEGER,
    error       TEXT,
    requests    INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL
);
CREATE INDEX log_by_cycle ON log (cycle);
CREATE INDEX log_by_job ON log (job, id);

CREATE TABLE requests (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    cycle       INTEGER NOT NULL REFERENCES cycles (number) ON DELETE CASCADE,
    job         TEXT NOT NULL,
    at          TEXT NOT NULL,
    method      TEXT NOT NULL,
    path        TEXT NOT NULL,
    status      INTEGER,
    duration_ms INTEGER NOT NULL,
    kind        TEXT,
    source_id   TEXT,
    error       TEXT
);
CREATE INDEX requests_by_cycle ON requests (cycle);
