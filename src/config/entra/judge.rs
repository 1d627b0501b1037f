//! Whether the configuration would take what is about to be written. The checks are those of the
//! configuration itself, on a small one that holds nothing else.

use std::path::Path;
use std::rc::Rc;

use crate::config::document::Document;
use crate::config::file::File;
use crate::config::problem::{Log, Problem};
use crate::config::resolve;
use crate::engine::model::ObjectKind;

/// Where nothing is left to be filled in.
const SOURCE: &str = r#"
[source]
tenant_id = "00000000-0000-0000-0000-000000000000"
client_id = "00000000-0000-0000-0000-000000000000"
client_secret = { env = "NAME" }
"#;
const JOB: &str = r#"
[[jobs]]
name = "x"
preset = "none"
application = { app_id = "00000000-0000-0000-0000-000000000000" }
[jobs.target]
base_url = "https://scim.example.com"
token = { env = "NAME" }
"#;

/// What is wrong with a mapping, written as an inline table on one line.
pub(super) fn mapping(kind: ObjectKind, line: &str) -> Option<String> {
    let section = section(kind);
    let text = format!("{SOURCE}{JOB}[jobs.{section}]\nmappings = [ {line} ]\n");
    first(&text, &format!("jobs.x.{section}.mappings[0]"))
}

/// What is wrong with a scoping filter, written as a list.
pub(super) fn filters(kind: ObjectKind, list: &str) -> Option<String> {
    let section = section(kind);
    let text = format!("{SOURCE}{JOB}[jobs.{section}]\nfilters = {list}\n");
    first(&text, &format!("jobs.x.{section}.filters"))
}

/// What is wrong with a job's name, written with its quotes.
pub(super) fn name(quoted: &str) -> Option<String> {
    let text = format!("{SOURCE}{}", JOB.replace("\"x\"", quoted));
    let problems = problems(&text);
    let found = problems
        .iter()
        .find(|one| one.key.rsplit('.').next() == Some("name"))?;
    Some(words(found))
}

/// What is wrong with a whole job apart from what is still to be filled in.
pub(super) fn job(text: &str) -> Vec<String> {
    let to_fill_in = [".application", ".target.base_url", ".target.token"];
    problems(&format!("{SOURCE}{text}"))
        .iter()
        .filter(|problem| !to_fill_in.iter().any(|key| problem.key.ends_with(key)))
        .map(|problem| format!("{}: {}", problem.key, words(problem)))
        .collect()
}

/// `users` or `groups`, as the sections are called.
pub(super) fn section(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::User => "users",
        ObjectKind::Group => "groups",
    }
}

fn first(text: &str, key: &str) -> Option<String> {
    let problems = problems(text);
    let own = problems.iter().find(|problem| problem.key.starts_with(key));
    // What is not even TOML has no key.
    own.or_else(|| problems.iter().find(|problem| problem.key.is_empty()))
        .map(words)
}

fn problems(text: &str) -> Vec<Problem> {
    let mut log = Log::default();
    match Document::parse(Path::new(""), text) {
        Ok(document) => {
            let file = File::read(&Rc::new(document), &mut log);
            resolve::resolve(&file, Path::new(""), &mut log);
        }
        Err(problem) => log.problem(*problem),
    }
    log.problems
}

/// On one line; the part of an expression that is shown below its error is left out.
fn words(problem: &Problem) -> String {
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let (message, remedy) = (first(&problem.message), first(&problem.remedy));
    if remedy.is_empty() {
        message
    } else {
        format!("{message}; {remedy}")
    }
}
