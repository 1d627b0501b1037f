//! `entrain init`: writes a commented configuration, from flags or by asking. Asks only when standard
//! input is a terminal; what was not given becomes a placeholder that is commented out.

use std::io::{self, BufRead as _, IsTerminal, Write as _};

use anyhow::Context as _;

use super::args;
use super::exit::Exit;
use super::new_file::{self, write_new};
use super::output::{Output, is_standard_output};
use super::usage::Usage;
use crate::config::{self, Answer, preset};
use crate::engine::model::nearest;

/// The preset of a target that was not named.
const DEFAULT_PRESET: &str = "generic";

pub(super) fn init(output: Output, mut answers: args::Init) -> anyhow::Result<Exit> {
    if let Some(preset) = &answers.preset {
        check_preset(preset)?;
    }
    // Asking first and refusing then would be rude.
    let to_standard_output = is_standard_output(&answers.output);
    if !to_standard_output && answers.output.exists() {
        return Err(new_file::exists(&answers.output).into());
    }
    if io::stdin().is_terminal() {
        ask_at_terminal(output, &mut answers)?;
    }
    let text = render(&answers);
    let mut out = output.results();
    if to_standard_output {
        if output.is_json() {
            let document = serde_json::json!({ "format": 1, "written": null, "config_toml": text });
            writeln!(out, "{document}")?;
        } else {
            out.write_all(text.as_bytes())?;
        }
        out.flush()?;
        return Ok(Exit::Done);
    }
    write_new(&answers.output, &text)?;
    let file = answers.output.display();
    if output.is_json() {
        let document = serde_json::json!({
            "format": 1,
            "written": file.to_string(),
            "config_toml": text,
        });
        writeln!(out, "{document}")?;
    } else {
        writeln!(
            out,
            "Wrote {file}. Next: set the secrets it names, then\n  \
             entrain --config {file} check\n  entrain --config {file} test\n  entrain --config {file} plan"
        )?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn check_preset(name: &str) -> Result<(), Usage> {
    // A path names a preset of the user's own.
    if preset::names().any(|known| known == name) || name.contains(['/', '.']) {
        return Ok(());
    }
    let names: Vec<_> = preset::names().collect();
    let hint = match nearest(name, preset::names()) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => format!("there are: {}", names.join(", ")),
    };
    Err(Usage(format!("there is no preset \"{name}\"; {hint}")))
}

/// What asks: a question gives a line, or nothing where input has ended.
struct Dialog<'a> {
    say: &'a mut dyn FnMut(&str),
    ask: &'a mut dyn FnMut(&str) -> anyhow::Result<Option<String>>,
}

impl Dialog<'_> {
    /// Asks until the answer is right; `None` when it is empty and there is no default, or when input
    /// has ended.
    fn ask(
        &mut self,
        question: &str,
        default: Option<&str>,
        fault: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Option<String>> {
        let default_text = default.map_or_else(String::new, |default| format!(" [{default}]"));
        loop {
            let line = (self.ask)(&format!("{question}{default_text}: "))?;
            let Some(answer) = line
                .as_deref()
                .map(str::trim)
                .filter(|text| !text.is_empty())
            else {
                return Ok(default.map(str::to_owned));
            };
            match fault(answer) {
                Some(fault) => (self.say)(&format!("  {fault}")),
                None => return Ok(Some(answer.to_owned())),
            }
        }
    }
}

fn ask_at_terminal(output: Output, answers: &mut args::Init) -> anyhow::Result<()> {
    let mut dialog = Dialog {
        say: &mut |text| output.message(text),
        ask: &mut |question| {
            output.prompt(question);
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            let length = read.context("could not read the answer")?;
            Ok((length > 0).then_some(line))
        },
    };
    ask_for_the_rest(&mut dialog, answers)
}

fn ask_for_the_rest(dialog: &mut Dialog<'_>, answers: &mut args::Init) -> anyhow::Result<()> {
    if answers.preset.is_none() {
        (dialog.say)("Kinds of target:");
        for name in preset::names() {
            let title = preset::title(name).unwrap_or_default();
            (dialog.say)(&format!("  {name:15} {title}"));
        }
        let unknown = |name: &str| check_preset(name).err().map(|error| error.to_string());
        answers.preset = dialog.ask("Preset", Some(DEFAULT_PRESET), &unknown)?;
    }
    let preset = answers.preset.clone().unwrap_or_default();
    if answers.name.is_none() {
        let fault = |name: &str| config::fault(Answer::JobName, name);
        answers.name = dialog.ask("Name of the job", Some(&preset), &fault)?;
    }
    let has_address = preset::address(&preset).is_some();
    for (question, kind, answer) in [
        (
            "Directory (tenant) id",
            Answer::Tenant,
            &mut answers.tenant_id,
        ),
        (
            "Application (client) id of entrain itself",
            Answer::Id,
            &mut answers.client_id,
        ),
        (
            "Application id of the enterprise application",
            Answer::Id,
            &mut answers.app_id,
        ),
        (
            "Address of the target's SCIM service",
            Answer::Address,
            &mut answers.base_url,
        ),
    ] {
        if answer.is_some() || (kind == Answer::Address && has_address) {
            continue;
        }
        let fault = |text: &str| config::fault(kind, text);
        *answer = dialog.ask(&format!("{question} (empty: later)"), None, &fault)?;
    }
    Ok(())
}

fn render(answers: &args::Init) -> String {
    let args::Init {
        output: _,
        preset,
        name,
        tenant_id,
        client_id,
        app_id,
        base_url,
    } = answers;
    let preset = preset.as_deref().unwrap_or(DEFAULT_PRESET);
    let name = name.as_deref().unwrap_or(preset);
    let title = preset::title(preset).map_or_else(String::new, |title| format!("   # {title}"));
    let tenant_id = line(
        "tenant_id",
        tenant_id.as_deref(),
        "00000000-0000-0000-0000-000000000000",
        "Entra ID, Overview: Tenant ID",
    );
    let client_id = line(
        "client_id",
        client_id.as_deref(),
        "00000000-0000-0000-0000-000000000000",
        "App registration of entrain: Application (client) ID",
    );
    let application = match app_id {
        Some(app_id) => format!("application = {{ app_id = {} }}", quoted(app_id)),
        None => "# application = { app_id = \"00000000-0000-0000-0000-000000000000\" }".to_owned(),
    };
    let base_url = match preset::address(preset) {
        Some(address) => line(
            "base_url",
            base_url.as_deref(),
            &address,
            "from the preset: the same for all customers",
        ),
        None => line(
            "base_url",
            base_url.as_deref(),
            "https://example.com/scim/v2",
            "from the target's administration pages",
        ),
    };
    let variable = quoted(&token_variable(name));
    let (name, preset) = (quoted(name), quoted(preset));
    format!(
        r#"# Configuration of entrain. Check it with: entrain check
# Every key can be overridden by the environment: ENTRAIN_SCHEDULE__INTERVAL=20m sets schedule.interval.
# Secrets are never written here. A secret is {{ env = "NAME" }}, {{ file = "PATH" }} or
# {{ credential = "NAME" }} (a file in systemd's credentials directory).

[state]
path = "entrain.db"                   # SQLite, created when missing

[source]                              # the Entra tenant
{tenant_id}
{client_id}
client_secret = {{ env = "ENTRAIN_CLIENT_SECRET" }}
# cloud = "global"                    # global | us-gov | us-gov-dod | china
# The app registration needs these application permissions of Microsoft Graph, with admin consent:
# User.Read.All, GroupMember.Read.All, Application.Read.All

[schedule]
interval = "40m"                      # from the start of one cycle to the start of the next
# cron = "0 0 * * * *"                # instead: second minute hour day month weekday
# timezone = "UTC"                    # of cron
# jitter = "0s"                       # each start is delayed by a random time up to this

[[jobs]]
name = {name}
preset = {preset}{title}
# The enterprise application whose assignments are provisioned. Or by {{ service_principal_id = "…" }}
# or {{ display_name = "…" }}.
{application}

[jobs.target]
{base_url}
token = {{ env = {variable} }}
# concurrency = 8                     # requests at the same time
# requests_per_second = 25            # an example; no limit when absent
# timeout = "60s"                     # of one request

[jobs.scope]
mode = "assigned"                     # assigned | all | groups
# nested_groups = false               # true: members of members too
# groups = ["Sales"]                  # for mode = "groups": by id or display name, without assignments
# exclude = []                        # ids or principal names that are never provisioned

[jobs.users]
# actions = ["create", "update", "delete"]
# when_out_of_scope = "disable"       # disable | delete | keep
# filters = [ {{ all = [ {{ attribute = "department", operator = "EQUALS", value = "Sales" }} ] }} ]

# [[jobs.users.mappings]]             # replaces the preset's mapping of the same target attribute
# target = "title"
# source = "jobTitle"                 # or expression = '…', or constant = "…"; remove = true drops the preset's

# [jobs.groups]
# enabled = true                      # same keys as jobs.users

[jobs.safety]
# max_deletions = "10%"               # disables and deletes in 24 hours, counted separately for users and groups, above which
                                      # they are held; or a number; default: the smaller of 500 and 10%, at least 5
# max_membership_removals = "20%"     # the same for members removed from groups; default: 20%, at least 50
"#
    )
}

/// `key = "value"`, or a placeholder that is commented out.
fn line(key: &str, value: Option<&str>, placeholder: &str, hint: &str) -> String {
    match value {
        Some(value) => format!("{key} = {}", quoted(value)),
        None => format!("# {key} = \"{placeholder}\"   # {hint}"),
    }
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// `WIZER_TOKEN` for the job wizer.
fn token_variable(job: &str) -> String {
    let name: String = job
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    // A variable's name does not begin with a digit.
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{name}_TOKEN")
    } else {
        format!("{name}_TOKEN")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn answers(folder: &Path) -> args::Init {
        args::Init {
            output: folder.join("entrain.toml"),
            preset: Some("wizer".to_owned()),
            name: Some("wizer".to_owned()),
            tenant_id: Some("11111111-2222-3333-4444-555555555555".to_owned()),
            client_id: Some("21111111-2222-3333-4444-555555555555".to_owned()),
            app_id: Some("31111111-2222-3333-4444-555555555555".to_owned()),
            base_url: Some("https://example.com/scim/v2".to_owned()),
        }
    }

    #[test]
    fn what_is_written_with_all_answers_is_valid_for_every_preset() {
        for preset in preset::names() {
            let folder = tempfile::tempdir().unwrap();
            let answers = args::Init {
                preset: Some(preset.to_owned()),
                name: None,
                ..answers(folder.path())
            };
            write_new(&answers.output, &render(&answers)).unwrap();
            let loaded = config::load(&answers.output).unwrap_or_else(|problems| {
                panic!("{preset}: {problems}");
            });
            assert_eq!(loaded.config.jobs[0].rules.name.as_str(), preset);
            assert!(loaded.config.jobs[0].enabled);
        }
    }

    /// A value that is commented out is the default; what has none is marked as an example or an
    /// alternative.
    #[test]
    fn commented_values_are_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let answers = answers(folder.path());
        let text = render(&answers);
        let load = |text: &str| {
            std::fs::write(&answers.output, text).unwrap();
            config::load(&answers.output).map(|loaded| format!("{:?}", loaded.config))
        };
        let before = load(&text).unwrap();
        let mut tried = 0;
        for line in text.lines() {
            let Some(plain) = line.strip_prefix("# ") else {
                continue;
            };
            let is_key = plain
                .split_once(" = ")
                .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            let has_no_default = [
                "cron = ",
                "requests_per_second",
                "groups = ",
                "filters",
                "target =",
                "source =",
                "enabled",
                "max_",
                "timezone",
            ];
            if !is_key || has_no_default.iter().any(|key| plain.starts_with(key)) {
                continue;
            }
            tried += 1;
            let after = load(&text.replace(line, plain));
            assert_eq!(after.as_ref(), Ok(&before), "{plain}");
        }
        assert!(tried >= 7, "{tried}");
    }

    /// Answers the questions in order; gives what was asked and said.
    fn dialog(lines: &[&str]) -> (args::Init, Vec<String>) {
        let told = std::cell::RefCell::new(Vec::new());
        let mut lines = lines.iter();
        let mut answers = args::Init::default();
        let mut dialog = Dialog {
            say: &mut |text| told.borrow_mut().push(text.to_owned()),
            ask: &mut |question| {
                told.borrow_mut().push(question.to_owned());
                Ok(lines.next().map(|line| format!("{line}\n")))
            },
        };
        ask_for_the_rest(&mut dialog, &mut answers).unwrap();
        (answers, told.into_inner())
    }

    #[test]
    fn answers_are_checked_as_they_are_given() {
        let id = "11111111-2222-3333-4444-555555555555";
        let (answers, told) = dialog(&[
            "wiser",
            "generic",
            "my job",
            "acme",
            "contoso",
            id,
            "s3cret~value",
            id,
            "",
            "acme.example",
            "https://acme.example/scim/Users",
            "https://acme.example/scim",
        ]);
        let told = told.join("\n");
        for fault in [
            "there is no preset \"wiser\"; did you mean \"wizer\"?",
            "\"my job\" is not a valid job name",
            "this is neither an id nor a domain name",
            "this is not an id of the form",
            "this is not an address",
            "this is the address of one resource type",
        ] {
            assert!(told.contains(fault), "{fault}\n{told}");
        }
        assert!(!told.contains("s3cret"), "{told}");
        assert_eq!(answers.name.as_deref(), Some("acme"));
        assert_eq!(answers.tenant_id.as_deref(), Some(id));
        assert_eq!(answers.app_id, None);
        assert_eq!(
            answers.base_url.as_deref(),
            Some("https://acme.example/scim")
        );
    }

    #[test]
    fn the_address_of_a_target_with_one_public_address_is_not_requested() {
        let (mut answers, told) = dialog(&["wizer"]);
        assert!(
            !told.iter().any(|line| line.contains("Address")),
            "{told:#?}"
        );
        let id = "11111111-2222-3333-4444-555555555555";
        for one in [
            &mut answers.tenant_id,
            &mut answers.client_id,
            &mut answers.app_id,
        ] {
            *one = Some(id.to_owned());
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("entrain.toml");
        std::fs::write(&file, render(&answers)).unwrap();
        let loaded = config::load(&file).unwrap();
        let target = &loaded.config.jobs[0].target;
        assert_eq!(
            target.base_url,
            "https://api.wizer-training.com/api/v1/scim/v2"
        );
    }

    #[test]
    fn what_is_not_given_is_a_placeholder_that_check_reports() {
        let folder = tempfile::tempdir().unwrap();
        let answers = args::Init {
            output: folder.path().join("entrain.toml"),
            ..args::Init::default()
        };
        write_new(&answers.output, &render(&answers)).unwrap();
        let problems = config::load(&answers.output).unwrap_err().to_string();
        for key in ["tenant_id", "client_id", "application", "base_url"] {
            assert!(problems.contains(key), "{key}: {problems}");
        }
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let answers = answers(folder.path());
        std::fs::write(&answers.output, "mine").unwrap();
        assert!(
            write_new(&answers.output, "theirs")
                .unwrap_err()
                .is::<Usage>()
        );
        assert_eq!(std::fs::read_to_string(&answers.output).unwrap(), "mine");
    }

    #[test]
    fn answers_cannot_break_out_of_their_quotes() {
        for answer in ["a\"b\\c\nd", "'''\nx = 1", "\u{1b}[31m", "plain"] {
            let text = format!("key = {}", quoted(answer));
            let document: toml_edit::DocumentMut = text.parse().unwrap();
            assert_eq!(document["key"].as_str(), Some(answer));
            assert_eq!(document.len(), 1);
        }
    }

    #[test]
    fn the_token_variable_is_a_name_that_shells_take() {
        assert_eq!(token_variable("sonicwall-cse"), "SONICWALL_CSE_TOKEN");
        assert_eq!(token_variable("3cx"), "_3CX_TOKEN");
    }
}
