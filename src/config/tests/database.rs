//! A state in a database.

use std::time::Duration;

use super::*;

const KEY: &str = "key = { env = \"STATE_KEY\" }\n";

fn of(state: &str) -> String {
    format!("[state]\n{KEY}{state}\n{SOURCE}{JOB}")
}

#[test]
fn the_lease_follows_the_longest_timeout() {
    let url = "url = \"postgres://entrain@db.example.com:5433/entrain\"";
    let database = load_ok(&of(url)).state.database.unwrap();
    assert_eq!(database.lease, Duration::from_secs(135));
    assert_eq!(database.schema, "entrain");
    let lease = load_ok(&of(&format!("{url}\nlease = \"108s\"")))
        .state
        .database
        .unwrap()
        .lease;
    assert_eq!(lease, Duration::from_secs(108));
    assert_eq!(load_ok(&format!("{SOURCE}{JOB}")).state.database, None);
}

#[test]
fn mistakes_are_found_before_anything_connects() {
    let url = "url = \"postgres://entrain@db.example.com/entrain\"";
    for (state, words) in [
        (
            "url = \"mysql://entrain@db/entrain\"",
            "not the address of a PostgreSQL database",
        ),
        ("url = \"db.example.com\"", "not an address"),
        (
            "url = \"postgres://entrain:secret@db/entrain\"",
            "holds a password",
        ),
        (
            "url = \"postgres://db.example.com/entrain\"",
            "names no user",
        ),
        (
            "url = \"postgres://entrain@db.example.com\"",
            "names no database",
        ),
        (
            "url = \"postgres://entrain@db/entrain?sslmode=disable\"",
            "the parameter sslmode is not supported",
        ),
        ("password = { env = \"PASSWORD\" }", "but url is not set"),
        (
            &format!("{url}\nschema = \"Public; DROP\""),
            "cannot be the name of the schema",
        ),
        (
            &format!("{url}\nschema = \"pg_own\""),
            "cannot be the name of the schema",
        ),
        (
            &format!("{url}\nlease = \"107s\""),
            "shorter than 1.8 times the longest timeout",
        ),
    ] {
        let found = told_whole(&of(state));
        assert!(found.contains(words), "{state}: {found}");
    }
    let keyless = told_whole(&format!("[state]\n{url}\n{SOURCE}{JOB}"));
    assert!(keyless.contains("but key is not set"), "{keyless}");
}
