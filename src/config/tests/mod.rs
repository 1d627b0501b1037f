//! Whole configurations, right and wrong.

mod access;
mod credentials;
mod database;
mod environment;
mod example;
mod keys;
mod meaning;
mod notify;
mod presets;
mod reading;
mod rules;
mod secrets;
mod sense;
mod sources;
mod web;

use std::fs;

use super::*;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

const SOURCE: &str = r#"
[source]
tenant_id = "00001111-aaaa-2222-bbbb-3333cccc4444"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "ENTRAIN_CLIENT_SECRET" }
"#;

const JOB: &str = r#"
[[jobs]]
name = "acme"
application = { app_id = "22223333-cccc-4444-dddd-5555eeee6666" }
[jobs.target]
base_url = "https://acme.example/scim"
token = { env = "ACME_TOKEN" }
"#;

/// A folder with the configuration, so that paths inside it can be tried.
fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    load_in(folder.path(), text, variables)
}

fn load_in(folder: &Path, text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let file = folder.join("entrain.toml");
    fs::write(&file, text).unwrap();
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    load_with(&file, &variables).map_err(|problems| {
        // Snapshots do not know the folder.
        let shorten = |text: &str| text.replace(&format!("{}/", folder.display()), "");
        let shorten = |list: Vec<Problem>| {
            let list = list.into_iter().map(|problem| Problem {
                file: shorten(&problem.file.display().to_string()).into(),
                message: shorten(&problem.message),
                ..problem
            });
            list.collect()
        };
        Problems {
            problems: shorten(problems.problems),
            warnings: shorten(problems.warnings),
        }
    })
}

/// What is reported of a configuration made of a good source, a good job and more lines of that job.
fn told(more: &str) -> String {
    told_whole(&format!("{SOURCE}{JOB}{more}"))
}

fn told_whole(text: &str) -> String {
    told_with(text, &[])
}

fn told_with(text: &str, variables: &[(&str, &str)]) -> String {
    match load_text(text, variables) {
        Ok(loaded) if loaded.warnings.is_empty() => "no problem".to_owned(),
        Ok(loaded) => {
            let lines = loaded.warnings.iter().map(|warning| {
                // The folder is a temporary one.
                let text = warning.to_string();
                match text.find("entrain.toml") {
                    Some(at) => format!("warning: {}", &text[at..]),
                    None => format!("warning: {text}"),
                }
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        Err(problems) => problems.to_string(),
    }
}

fn load_ok(text: &str) -> Config {
    load_text(text, &[])
        .unwrap_or_else(|err| panic!("{err}"))
        .config
}

fn job_with(more: &str) -> Job {
    let mut config = load_ok(&format!("{SOURCE}{JOB}{more}"));
    config.jobs.remove(0)
}
