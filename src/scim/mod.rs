//! The target: a SCIM 2.0 client. `Reader` cannot write; `Writer` is built by `apply` alone.
