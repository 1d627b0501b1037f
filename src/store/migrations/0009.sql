-- By how many milliseconds the clock of the machine was ahead of the source's, where they did not agree.
ALTER TABLE cycles ADD COLUMN clock_ahead INTEGER;
