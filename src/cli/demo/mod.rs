//! `entrain demo`: a simulated tenant and a simulated target on loopback, and real cycles between
//! them. Needs no network and no account, and leaves nothing behind unless `--keep` says so.

mod play;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tempfile::TempDir;

use play::{Joined, Renamed};

use super::args;
use super::cycles;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::load;
use super::output::Output;
use super::plan::view;
use super::rows::LedgerRows;
use super::usage::Usage;
use crate::config::{Config, Job};
use crate::cycle::{Agent, Options};
use crate::engine::model::JobName;
use crate::engine::redact::Redactions;
use crate::engine::summary::Summary;
use crate::os;
use crate::report::json::Document;
use crate::report::text;
use crate::sandbox::{self, Sandbox, Size};
use crate::scheduler;
use crate::store::{Lock, Store};

/// The same tenant every time.
const SEED: u64 = 20;
const USERS_PER_GROUP: usize = 10;
const MEMBERSHIPS_PER_USER: usize = 5;

pub(super) async fn demo(output: Output, arguments: args::Demo) -> anyhow::Result<Exit> {
    let place = Place::make(&arguments)?;
    let interrupt = Interrupt::listen(output)?;
    let users = usize::try_from(arguments.users)?;
    let size = Size::new(users, users / USERS_PER_GROUP, users * MEMBERSHIPS_PER_USER);
    let sandbox = Sandbox::start(sandbox::Options {
        seed: SEED,
        size,
        ..sandbox::Options::default()
    });
    let sandbox = sandbox.await.context("could not start the simulation")?;
    let file = write_files(place.path(), &sandbox)?;
    let config = Arc::new(load::config_alone(output, &file)?);

    let mut out = output.results();
    let mut story = Story {
        output,
        text: output.text(),
        document: output.document(&mut out)?,
    };
    let shown = show(&mut story, &config, &sandbox, &interrupt).await;
    if let Some(mut document) = story.document.take() {
        // The document is the only one on standard output, also when the demo fails.
        if let Err(error) = &shown {
            let error = output.error_of(&JobName::new("demo"), error);
            document.error(&JobName::new("demo"), &error)?;
        }
        document.end()?;
        drop(story);
        out.flush()?;
        if shown.is_err() {
            return Ok(Exit::Failed);
        }
    } else {
        drop(story);
        shown?;
    }
    if arguments.keep {
        output.message(&format!(
            "\nThe tenant and the target keep running until Ctrl-C. In another terminal:\n  \
             entrain --config {0} status\n  entrain --config {0} plan\n\
             The target is at {1} (token in {2}).\n\n{3}",
            file.display(),
            sandbox.scim_url(),
            place.path().join(TARGET_TOKEN).display(),
            play::HELP,
        ));
        play::play(output, &sandbox, &interrupt).await;
    }
    sandbox.stop().await;
    Ok(Exit::Done)
}

/// Where config, secrets and state of the demo are.
enum Place {
    /// Gone with the process.
    Private(TempDir),
    Kept(PathBuf),
}

impl Place {
    fn make(arguments: &args::Demo) -> anyhow::Result<Self> {
        if !arguments.keep {
            let folder = tempfile::Builder::new().prefix("entrain-demo-").tempdir();
            return Ok(Self::Private(folder.context("could not make a directory")?));
        }
        let folder = &arguments.directory;
        match os::make_private_folder(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let message = format!(
                    "{} already exists; choose another one with --directory",
                    folder.display()
                );
                return Err(Usage(message).into());
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("could not make the directory {}", folder.display()));
            }
        }
        Ok(Self::Kept(folder.clone()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Private(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }
}

const CLIENT_SECRET: &str = "client-secret";
const TARGET_TOKEN: &str = "target-token";

/// A configuration as anybody would write it, but for the addresses.
fn write_files(folder: &Path, sandbox: &Sandbox) -> anyhow::Result<PathBuf> {
    let folder = std::path::absolute(folder).context("could not find the directory")?;
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    let path = |name: &str| quoted(&folder.join(name).to_string_lossy());
    let text = format!(
        r#"# The configuration of the demo. The addresses are those of the simulation.

[state]
path = {state}

[source]
tenant_id = {tenant_id}
client_id = {client_id}
client_secret = {{ file = {client_secret} }}
login_url = {login_url}
graph_url = {graph_url}

[[jobs]]
name = "demo"
preset = "generic"
application = {{ app_id = {app_id} }}

[jobs.target]
base_url = {base_url}
token = {{ file = {token} }}

[jobs.scope]
mode = "assigned"
"#,
        state = path("entrain.db"),
        tenant_id = quoted(&sandbox.tenant_id()),
        client_id = quoted(&sandbox.client_id()),
        client_secret = path(CLIENT_SECRET),
        login_url = quoted(&sandbox.login_url()),
        graph_url = quoted(&sandbox.graph_url()),
        app_id = quoted(&sandbox.app_id()),
        base_url = quoted(&sandbox.scim_url()),
        token = path(TARGET_TOKEN),
    );
    write_private(&folder.join(CLIENT_SECRET), &sandbox.client_secret())?;
    write_private(&folder.join(TARGET_TOKEN), &sandbox.scim_token())?;
    let file = folder.join("entrain.toml");
    write_private(&file, &text)?;
    Ok(file)
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = os::private(OpenOptions::new().write(true).create_new(true)).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("could not write {}", path.display()))
}

/// What is reported while it happens: text, or one JSON document of every cycle and plan.
struct Story<'a, W> {
    output: Output,
    text: W,
    document: Option<Document<&'a mut dyn std::io::Write>>,
}

impl<W: Write> Story<'_, W> {
    fn tell(&mut self, line: &str) -> io::Result<()> {
        if self.document.is_none() {
            writeln!(self.text, "{line}")?;
            self.text.flush()?;
        }
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        match &mut self.document {
            Some(document) => document.summary(summary),
            None => text::summary(&mut self.text, summary, self.output.style()),
        }
    }
}

async fn show<W: Write>(
    story: &mut Story<'_, W>,
    config: &Arc<Config>,
    sandbox: &Sandbox,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let job = config.jobs.first().context("the demo has no job")?;
    let lock = Lock::acquire(&config.state.path, "demo")?;
    let state = Arc::new(Store::open(&config.state)?);
    state.take_over(&lock, scheduler::now())?;
    let agent = Agent::new(
        Arc::clone(config),
        state,
        interrupt.stop.clone(),
        scheduler::now,
    )?;
    let act = Stage {
        config,
        job,
        agent: &agent,
        interrupt,
    };

    story.tell(&format!(
        "1. A simulated tenant with {} users and {} groups, and an empty SCIM target:\n   {}\n   {}\n\n\
         2. The initial cycle.",
        sandbox.tenant.users().len(),
        sandbox.tenant.groups().len(),
        sandbox.graph_url(),
        sandbox.scim_url(),
    ))?;
    act.cycle(story).await?;
    story.tell(&format!(
        "   The target holds {} users and {} groups now.\n\n\
         3. Another cycle, with nothing changed.",
        sandbox.target.user_count(),
        sandbox.target.group_count(),
    ))?;
    let summary = act.cycle(story).await?;
    ensure!(
        summary.requests.target == 0,
        "the cycle without changes sent {} requests to the target",
        summary.requests.target
    );
    story.tell("   It sent no request to the target at all.\n\n4. Meanwhile, in the tenant:")?;
    let changes = change(sandbox)?;
    for line in &changes.told {
        story.tell(&format!("   - {line}"))?;
    }
    story.tell("\n5. The plan: what the next cycle would do (entrain plan).\n")?;
    let writes = sandbox.target.writes();
    act.plan(story).await?;
    ensure!(
        sandbox.target.writes() == writes,
        "making a plan changed the target"
    );
    story.tell("\n6. The cycle itself (entrain sync).")?;
    act.cycle(story).await?;
    story.tell("\n7. What the target holds now:")?;
    for line in verify(sandbox, &changes)? {
        story.tell(&format!("   ✓ {line}"))?;
    }
    story.tell(
        "\nThat is all. For your own tenant: entrain init writes a configuration, entrain test tests \
         the connections, entrain plan shows what would change, and entrain sync or entrain run \
         changes it.",
    )?;
    Ok(())
}

struct Stage<'a> {
    config: &'a Arc<Config>,
    job: &'a Job,
    agent: &'a Agent,
    interrupt: &'a Interrupt,
}

impl Stage<'_> {
    async fn cycle<W: Write>(&self, story: &mut Story<'_, W>) -> anyhow::Result<Summary> {
        let options = Options::default();
        let cycle = cycles::run(story.output, self.agent, self.interrupt, self.job, &options);
        let summary = cycle.await?;
        story.summary(&summary)?;
        ensure!(
            Exit::of(summary.health()) == Exit::Done,
            "the cycle did not complete"
        );
        Ok(summary)
    }

    async fn plan<W: Write>(&self, story: &mut Story<'_, W>) -> anyhow::Result<()> {
        let state = Arc::new(Store::open_plan(&self.config.state)?);
        let agent = Agent::new(
            Arc::clone(self.config),
            Arc::clone(&state),
            self.interrupt.stop.clone(),
            scheduler::now,
        )?;
        let options = Options::default();
        let planning = cycles::plan(story.output, &agent, self.interrupt, self.job, &options);
        let planned = planning.await?;
        let rules = &self.job.rules;
        let rows = LedgerRows::new(&state, planned.cycle, Redactions::of(rules));
        let view = view(self.job, &planned, &rows, scheduler::now());
        match &mut story.document {
            Some(document) => document.plan(&view)?,
            None => text::plan(&mut story.text, &view, story.output.style())?,
        }
        Ok(())
    }
}

/// What was changed in the tenant, to be found again in the target.
struct Changes {
    told: Vec<String>,
    joiner: String,
    renamed: String,
    new_name: String,
    leaver: String,
    group: String,
}

fn change(sandbox: &Sandbox) -> anyhow::Result<Changes> {
    let Renamed {
        user: renamed,
        old,
        new: new_name,
    } = play::rename(sandbox, 0, "Evergreen")?;
    let leaver = play::leave(sandbox, 1)?;
    let Joined {
        name: joiner,
        group,
    } = play::join(sandbox, "Mira", "Newcomer")?;
    Ok(Changes {
        told: vec![
            format!("{joiner} joins, and becomes a member of {group}"),
            format!("{old} is renamed to {new_name}"),
            format!("{leaver} leaves: the account is deleted"),
        ],
        joiner,
        renamed,
        new_name,
        leaver,
        group,
    })
}

/// Looks the changes up in the target itself.
fn verify(sandbox: &Sandbox, changes: &Changes) -> anyhow::Result<Vec<String>> {
    let Changes {
        told: _,
        joiner,
        renamed,
        new_name,
        leaver,
        group,
    } = changes;
    let target = &sandbox.target;
    let user = |name: &str| {
        let found = target.find_user_by("userName", name);
        found.with_context(|| format!("the target does not know {name}"))
    };
    let joined = user(joiner)?;
    ensure!(joined["active"] == json!(true), "{joiner} is not active");
    let found = user(renamed)?;
    ensure!(
        found["displayName"] == json!(new_name),
        "{renamed} has another name"
    );
    let left = user(leaver)?;
    ensure!(left["active"] == json!(false), "{leaver} is still active");
    let in_group = target
        .find_group_by("displayName", group)
        .with_context(|| format!("the target does not know the group {group}"))?;
    let members = target.members(in_group["id"].as_str().unwrap_or_default());
    let joined_id = joined["id"].as_str().unwrap_or_default();
    ensure!(
        members.iter().any(|member| member == joined_id),
        "{joiner} is not a member of {group}"
    );
    Ok(vec![
        format!("{joiner} exists, is active, and is a member of {group}"),
        format!("{renamed} is called {new_name}"),
        format!("{leaver} is disabled, and not deleted"),
    ])
}
