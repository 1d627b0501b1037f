//! `entrain run`: the service, until SIGTERM.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::timeout;

use super::control;
use super::exit::Exit;
use super::folder;
use super::load;
use super::output::Output;
use crate::config::{Problem, Problems};
use crate::os;
use crate::scheduler::{self, Service, View};
use crate::store::{Lock, Store};
use crate::web;

/// For the results of commands, when the service stops.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub(super) async fn run(output: Output, file: Option<&Path>) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    if !os::HAS_SERVICE {
        bail!(
            "the service runs on Linux and macOS only: on this system, run entrain sync with a scheduled task, or use WSL 2 or a container"
        );
    }
    // Where each source signs in a user, no cycle could run.
    let personal = config.sources.iter().map(|source| {
        let key = source.credential.personal()?;
        Some(source.key(key))
    });
    if let Some([key, ..]) = personal.collect::<Option<Vec<String>>>().as_deref() {
        bail!(
            "{key} signs in a user, and works only for the commands plan, test and import: use client_secret, \
             client_certificate, federated_token_file or managed_identity for sync and run"
        );
    }
    // Held until the end: no other process may run cycles on this state meanwhile.
    let lock = Arc::new(Lock::acquire(&config.state.path, "run")?);
    let store = Arc::new(Store::open(&config.state)?);
    let before = store.take_over(&lock, scheduler::now())?;
    // The file that was found at the start, even if an earlier place of the search has one by now.
    let file = config.file.clone();
    let reload = || match load::load(Some(&file)) {
        Ok(loaded) => Ok(loaded.config),
        Err(Problems { problems, .. }) => Err(problems.iter().map(Problem::one_line).collect()),
    };
    let settings = config.web.clone();
    let state_path = config.state.path.clone();
    let service = Service::new(config, Arc::clone(&store), before, Box::new(folder::write))
        .context("the service could not start")?;
    let page = match settings {
        Some(settings) => {
            let page = web::start(&settings, &store, service.view())
                .context("the status page could not start")?;
            Some(page)
        }
        None => None,
    };
    let noted = tokio::spawn(note_configurations(Arc::clone(&lock), service.view()));
    let commands = control::serve(&state_path, &store, service.view());
    service.run(&reload).await;
    // The results of their cycles, which have ended. It has said itself what went wrong.
    let _ = timeout(LAST_WORDS, commands).await;
    if let Some(page) = page {
        page.end().await;
    }
    let _ = noted.await;
    Ok(Exit::Done)
}

/// Keeps on record which configuration is in force, for commands that have another one.
async fn note_configurations(lock: Arc<Lock>, mut view: View) {
    let stop = view.stop.clone();
    loop {
        let config = view.config();
        let jobs = config.jobs.iter();
        let digests = jobs.map(|job| (job.rules.name.clone(), job.configuration().digest));
        if let Err(error) = lock.note_configurations(&digests.collect()) {
            tracing::debug!(%error, "the configuration in force is not on record");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            is_there = view.reloaded() => if !is_there {
                return;
            }
        }
    }
}
