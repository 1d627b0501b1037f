-- What has ended, in the order of the log, with what the log is filtered by. Rows come into it once.
CREATE INDEX actions_ended ON actions (id, state, at, operation, job, cycle)
    WHERE state IN (2, 10, 11, 12, 13, 14, 15);
-- The same of one object.
CREATE INDEX actions_of ON actions (source, id)
    WHERE state IN (2, 10, 11, 12, 13, 14, 15);
-- Objects that are gone for good and no longer among the labels: the log still names them.
CREATE INDEX objects_forgotten ON objects (label COLLATE NOCASE)
    WHERE presence = 0 AND label <> '';
-- Groups that came back without a report of their members: whether they still have those that are known must be
-- looked up.
CREATE TABLE unreported_members (
    group_key   INTEGER PRIMARY KEY
) STRICT;
