-- A copy that has a change of this token.
UPDATE copied SET token = '0000aaaa-0000-0000-0000-000000000002';
