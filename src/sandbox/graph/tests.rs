//! Tests of the Graph side over HTTP.
