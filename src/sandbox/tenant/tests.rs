//! Tests of the tenant alone.
