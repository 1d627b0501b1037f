-- Format 3, the first that is kept. Objects, jobs, attribute names and target paths are numbers here; their
-- text stands in one place each. Ids that are GUIDs are 16 bytes, others text. Times in text are RFC 3339
-- in UTC with milliseconds. The numbers of kinds and presences are those in store/wire.rs.

-- `mark` grows forever; a pending mark is its value when the mark was set. `key` is the last number
-- that was given to an object, `row` to a row of the ledger: a number is never given twice.
CREATE TABLE counter (
    mark INTEGER NOT NULL,
    key  INTEGER NOT NULL,
    row  INTEGER NOT NULL
);
INSERT INTO counter VALUES (0, 0, 0);

-- Where the file is, as the bytes of its resolved path, how often a process took it over, and whether the
-- last one closed it.
CREATE TABLE place (
    path   BLOB,
    opened INTEGER NOT NULL,
    closed INTEGER NOT NULL
);
INSERT INTO place VALUES (NULL, 0, 1);

-- Names of source attributes, and ids of app roles.
CREATE TABLE names (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
);

-- Target paths.
CREATE TABLE paths (
    number INTEGER PRIMARY KEY,
    path   TEXT NOT NULL UNIQUE
);

-- The source ---------------------------------------------------------------------------------------

-- The tenant that was read, by the name of its source: what is here belongs to no other.
CREATE TABLE sources (
    name   TEXT PRIMARY KEY,
    tenant TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE watermarks (
    kind        INTEGER PRIMARY KEY,
    round       INTEGER NOT NULL,
    full_round  INTEGER NOT NULL,           -- whether the round began without a delta link
    under_way   INTEGER NOT NULL,
    selected    TEXT NOT NULL,              -- the $select that the links were made with
    delta_link  TEXT,                       -- of the last round that was finished
    page_link   TEXT,                       -- of the round under way: the page to read next
    updated     TEXT,
    anew        INTEGER NOT NULL DEFAULT 0, -- the next round begins without a link
    present     INTEGER NOT NULL DEFAULT 0  -- how many objects of the kind are present
);

-- Also ids that were only mentioned, as a member or a manager: presence 0, and no attributes.
CREATE TABLE objects (
    key         INTEGER PRIMARY KEY,
    kind        INTEGER NOT NULL,
    id          NOT NULL,
    presence    INTEGER NOT NULL,
    seen        INTEGER NOT NULL,           -- the last full round that reported it
    manager     INTEGER,
    label       TEXT NOT NULL,
    attributes  BLOB
);
CREATE UNIQUE INDEX objects_by_id ON objects (id, kind);
CREATE INDEX objects_by_kind ON objects (kind, presence);
CREATE INDEX objects_by_manager ON objects (manager) WHERE manager IS NOT NULL;

-- Objects by label. In the order of labels, so it is filled when a full round ends and not row by row.
CREATE TABLE labels (
    kind  INTEGER NOT NULL,
    label TEXT NOT NULL COLLATE NOCASE,
    key   INTEGER NOT NULL,
    PRIMARY KEY (kind, label, key)
) WITHOUT ROWID;

CREATE TABLE members (
    group_key   INTEGER NOT NULL,
    member_key  INTEGER NOT NULL,
    seen        INTEGER NOT NULL,
    PRIMARY KEY (group_key, member_key)
) WITHOUT ROWID;

-- The same the other way round; filled like `labels`.
CREATE TABLE memberships (
    member_key  INTEGER NOT NULL,
    group_key   INTEGER NOT NULL,
    PRIMARY KEY (member_key, group_key)
) WITHOUT ROWID;

-- The members that are groups themselves.
CREATE TABLE nested (
    group_key   INTEGER NOT NULL,
    member_key  INTEGER NOT NULL,
    PRIMARY KEY (group_key, member_key)
) WITHOUT ROWID;
CREATE INDEX nested_by_member ON nested (member_key, group_key);

-- Members that groups lost within the last 24 hours.
CREATE TABLE lost_members (
    group_key   INTEGER NOT NULL,
    member_key  INTEGER NOT NULL,
    at          INTEGER NOT NULL,           -- in milliseconds since 1970
    PRIMARY KEY (group_key, member_key)
) WITHOUT ROWID;
CREATE INDEX lost_members_by_member ON lost_members (member_key);
CREATE INDEX lost_members_by_time ON lost_members (at);

-- Users whose manager the round of reading did not report where it reports all that is known of a user: whether
-- they have one must be looked up.
CREATE TABLE unreported_managers (
    key         INTEGER PRIMARY KEY
) STRICT;

-- Jobs ---------------------------------------------------------------------------------------------

CREATE TABLE jobs (
    key               INTEGER PRIMARY KEY,
    name              TEXT NOT NULL UNIQUE,
    fingerprint       TEXT,
    full_mark         INTEGER,              -- a full evaluation is due since this mark
    service_principal,
    -- What the links were made with: the address, a keyed digest of the credential, the service principal.
    target            TEXT,
    credential        TEXT,
    application,
    hold_removals     INTEGER NOT NULL DEFAULT 0,   -- all of them: the application is another
    established       INTEGER NOT NULL DEFAULT 0,   -- a full evaluation came to its end
    default_domain    TEXT,                 -- of the tenant, as the last cycle that needed it read it
    -- How many links there are, and how many of them are in scope.
    linked_users      INTEGER NOT NULL DEFAULT 0,
    linked_groups     INTEGER NOT NULL DEFAULT 0,
    scope_users       INTEGER NOT NULL DEFAULT 0,
    scope_groups      INTEGER NOT NULL DEFAULT 0,
    active_users      INTEGER NOT NULL DEFAULT 0,
    memberships       INTEGER NOT NULL DEFAULT 0,
    -- The first cycle in which every planned row was tried; until then removals are postponed.
    completed         INTEGER,
    -- Of the list of assignments that `assignments` was made from; NULL where that was none.
    assigned          BLOB,
    -- What the source held at the job's last complete reading.
    seen_users        INTEGER NOT NULL DEFAULT 0,
    seen_groups       INTEGER NOT NULL DEFAULT 0,
    -- Since when no cycle runs, and who said so.
    paused            TEXT,
    paused_by         TEXT,
    -- When linked objects were compared last with what the target holds.
    compared          TEXT,
    -- Most operations of the last cycle failed.
    suspect           INTEGER NOT NULL DEFAULT 0,
    -- Since when the job is in quarantine, why, and when creates and updates were tried last.
    quarantine        TEXT,
    quarantine_cause  TEXT,
    quarantine_reason TEXT,
    quarantine_tried  TEXT,
    evaluation         INTEGER NOT NULL DEFAULT 0,  -- the last mark before the evaluation under way
    -- The seconds after which disabled accounts are deleted, and since when this is so, by the source's clock,
    -- in milliseconds since 1970.
    delete_after       INTEGER,
    delete_after_since INTEGER
);

CREATE TABLE roles (
    job          INTEGER NOT NULL,
    id           TEXT NOT NULL,
    value        TEXT,
    display_name TEXT NOT NULL,
    PRIMARY KEY (job, id)
) WITHOUT ROWID;

CREATE TABLE assignments (
    job       INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    principal INTEGER NOT NULL,
    role      INTEGER NOT NULL,             -- of `names`
    PRIMARY KEY (job, kind, principal, role)
) WITHOUT ROWID;

CREATE TABLE pending (
    job  INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    key  INTEGER NOT NULL,
    mark INTEGER NOT NULL,
    PRIMARY KEY (job, kind, key)
) WITHOUT ROWID;

-- The target ---------------------------------------------------------------------------------------

-- What a job's target reports of itself: its documents as JSON, and when they were read.
CREATE TABLE described (
    job  INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    read TEXT NOT NULL
);

-- Scratch objects of a probe, from before they are created until they are removed.
CREATE TABLE scratch (
    id     INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    name   TEXT NOT NULL,
    target TEXT,
    UNIQUE (job, name)
);

-- Knobs that the target's answers taught.
CREATE TABLE learned (
    job      INTEGER NOT NULL,
    knob     TEXT NOT NULL,
    word     TEXT NOT NULL,
    evidence TEXT NOT NULL,
    at       TEXT NOT NULL,
    PRIMARY KEY (job, knob)
) WITHOUT ROWID;

-- `link` is the job's key times 2^32, plus the object's key.
CREATE TABLE links (
    link      INTEGER PRIMARY KEY,
    job       INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    target    NOT NULL,
    in_scope  INTEGER NOT NULL,
    unread    INTEGER NOT NULL DEFAULT 0,   -- 1: the target must be read before it is compared;
                                            -- 2: formerly ours, to be verified first
    active    INTEGER NOT NULL DEFAULT 1,   -- as last sent: the user can use the application
    origin    INTEGER NOT NULL DEFAULT 0,   -- 0: the target object was found there; 1: created here; 2: found
                                            -- after a create whose end was not known, without our externalId
    disabled  INTEGER,                      -- when we disabled the account of a user who left, by the source's
                                            -- clock, in milliseconds since 1970
    enabled   INTEGER NOT NULL DEFAULT 0,   -- it was found enabled since then: it is left as it is
    sent      BLOB NOT NULL                 -- all but the references
);
CREATE INDEX links_disabled ON links (job, disabled) WHERE disabled IS NOT NULL;
CREATE UNIQUE INDEX links_by_target ON links (target, job, kind);
CREATE INDEX links_former ON links (job) WHERE unread = 2;
CREATE INDEX links_unproven ON links (job) WHERE origin = 2;

CREATE TABLE sent_references (
    job        INTEGER NOT NULL,
    source     INTEGER NOT NULL,
    path       INTEGER NOT NULL,
    referenced INTEGER,                     -- NULL: the target object is nobody's that we know
    target     NOT NULL,                    -- the target object that was sent or shown
    PRIMARY KEY (job, source, path)
) WITHOUT ROWID;
CREATE INDEX sent_references_by_referenced ON sent_references (job, referenced);

CREATE TABLE sent_members (
    job         INTEGER NOT NULL,
    group_key   INTEGER NOT NULL,
    member_key  INTEGER NOT NULL,
    dropped     INTEGER NOT NULL DEFAULT 0, -- by the target, perhaps, while the member was inactive
    PRIMARY KEY (job, group_key, member_key)
) WITHOUT ROWID;
CREATE INDEX sent_members_by_member ON sent_members (job, member_key);

-- Links that came, went or changed scope since the last evaluation was finished: objects that refer to
-- them are marked then.
CREATE TABLE link_events (
    job    INTEGER NOT NULL,
    source INTEGER NOT NULL,
    PRIMARY KEY (job, source)
) WITHOUT ROWID;

-- Users who are not created, because the target has an account by an old address of theirs, until an
-- operator decides; without a target it was decided that they are new.
CREATE TABLE old_accounts (
    job    INTEGER NOT NULL,
    source INTEGER NOT NULL,
    target,
    path   TEXT,
    value  TEXT,
    PRIMARY KEY (job, source)
) WITHOUT ROWID;

-- Objects that were gone from the target, until they are there again. Many of one cycle are created again
-- only once a person approved it.
CREATE TABLE gone (
    job    INTEGER NOT NULL,
    source INTEGER NOT NULL,
    cycle  INTEGER NOT NULL,
    PRIMARY KEY (job, source)
) WITHOUT ROWID;

CREATE TABLE escrow (
    job          INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    source       INTEGER NOT NULL,
    label        TEXT NOT NULL,
    cycle        INTEGER NOT NULL,          -- of the last failure
    first_failed TEXT NOT NULL,
    last_failed  TEXT NOT NULL,
    attempts     INTEGER NOT NULL,          -- cycles in which it failed
    action       TEXT NOT NULL,             -- 'plan' when it never became an action
    class        TEXT,
    http_status  INTEGER,
    message      TEXT NOT NULL,
    mark         INTEGER NOT NULL,          -- it changed since it failed if its mark is a later one
    resting      INTEGER NOT NULL DEFAULT 0,-- not tried in the evaluation under way: it is not time yet
    PRIMARY KEY (job, kind, source)
) WITHOUT ROWID;

-- Attributes that the target refused: alone, so that they are left out of the other changes, or only
-- together with others.
CREATE TABLE withheld (
    job     INTEGER NOT NULL,
    source  INTEGER NOT NULL,
    path    INTEGER NOT NULL,
    alone   INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (job, source, path)
) WITHOUT ROWID;

-- Safety -------------------------------------------------------------------------------------------

-- Removals that wait for a person, and what a person decided of them. A membership is named by its group
-- (`source`) and its member; `member` is 0 for other removals.
CREATE TABLE holds (
    job         INTEGER NOT NULL,
    source      INTEGER NOT NULL,
    member      INTEGER NOT NULL,
    operation   INTEGER NOT NULL,
    class       INTEGER NOT NULL,
    cause       TEXT NOT NULL,
    decision    INTEGER NOT NULL,           -- 0 none yet, 1 approved, 2 rejected, 3 no longer planned
    sticks      INTEGER NOT NULL,           -- held until a person decides, whatever the limits say later
    first_cycle INTEGER NOT NULL,           -- the first cycle that held it, and the last that planned it
    cycle       INTEGER NOT NULL,
    since       TEXT NOT NULL,
    decided     TEXT,
    reason      TEXT,                       -- of an approval or a rejection
    PRIMARY KEY (job, source, member, operation)
) WITHOUT ROWID;

-- Why the job's last cycle held removals.
CREATE TABLE hold_reasons (
    job     INTEGER NOT NULL,
    place   INTEGER NOT NULL,
    word    TEXT NOT NULL,
    what    TEXT NOT NULL,                  -- what the numbers count
    first   INTEGER NOT NULL,
    second  INTEGER NOT NULL,
    third   INTEGER NOT NULL,
    PRIMARY KEY (job, place)
) WITHOUT ROWID;

-- The record ---------------------------------------------------------------------------------------

CREATE TABLE cycles (
    number            INTEGER PRIMARY KEY AUTOINCREMENT,
    job               TEXT NOT NULL,
    kind              TEXT NOT NULL,        -- initial, incremental, leavers, retries
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
    active_users      INTEGER,              -- when it ended; the limits are shares of these
    memberships       INTEGER,
    failed            INTEGER NOT NULL DEFAULT 0,
    not_tried         INTEGER NOT NULL DEFAULT 0,
    held              INTEGER NOT NULL DEFAULT 0,
    requests_source   INTEGER NOT NULL DEFAULT 0,
    requests_target   INTEGER NOT NULL DEFAULT 0,
    incomplete        TEXT,
    error             TEXT,
    plan              TEXT,                 -- digest of the saved plan that it carried out
    configuration     TEXT                  -- digest of what it was configured with
);
CREATE INDEX cycles_by_job ON cycles (job, number);

-- What the last cycles of a job were configured with: its entries as JSON, without secrets.
CREATE TABLE configurations (
    job     INTEGER NOT NULL,
    digest  TEXT NOT NULL,
    cycle   INTEGER NOT NULL,               -- the last one that had it
    entries TEXT NOT NULL,
    PRIMARY KEY (job, digest)
) WITHOUT ROWID;

-- What operators did by hand, to a job or to one of its objects.
CREATE TABLE operations (
    id     INTEGER PRIMARY KEY,
    at     TEXT NOT NULL,
    who    TEXT NOT NULL,
    job    TEXT NOT NULL,
    verb   TEXT NOT NULL,
    source INTEGER,
    detail TEXT NOT NULL
);
CREATE INDEX operations_by_source ON operations (source) WHERE source IS NOT NULL;

-- Commands that were handed to the service: what is requested of a job, and how it ended.
CREATE TABLE commands (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    who     TEXT NOT NULL,
    job     TEXT NOT NULL,
    request TEXT NOT NULL,
    exit    INTEGER,
    cycle   INTEGER,
    words   TEXT                            -- what is printed
);

-- Trouble that operators are notified of: what it is about, since when, when it was last said, and how bad it
-- was then.
CREATE TABLE notices (
    topic   TEXT NOT NULL,
    of      TEXT NOT NULL,                  -- the job, or what else it is about
    since   TEXT NOT NULL,
    said    TEXT,
    mark    INTEGER NOT NULL,
    is_over INTEGER NOT NULL,
    PRIMARY KEY (topic, of)
) WITHOUT ROWID;

-- Notifications that are not delivered yet, as they are sent.
CREATE TABLE outbox (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    message  TEXT NOT NULL UNIQUE,          -- by which the other side recognises it
    channel  TEXT NOT NULL,
    at       TEXT NOT NULL,
    subject  TEXT NOT NULL,
    body     TEXT NOT NULL,
    html     TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next     TEXT NOT NULL,
    error    TEXT                           -- of the last attempt
);

CREATE TABLE cycle_counts (
    cycle  INTEGER NOT NULL REFERENCES cycles (number) ON DELETE CASCADE,
    family TEXT NOT NULL,                   -- done, skipped
    word   TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (cycle, family, word)
) WITHOUT ROWID;

-- The ledger: what a cycle plans, what came of it, and what is skipped. The numbers of states and
-- operations are those in store/ledger.
CREATE TABLE actions (
    id          INTEGER PRIMARY KEY,
    cycle       INTEGER NOT NULL,
    job         INTEGER NOT NULL,
    source      INTEGER NOT NULL,
    step        INTEGER NOT NULL,
    rank        INTEGER NOT NULL,
    operation   INTEGER NOT NULL,
    class       INTEGER,                    -- of a removal
    weight      INTEGER NOT NULL,           -- in objects
    state       INTEGER NOT NULL,
    at          INTEGER,                    -- when it was sent, in milliseconds since 1970
    attempts    INTEGER,
    duration_ms INTEGER,
    http_status INTEGER,
    method      TEXT,                       -- of the last request
    follows     INTEGER,
    target,
    error       TEXT,
    body        BLOB NOT NULL
);
-- Rows still to be sent, in the order of execution. It covers what the queue and the counts need.
CREATE INDEX actions_due ON actions (cycle, step, rank, source, id, operation, class, weight)
    WHERE state = 0;
-- Rows that matter to the next plan of their object: sent, unknown, held.
CREATE INDEX actions_open ON actions (job, source) WHERE state BETWEEN 1 AND 4;
CREATE INDEX actions_by_cycle ON actions (cycle);
-- Removals that were sent, for the limits over 24 hours.
CREATE INDEX actions_removed ON actions (job, at, source, class, weight, state)
    WHERE class IS NOT NULL AND at IS NOT NULL;
-- Objects that are skipped, which are few among the rows of a cycle.
CREATE INDEX actions_skipped ON actions (cycle, id, operation) WHERE state = 20;

-- Objects of a plan that take a name which another gives up in it.
CREATE TABLE needs (
    job    INTEGER NOT NULL,
    cycle  INTEGER NOT NULL,
    giver  INTEGER NOT NULL,
    taker  INTEGER NOT NULL,
    PRIMARY KEY (job, cycle, giver, taker)
) WITHOUT ROWID;

CREATE TABLE requests (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    cycle       INTEGER NOT NULL REFERENCES cycles (number) ON DELETE CASCADE,
    job         TEXT NOT NULL,
    at          TEXT NOT NULL,
    side        TEXT NOT NULL,              -- source, target
    method      TEXT NOT NULL,
    path        TEXT NOT NULL,
    status      INTEGER,
    attempts    INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    error       TEXT
);
CREATE INDEX requests_by_cycle ON requests (cycle);
