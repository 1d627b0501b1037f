//! The command line: one file per command. The only place that writes to the terminal.
