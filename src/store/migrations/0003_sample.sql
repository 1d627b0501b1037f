-- A copy of a state in a database.
INSERT INTO copied (state, position, agent) VALUES ('0000aaaa-0000-0000-0000-000000000001', 7, NULL);
