//! House rules that the compiler does not check: who may import whom, what each file opens with, how
//! long it may grow, and what must not be named in it.

use std::fs;
use std::path::{Path, PathBuf};

/// Each top-level module with the siblings it may import. Tests are exempt.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("engine", &[]),
    ("report", &["engine"]),
    ("config", &["engine", "os"]),
    ("metrics", &[]),
    ("os", &[]),
    ("http", &["metrics", "os"]),
    ("notify", &["engine", "config", "http"]),
    ("graph", &["engine", "config", "http", "metrics"]),
    ("scim", &["engine", "config", "http", "metrics"]),
    ("store", &["engine", "config", "http", "os"]),
    (
        "cycle",
        &["engine", "report", "config", "graph", "scim", "store"],
    ),
    (
        "scheduler",
        &[
            "engine", "report", "config", "metrics", "os", "notify", "store", "cycle",
        ],
    ),
    (
        "web",
        &[
            "engine",
            "report",
            "config",
            "metrics",
            "os",
            "graph",
            "store",
            "cycle",
            "scheduler",
        ],
    ),
    (
        "cli",
        &[
            "engine",
            "report",
            "config",
            "http",
            "os",
            "graph",
            "scim",
            "store",
            "cycle",
            "notify",
            "scheduler",
            "web",
            "sandbox",
        ],
    ),
    ("sandbox", &[]),
    ("bench", &["engine", "config"]),
    ("fuzz", &["engine", "config", "scim"]),
    (
        "in_process",
        &["report", "config", "store", "cycle", "scheduler"],
    ),
];

/// What the engine must not touch: it decides, and others do.
const NOT_IN_ENGINE: &[&str] = &[
    "async fn",
    "async move",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "Instant::now",
    "SystemTime",
    "Utc::now",
    "fastrand::",
    "figment::",
    "new_v4",
    "serde::",
    "serde_json::",
    "tokio::",
    "tracing::",
];

/// Crates whose types must not leave the module that wraps them. Tests are exempt.
const CRATE_STAYS_IN: &[(&str, &[&str])] = &[
    ("axum::", &["sandbox", "web"]),
    ("clap::", &["cli"]),
    ("clap_mangen::", &["cli"]),
    ("roff::", &["cli"]),
    ("figment::", &["config"]),
    ("graph_rs_sdk::", &["graph"]),
    ("hyper::", &["web"]),
    ("lettre::", &["config", "notify"]),
    ("prometheus_client::", &["metrics", "web"]),
    ("postgres::", &["store"]),
    ("rusqlite::", &["store"]),
    ("zip::", &["cli"]),
    ("tokio_rustls::", &["notify", "store", "web"]),
];

/// A file with this many lines, tests included, is to be split by what belongs together.
const LONG: usize = 600;

/// Words that make a reader stop, each with what to write instead.
const WORST: &[(&str, &str)] = &[
    ("tell", "report, show, print"),
    ("tells", "reports, shows, prints"),
    ("told", "reported, shown, printed"),
    ("whoever", "users that"),
    ("somebody", "a user, an object"),
    ("nobody", "no user, no object"),
    ("beside", "next to, in addition to"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("slip", "typo"),
    ("all the same", "anyway"),
    ("as ever", "as before"),
    ("in doubt", "ambiguous, not certain"),
    ("asked for", "requested, required"),
    ("worked with", "usable"),
    ("broken off", "aborted"),
    ("gravest", "most severe"),
];

/// A file of the project, by its path from the root with `/` between folders.
struct Source {
    path: String,
    text: String,
}

#[test]
fn modules_import_only_what_they_may() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        let module = source.module();
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            if !matches!(module, "lib" | "main") {
                wrong.push(format!("{}: {module} is not in MAY_IMPORT", source.path));
            }
            continue;
        };
        for name in source.siblings() {
            if name != module && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{} must not import {name}", source.path));
            }
        }
    }
    assert_none("imports", &wrong);
}

#[test]
fn expressions_know_only_the_model_which_knows_only_itself() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        let known: &[&str] = if source.path.starts_with("src/engine/expr/") {
            &["expr", "model"]
        } else if source.path.starts_with("src/engine/model/") {
            &["model"]
        } else {
            continue;
        };
        for path in source.code().split("crate::engine::").skip(1) {
            let name = identifier(path);
            if !known.contains(&name) {
                wrong.push(format!("{} must not import engine::{name}", source.path));
            }
        }
    }
    assert_none("imports", &wrong);
}

#[test]
fn the_engine_touches_nothing() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        if source.module() != "engine" {
            continue;
        }
        let code = source.code();
        for forbidden in NOT_IN_ENGINE {
            if code.contains(forbidden) {
                wrong.push(format!("{}: {forbidden}", source.path));
            }
        }
    }
    assert_none("what the engine must not use", &wrong);
}

#[test]
fn reports_see_plans_in_their_shown_form_alone() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        if source.module() != "report" {
            continue;
        }
        let code = source.code();
        let imports = code.split("use crate::engine::").skip(1);
        let imports = imports.filter_map(|rest| rest.split(';').next());
        let mut names =
            imports.flat_map(|names| names.split(|c: char| !c.is_alphanumeric() && c != '_'));
        // What they hold may be marked by Redact; `Shown` and `ShownReview` are what may be printed.
        let whole = ["Review", "ClearedPlan", "Held", "Plan", "Outcome"];
        if let Some(name) = names.find(|name| whole.contains(name)) {
            wrong.push(format!("{}: {name}", source.path));
        }
    }
    assert_none("reports that see more than is shown", &wrong);
}

#[test]
fn crates_stay_behind_the_module_that_wraps_them() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        let code = source.code();
        for (crate_path, modules) in CRATE_STAYS_IN {
            if code.contains(crate_path) && !modules.contains(&source.module()) {
                wrong.push(format!("{}: {crate_path}", source.path));
            }
        }
    }
    assert_none("crates outside of their module", &wrong);
}

#[test]
fn only_explanations_suppose_a_reading() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        let path = source.path.as_str();
        let may = path == "src/cycle/explain.rs" || path.starts_with("src/engine/plan/");
        if !may && source.code().contains("supposing_a_reading") {
            wrong.push(source.path);
        }
    }
    assert_none("readings that are supposed", &wrong);
}

#[test]
fn only_pagers_say_that_a_reading_is_complete() {
    let mut wrong = Vec::new();
    for source in product_sources() {
        let path = source.path.as_str();
        let is_pager = path.starts_with("src/graph/")
            || path.starts_with("src/scim/reader")
            || path.starts_with("src/scim/pager");
        if !is_pager && source.code().contains("Complete::after_last_page") {
            wrong.push(source.path);
        }
    }
    assert_none("calls of Complete::after_last_page", &wrong);
}

#[test]
fn only_the_store_takes_proofs_from_its_records() {
    let wrong: Vec<String> = product_sources()
        .into_iter()
        .filter(|source| !source.path.starts_with("src/store/"))
        .filter(|source| source.code().contains("Proof::on_record"))
        .map(|source| source.path)
        .collect();
    assert_none("calls of Proof::on_record", &wrong);
}

#[test]
fn every_source_file_opens_with_what_it_is_for() {
    let wrong: Vec<String> = rust_sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path)
        .collect();
    assert_none("files without //! on the first line", &wrong);
}

#[test]
fn no_file_grows_too_long() {
    let wrong: Vec<String> = rust_sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines >= LONG)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert_none(&format!("files of {LONG} lines or more"), &wrong);
}

#[test]
fn text_for_users_is_in_plain_words() {
    let mut wrong = Vec::new();
    let mut judge = |path: &str, number: usize, text: &str| {
        let text = text.to_lowercase();
        for (word, instead) in WORST {
            if has_word(&text, word) {
                wrong.push(format!("{path}:{number}: {word}; write {instead}"));
            }
        }
    };
    for source in product_sources() {
        if matches!(source.module(), "sandbox" | "bench" | "fuzz") {
            continue;
        }
        for (number, text) in source.literals() {
            judge(&source.path, number, &text);
        }
        // These comments are the help of the commands.
        if source.path.starts_with("src/cli/args/") {
            for (number, line) in source.text.lines().enumerate() {
                if line.trim_start().starts_with("///") {
                    judge(&source.path, number + 1, line);
                }
            }
        }
    }
    let is_page = |path: &str| {
        path.starts_with("docs/")
            || path.starts_with("presets/")
            || matches!(path, "README.md" | "CHANGELOG.md" | "config.example.toml")
    };
    for source in sources(is_page) {
        for (number, line) in source.text.lines().enumerate() {
            judge(&source.path, number + 1, line);
        }
    }
    assert_none("words to replace", &wrong);
}

#[test]
fn names_of_tests_are_in_plain_words() {
    let mut wrong = Vec::new();
    for source in rust_sources() {
        let mut is_test = false;
        for line in source.text.lines().map(str::trim_start) {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) else {
                continue;
            };
            is_test = false;
            let name = identifier(rest);
            let words = name.replace('_', " ");
            let found = WORST.iter().filter(|(word, _)| has_word(&words, word));
            wrong.extend(found.map(|(word, instead)| format!("{name}: {word}; write {instead}")));
        }
    }
    assert_none("words to replace in names of tests", &wrong);
}

/// Whether a text has the word, and not only as a part of another or of an address.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '@' || c == '-';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // In two halves, so that this file does not name them either.
    let needles = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("registry.", "npmjs"),
        concat!("python", "hosted.org"),
        concat!("index.", "crates.io"),
    ];
    let mut wrong = Vec::new();
    for source in sources(|_| true) {
        for (number, line) in source.text.lines().enumerate() {
            if let Some(needle) = needles.iter().find(|needle| line.contains(*needle)) {
                wrong.push(format!("{}:{}: {needle}", source.path, number + 1));
            }
        }
    }
    assert_none("places of one machine or one mirror", &wrong);
}

impl Source {
    /// The top-level module that the file belongs to: `graph` for `src/graph/wire.rs`.
    fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        below
            .split('/')
            .next()
            .unwrap_or(below)
            .trim_end_matches(".rs")
    }

    /// How many modules deep the file is: 1 for `src/graph/mod.rs`, 2 for `src/graph/wire.rs`.
    fn depth(&self) -> usize {
        let folders = self.path.matches('/').count();
        if self.path.ends_with("/mod.rs") {
            folders - 1
        } else {
            folders
        }
    }

    fn without_inline_tests(&self) -> &str {
        let end = self.text.find("#[cfg(test)]\nmod tests {");
        &self.text[..end.unwrap_or(self.text.len())]
    }

    /// The lines that the compiler reads, without inline tests.
    fn code(&self) -> String {
        self.without_inline_tests()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .fold(String::new(), |code, line| code + line + "\n")
    }

    /// The texts in quotation marks, each with its line.
    fn literals(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut rest = self.without_inline_tests();
        let mut line = 1;
        while let Some(at) = rest.find(['"', '\'', '/']) {
            line += rest[..at].matches('\n').count();
            let is_raw = rest[..at].trim_end_matches('#').ends_with('r');
            let fences = rest[..at].len() - rest[..at].trim_end_matches('#').len();
            let here = &rest[at..];
            let length = if here.starts_with("//") {
                here.find('\n').unwrap_or(here.len())
            } else if here.starts_with("'\"'") || here.starts_with("'\\") {
                here[2..].find('\'').map_or(here.len(), |end| end + 3)
            } else if !here.starts_with('"') {
                1
            } else if is_raw {
                let fence = format!("\"{}", "#".repeat(fences));
                let end = here[1..].find(&fence);
                end.map_or(here.len(), |end| end + 1 + fence.len())
            } else {
                end_of_literal(here)
            };
            if here.starts_with('"') {
                found.push((line, here[..length].to_owned()));
            }
            line += here[..length].matches('\n').count();
            rest = &here[length..];
        }
        found
    }

    /// Every name that is looked up in the root of the crate, by `crate::` or by enough `super::`.
    fn siblings(&self) -> Vec<String> {
        let code = self.code();
        let to_root = "super::".repeat(self.depth());
        let by_crate = code.split("crate::").skip(1);
        // A longer chain would leave the crate and not compile, so each chain is found once.
        let by_super = code
            .match_indices(&to_root)
            .map(|(at, chain)| &code[at + chain.len()..])
            .filter(|path| !path.starts_with("super::"));
        by_crate.chain(by_super).flat_map(first_names).collect()
    }
}

/// How long a literal is that `text` starts with, its quotation marks included.
fn end_of_literal(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '"' if !is_escaped => return at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

/// The names that a path starts with: several, where it starts with a list.
fn first_names(path: &str) -> Vec<String> {
    let Some(list) = path.strip_prefix('{') else {
        return vec![identifier(path).to_owned()];
    };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut rest = list;
    while let Some(at) = rest.find(['{', '}', ',']) {
        if depth == 0 {
            names.push(identifier(rest.trim_start()).to_owned());
        }
        match rest.as_bytes()[at] {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            _ => {}
        }
        rest = &rest[at + 1..];
    }
    // A comma at the end, or behind a list in the list, has nothing in front of it.
    names.retain(|name| !name.is_empty());
    names
}

/// The name that `text` starts with; empty where it starts with something else.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The program's own code, without files and folders of tests.
fn product_sources() -> Vec<Source> {
    sources(|path| {
        let is_test = path
            .split('/')
            .any(|part| matches!(part, "tests" | "tests.rs" | "testing" | "testing.rs"));
        path.starts_with("src/") && is_rust(path) && !is_test
    })
}

fn rust_sources() -> Vec<Source> {
    sources(is_rust)
}

fn is_rust(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "rs")
}

/// The text files of the project whose path is `wanted`. Build output and what a developer keeps next to
/// it is not part of the project.
fn sources(wanted: impl Fn(&str) -> bool) -> Vec<Source> {
    const FOLDERS: &[&str] = &[
        ".ci", "benches", "docs", "presets", "src", "systemd", "tests",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_ours = Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "md" || extension == "toml");
        if path.is_file() && (is_ours || name == "Cargo.lock") {
            files.push(path);
        } else if FOLDERS.contains(&name.as_str()) {
            collect(&path, &mut files);
        }
    }
    files.sort();
    assert!(files.len() > 20, "the project is not at {}", root.display());
    let mut sources = Vec::new();
    for file in files {
        let below = file.strip_prefix(root).unwrap();
        let path = below.to_str().unwrap().replace('\\', "/");
        if !wanted(&path) {
            continue;
        }
        // What is not text has no lines to look at.
        if let Ok(text) = fs::read_to_string(&file) {
            sources.push(Source { path, text });
        }
    }
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}
