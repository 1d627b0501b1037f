//! Tests of the target over HTTP.
