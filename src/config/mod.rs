//! The configuration: what was typed becomes what is meant, or a list of every problem with its remedy.
