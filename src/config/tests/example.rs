//! The example and the pages that list what there is.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::engine::expr::functions;
use crate::engine::filter::Operator;

#[test]
fn the_example_loads_without_a_problem() {
    assert_eq!(told_whole(EXAMPLE), "no problem");
}

/// The keys of each section of the example, those in comments included.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in EXAMPLE.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let line_start = line.split_whitespace().next().unwrap_or_default();
        if line_start.starts_with('[') && line_start.ends_with(']') {
            section = line_start.trim_matches(['[', ']']).to_owned();
            if !section.contains('.') {
                keys.entry(String::new())
                    .or_default()
                    .insert(section.clone());
            }
            for (at, _) in section.match_indices('.') {
                let (outer, inner) = (&section[..at], &section[at + 1..]);
                let inner = inner.split('.').next().unwrap().to_owned();
                keys.entry(outer.to_owned()).or_default().insert(inner);
            }
            continue;
        }
        if let Some((key, _)) = line.split_once(" =").filter(|(key, _)| {
            key.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !key.is_empty()
        }) {
            keys.entry(section.clone())
                .or_default()
                .insert(key.to_owned());
        }
        // Inline tables of filters.
        for (part, inside) in [("name", "filters"), ("all", "filters")] {
            if section.starts_with("jobs.") && line.contains(&format!("{part} = ")) {
                keys.entry(format!("jobs.users.{inside}"))
                    .or_default()
                    .insert(part.to_owned());
            }
        }
        for part in ["group", "when_out_of_scope"] {
            if line.contains("exceptions = ") && line.contains(&format!("{part} = ")) {
                let exceptions = keys.entry("jobs.groups.exceptions".to_owned());
                exceptions.or_default().insert(part.to_owned());
            }
        }
        for part in ["attribute", "operator", "value", "full"] {
            if line.contains(&format!("{part} = ")) {
                let clauses = keys.entry("jobs.users.filters.all".to_owned()).or_default();
                clauses.insert(part.to_owned());
            }
        }
    }
    keys
}

#[test]
fn the_example_documents_every_key() {
    let documented = documented();
    for section in crate::config::keys::SECTIONS {
        let keys = section.names();
        // The others are those of [source].
        for key in keys.filter(|key| section.name != "sources" || *key == "name") {
            let found = documented
                .get(section.name)
                .is_some_and(|keys| keys.contains(key));
            assert!(
                found,
                "[{}] {key} is not in config.example.toml",
                section.name
            );
        }
        for (key, _) in section.reserved {
            assert!(EXAMPLE.contains(key), "{key} is not in config.example.toml");
        }
    }
    for key in reader::SECRET_KEYS {
        assert!(EXAMPLE.contains(&format!("{{ {key} = ")), "{key}");
    }
}

/// A commented key, taken out of its comment, contradicts a neighbour at worst.
#[test]
fn every_commented_key_of_the_example_is_a_key() {
    let lines: Vec<_> = EXAMPLE.lines().collect();
    let mut tried = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some(key_line) = line.strip_prefix("# ").filter(|line| {
            line.split_once(" =")
                .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        }) else {
            continue;
        };
        tried += 1;
        let mut lines = lines.clone();
        lines[index] = key_line;
        for line in &mut lines {
            if line.starts_with("# [jobs.") {
                *line = line.trim_start_matches("# ");
            }
        }
        let told = told_whole(&lines.join("\n"));
        let harmless = [
            "no problem",
            "the key belongs in [sources]",
            "there are no [[sources]] that it could name",
            "interval and cron are both set",
            "and client_secret are both set",
            "and token are both set",
            "token and oauth are both set",
            "token and entra are both set",
            "a time zone has no effect on an interval",
            "only one of app_id, service_principal_id and display_name can be set",
            "the mode is not \"groups\"",
            "but tls is not set",
            "the mode is not \"administrative_unit\"",
            "does not exist",
            "create it with the secret before the job runs",
            "but url is not set",
            "but key is not set",
        ];
        assert!(
            harmless.iter().any(|harmless| told.contains(harmless)),
            "{key_line}\n{told}"
        );
    }
    assert!(tried > 25, "{tried}");
}

/// That each row is proven is checked where the tests can be seen, in `tests/it/eval.rs`.
#[test]
fn the_parity_page_has_every_function_operator_and_option() {
    let page = include_str!("../../../docs/entra-parity.md");
    let section = |title: &str| {
        let (_, section) = page.split_once(&format!("\n## {title}\n")).unwrap();
        section.split("\n## ").next().unwrap()
    };
    let table = section("Functions");
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, functions().len());
    for function in functions() {
        assert!(
            table.contains(&format!("\n| `{}` |", function.name)),
            "{}",
            function.name
        );
    }
    let table = section("The language");
    for operator in ["=", "<>", "<", "<=", ">", ">="] {
        assert!(table.contains(&format!("\n| `{operator}` |")), "{operator}");
    }
    let table = section("Operators of scoping filters");
    for operator in Operator::ALL {
        assert!(table.contains(&format!("\n| `{operator}` |")), "{operator}");
    }
    let table = section("Options of a mapping");
    let sections = crate::config::keys::SECTIONS.iter();
    let mapping =
        sections.filter(|section| matches!(section.name, "jobs.users" | "jobs.users.mappings"));
    for key in mapping
        .flat_map(|section| section.names())
        .filter(|key| *key != "mappings")
    {
        assert!(table.contains(&format!("`{key}`")), "{key}");
    }
}
