-- Several sources: what was read is of one of them, and what was read before is of the first, 0.
ALTER TABLE sources ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE objects ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
DROP INDEX objects_by_kind;
CREATE INDEX objects_by_kind ON objects (kind, presence, source);
ALTER TABLE watermarks RENAME TO watermarks_before;
-- Rounds of one kind are numbered over all sources, so that the number in `seen` is of one of them.
CREATE TABLE watermarks (
    source      INTEGER NOT NULL DEFAULT 0,
    kind        INTEGER NOT NULL,
    round       INTEGER NOT NULL,
    full_round  INTEGER NOT NULL,           -- whether the round began without a delta link
    under_way   INTEGER NOT NULL,
    selected    TEXT NOT NULL,              -- the $select that the links were made with
    delta_link  TEXT,                       -- of the last round that was finished
    page_link   TEXT,                       -- of the round under way: the page to read next
    updated     TEXT,
    anew        INTEGER NOT NULL DEFAULT 0, -- the next round begins without a link
    present     INTEGER NOT NULL DEFAULT 0, -- how many objects of the kind are present
    PRIMARY KEY (source, kind)
) WITHOUT ROWID;
INSERT INTO watermarks SELECT 0, * FROM watermarks_before;
DROP TABLE watermarks_before;
ALTER TABLE strategy ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
ALTER TABLE shards ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
-- The sources of each job, in the order of their precedence. No row: the first.
CREATE TABLE job_sources (
    job    INTEGER NOT NULL,
    source INTEGER NOT NULL,
    rank   INTEGER NOT NULL,
    PRIMARY KEY (job, source)
) WITHOUT ROWID;
CREATE INDEX job_sources_by_source ON job_sources (source);
