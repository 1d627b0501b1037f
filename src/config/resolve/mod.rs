//! Makes what is meant of what was typed: presets merged, expressions compiled, durations and
//! addresses read, all contradictions reported.

mod access;
mod address;
mod credential;
mod filter;
mod job;
mod name;
mod notify;
mod rules;
mod schedule;
mod scope;
mod source;
mod state;
mod target;
mod web;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

pub(super) use schedule::INTERVAL;
pub(super) use target::{CONCURRENCY, MEMBER_CHUNK, TIMEOUT, VISIBILITY_DELAY};

use super::choice::choose;
use super::credential::Secret;
use super::document::{Document, Place};
use super::duration;
use super::file::{self, File};
use super::problem::Log;
use super::reader::Typed;
use super::secret::Purpose;
use super::settings::{Config, Notify, ReportForm, Reports, Source};

/// How long the service keeps its reports, by default.
const KEEP_REPORTS: Duration = Duration::from_hours(24 * 90);

/// The configuration, unless something is missing; then the log says what.
pub(super) fn resolve(file: &File, path: &Path, log: &mut Log) -> Option<Config> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let state_key = secret_for(Purpose::Key, file.state.key.as_ref(), folder, log);
    let sources = source::resolve_all(&file.sources, folder, log);
    let web = file
        .web
        .as_ref()
        .map(|typed| web::resolve_web(typed, folder, log));
    let reports = file
        .reports
        .as_ref()
        .map(|typed| resolve_reports(typed, folder, log));
    let notify = file
        .notify
        .as_ref()
        .map(|typed| notify::resolve_notify(typed, folder, log));
    job::check_names(&file.jobs, log);
    let leavers = schedule::resolve_or_off(file.schedule.leavers.as_ref(), log);
    let retries = schedule::resolve_or_off(file.schedule.retries.as_ref(), log);
    let jobs: Vec<_> = file
        .jobs
        .iter()
        .map(|job| job::resolve_job(job, file, folder, log))
        .collect();
    let state = state::resolve_state(file, folder, &jobs, log);
    if file.jobs.is_empty() {
        // A schedule that no job uses is checked all the same.
        schedule::resolve_schedule(&file.schedule, &file.schedule, log);
    }
    Some(Config {
        file: path.to_owned(),
        state: state?,
        state_key,
        retention: state::retention(file, log)?,
        sources: sources?,
        web: match web {
            Some(web) => Some(web?),
            None => None,
        },
        reports: match reports {
            Some(reports) => Some(reports?),
            None => None,
        },
        notify: match notify {
            Some(notify) => notify?,
            None => Notify::default(),
        },
        jobs: jobs.into_iter().collect::<Option<_>>()?,
        leavers,
        retries,
    })
}

fn resolve_reports(typed: &file::Reports, folder: &Path, log: &mut Log) -> Option<Reports> {
    let keep = match &typed.keep {
        Some(typed) => length(typed, log),
        None => Some(KEEP_REPORTS),
    };
    let forms = typed.formats.iter().flatten();
    let forms: Vec<_> = forms
        .map(|form| choose(form, &ReportForm::WORDS, log))
        .collect();
    let mut forms = forms.into_iter().collect::<Option<Vec<_>>>()?;
    if forms.is_empty() {
        forms.push(ReportForm::Html);
    }
    Some(Reports {
        folder: folder.join(&typed.folder.as_ref()?.value),
        forms,
        keep: keep?,
    })
}

/// The sources alone, unless something of them is missing.
pub(super) fn resolve_sources(
    sources: &[file::Source],
    path: &Path,
    log: &mut Log,
) -> Option<Vec<Source>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    source::resolve_all(sources, folder, log)
}

/// What a person is asked for, to write a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    JobName,
    Tenant,
    Id,
    Address,
}

/// What is wrong with an answer, by the rules of the configuration, and what to do about it.
pub(crate) fn fault(answer: Answer, text: &str) -> Option<String> {
    let document = Document::parse(Path::new(""), "").ok()?;
    let typed = Typed {
        value: text.to_owned(),
        place: Place::root(Rc::new(document)),
    };
    let mut log = Log::default();
    let log_of = &mut log;
    match answer {
        Answer::JobName => name::check_name(&typed, "job", log_of),
        Answer::Tenant => drop(source::tenant(&typed, log_of)),
        Answer::Id => drop(guid(&typed, "copy it from the Entra admin center", log_of)),
        Answer::Address => drop(target::scim_address(&typed, log_of)),
    }
    let problem = log.problems.first()?;
    Some(format!("{}; {}", problem.message, problem.remedy))
}

fn guid(id: &Typed<String>, remedy: &str, log: &mut Log) -> Option<String> {
    if let Ok(guid) = uuid::Uuid::parse_str(id.value.trim()) {
        return Some(guid.to_string());
    }
    // What was pasted here may well be the secret: it is not repeated.
    let message = "this is not an id of the form 00000000-0000-0000-0000-000000000000";
    log.problem(id.place.problem(message, remedy));
    None
}

/// A file of certificates that are trusted in addition; a warning where it does not exist.
fn certificates(typed: &Typed<String>, folder: &Path, log: &mut Log) -> PathBuf {
    let path = folder.join(&typed.value);
    if !path.is_file() {
        log.warning(typed.place.problem(
            format!("the file {} does not exist", path.display()),
            "create it, with the certificate in PEM form, before the job runs",
        ));
    }
    path
}

/// The secret with its path relative to the configuration, with a warning where its file is missing,
/// empty or readable by others.
fn secret(typed: Option<&Typed<Secret>>, folder: &Path, log: &mut Log) -> Option<Secret> {
    secret_for(Purpose::Other, typed, folder, log)
}

fn secret_for(
    purpose: Purpose,
    typed: Option<&Typed<Secret>>,
    folder: &Path,
    log: &mut Log,
) -> Option<Secret> {
    let Typed { value, place } = typed?;
    let secret = value.in_folder(folder);
    if let Some((message, remedy)) = secret.file_fault(purpose) {
        log.warning(place.problem(message, remedy));
    }
    Some(secret)
}

/// A length of time above zero.
fn length(typed: &Typed<String>, log: &mut Log) -> Option<Duration> {
    let length = length_or_none(typed, log)?;
    if length.is_zero() {
        let problem = typed
            .place
            .problem("it must be greater than zero", duration::REMEDY);
        log.problem(problem);
        return None;
    }
    Some(length)
}

/// The same where nothing is a length too.
fn length_or_none(typed: &Typed<String>, log: &mut Log) -> Option<Duration> {
    let length = duration::parse(&typed.value);
    if length.is_none() {
        let message = format!("{:?} is not a duration", typed.value);
        log.problem(typed.place.problem(message, duration::REMEDY));
    }
    length
}
