-- A clock that is a year ahead.
UPDATE cycles SET clock_ahead = 31536000000 WHERE number = 1;
