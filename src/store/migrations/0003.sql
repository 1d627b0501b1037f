-- Which state in a database this file is a copy of, up to which change, and the agent that uses it or used it
-- last. No row: the file is the state itself.
CREATE TABLE copied (
    state    TEXT NOT NULL,
    position INTEGER NOT NULL,
    agent    TEXT
) STRICT;
