//! HTTP manners shared by both clients: client building, retries, redaction. Knows neither Graph nor SCIM.
