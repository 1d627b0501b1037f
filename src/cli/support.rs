//! `entrain support-bundle`: what helps to find a fault, in one file that can be sent to others. There is no
//! secret in it, and people have pseudonyms: texts are looked through for both before they are written.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::{Value as Json, json};
use tempfile::NamedTempFile;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::args;
use super::exit::Exit;
use super::load;
use super::output::Output;
use super::{source, status};
use crate::config::{self, Config, Problem};
use crate::cycle;
use crate::engine::model::{ObjectKind, Value};
use crate::engine::plan::{Subject, Why, WhyOut, WhyRemoved};
use crate::engine::record::{Holder, LogEntry, Reason};
use crate::engine::redact::{People, REDACTED};
use crate::http;
use crate::report::json::{Document, time_json};
use crate::report::{self, About, CycleReport, Entries, Names};
use crate::scheduler;
use crate::store::{self, LogFilter, Store};

/// Entries of the provisioning log, the newest.
const ENTRIES: u32 = 500;
/// Cycles of each job.
const CYCLES: u32 = 20;
/// What is taken of the end of a log, in lines and in bytes.
const LINES: usize = 2_000;
const BYTES: u64 = 1 << 20;
/// What the service writes to the journal.
const JOURNAL: [&str; 5] = [
    "--unit=entrain",
    "--lines=2000",
    "--no-pager",
    "--output=short-iso",
    "--quiet",
];

/// One file of the bundle.
struct Part {
    name: String,
    what: &'static str,
    text: String,
}

impl Part {
    fn new(name: &str, what: &'static str, text: String) -> Self {
        let name = name.to_owned();
        Self { name, what, text }
    }

    fn json(name: &str, what: &'static str, json: &Json) -> Self {
        Self::new(name, what, format!("{json:#}\n"))
    }
}

pub(super) fn support(
    output: Output,
    file: Option<&Path>,
    arguments: &args::SupportBundle,
) -> anyhow::Result<Exit> {
    let path = config::find_file(file).ok();
    let config = match load::load(file) {
        Ok(loaded) => Ok(loaded.config),
        Err(problems) => Err(problems),
    };
    let store = match config
        .as_ref()
        .map(|config| Store::open_read_only(&config.state))
    {
        Ok(Ok(store)) => Some(store),
        Ok(Err(store::Error::Missing { .. })) | Err(_) => None,
        Ok(Err(error)) => return Err(error.into()),
    };
    let mut parts = vec![Part::json(
        "versions.json",
        "versions of entrain and the system",
        &versions(),
    )];
    if let Some(path) = &path {
        let shown = config::shareable(path, &str::to_owned);
        parts.push(Part::json(
            "configuration.json",
            "the configuration, without secrets",
            &shown,
        ));
    }
    match &config {
        Ok(config) => {
            if let Some(store) = &store {
                parts.extend(of_state(config, store)?);
            }
        }
        Err(problems) => {
            let words: Vec<String> = problems.problems.iter().map(Problem::one_line).collect();
            parts.push(Part::new(
                "problems.txt",
                "what is wrong with the configuration",
                words.join("\n"),
            ));
        }
    }
    parts.extend(logs(&arguments.log)?);

    let parts = shareable(parts, config.as_ref().ok(), store.as_ref())?;
    list(output, &arguments.file, &parts)?;
    if !arguments.list {
        let name = arguments.file.display();
        write(&arguments.file, &parts).with_context(|| format!("could not write {name}"))?;
        output.message(&format!(
            "The support bundle is in {name}. Look through it before you send it."
        ));
    }
    Ok(Exit::Done)
}

fn versions() -> Json {
    let line = |path: &str| std::fs::read_to_string(path).ok();
    let system = line("/etc/os-release").and_then(|text| {
        let mut lines = text.lines();
        let name = lines.find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(name.trim_matches('"').to_owned())
    });
    let kernel = line("/proc/sys/kernel/osrelease");
    json!({
        "entrain": env!("CARGO_PKG_VERSION"),
        "made": time_json(scheduler::now()),
        "platform": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        "system": system,
        "kernel": kernel.map(|text| text.trim().to_owned()),
        "processors": std::thread::available_parallelism().ok().map(std::num::NonZero::get),
    })
}

/// What the state has of each job, without any value of a user.
fn of_state(config: &Config, store: &Store) -> anyhow::Result<Vec<Part>> {
    let numbers = store.statistics()?.into_iter();
    let numbers: serde_json::Map<String, Json> = numbers
        .map(|(name, number)| (name, json!(number)))
        .collect();
    let mut parts = vec![Part::json(
        "state.json",
        "how much the state holds",
        &Json::Object(numbers),
    )];

    let holder = store.holder();
    let service = holder.as_ref().filter(|holder| Holder::is_service(holder));
    let mut text = Vec::new();
    let readings = cycle::readings(config, store)?;
    let today = scheduler::now().date_naive();
    let mut document = Document::begin_status(
        &mut text,
        service.map(|one| one.pid),
        None,
        &readings,
        &[],
        &store.waiting()?,
        today,
    )?;
    for job in &config.jobs {
        document.status(&status::of_job(config, job, Some(store), service)?)?;
    }
    document.end()?;
    parts.push(Part::new(
        "status.json",
        "the state of each job",
        String::from_utf8(text)?,
    ));

    let mut text = Vec::new();
    let mut document = Document::begin(&mut text)?;
    for job in &config.jobs {
        let job = &job.rules.name;
        for cycle in &store.status(job, CYCLES)?.cycles {
            let entries = &NoEntries;
            document.cycle(&CycleReport {
                job,
                cycle,
                entries,
                predicted: None,
            })?;
        }
    }
    document.end()?;
    parts.push(Part::new(
        "cycles.json",
        "the last cycles of each job",
        String::from_utf8(text)?,
    ));

    parts.push(Part::new(
        "log.jsonl",
        "the newest entries of the provisioning log, without values",
        entries(config, store)?,
    ));

    let mut targets = serde_json::Map::new();
    for job in &config.jobs {
        let name = &job.rules.name;
        let reported = store.described(name)?.map(|(text, read)| {
            let reported = serde_json::from_str(&text).unwrap_or(Json::String(text));
            json!({ "read": time_json(read), "reported": reported })
        });
        let learned = store.learned(name)?.into_iter();
        let learned =
            learned.map(|one| json!({ "what": one.knob, "is": one.word, "because": one.evidence }));
        let target = json!({ "discovery": reported, "learned": learned.collect::<Json>() });
        targets.insert(name.to_string(), target);
    }
    parts.push(Part::json(
        "targets.json",
        "what targets report of themselves, and what their answers taught",
        &Json::Object(targets),
    ));
    Ok(parts)
}

fn entries(config: &Config, store: &Store) -> anyhow::Result<String> {
    let mut entries = store.log(&LogFilter::default(), ENTRIES)?;
    cycle::hide(&mut entries, &cycle::marked(config));
    let mut text = Vec::new();
    let nameless = Names::Both(&|_| None, &|_| None);
    for entry in entries.iter_mut().rev() {
        without_values(entry);
        report::log::json_line(&mut text, entry, nameless)?;
    }
    Ok(String::from_utf8(text)?)
}

fn without_values(entry: &mut LogEntry) {
    for change in &mut entry.changes {
        let sides = [&mut change.before, &mut change.after];
        for side in sides.into_iter().flatten() {
            *side = Value::text(REDACTED);
        }
    }
    if let Some(Reason::Skipped(why)) = &entry.reason
        && matches!(
            why,
            Why::OutOfScope(WhyOut::Filter(_))
                | Why::Kept(_)
                | Why::CannotDisable(_)
                | Why::IncompleteRead(_)
                | Why::Ambiguous { .. }
                | Why::Taken { .. }
                | Why::OldAddress { .. }
                | Why::DuplicateSource { .. }
        )
    {
        entry.reason = None;
    }
    if let Some(Reason::Removed(WhyRemoved::OutOfScope(WhyOut::Filter(_)))) = &entry.reason {
        entry.reason = None;
    }
}

/// The numbers of a cycle are enough; the log has the newest entries.
struct NoEntries;

impl Entries for NoEntries {
    fn each(&self, _: &mut dyn FnMut(&LogEntry, Names<'_>) -> io::Result<()>) -> io::Result<()> {
        Ok(())
    }

    fn about(&self, _: &Subject) -> About {
        About::default()
    }
}

/// The last lines of what the service logged.
fn logs(files: &[PathBuf]) -> anyhow::Result<Vec<Part>> {
    let mut parts = Vec::new();
    let journal = Command::new("journalctl")
        .args(JOURNAL)
        .stdin(Stdio::null())
        .output();
    // There may be no journal, or none that may be read.
    if let Ok(journal) = journal
        && !journal.stdout.is_empty()
    {
        let text = last_lines(&String::from_utf8_lossy(&journal.stdout));
        parts.push(Part::new(
            "journal.txt",
            "the last lines of the service's journal",
            text,
        ));
    }
    for (number, path) in files.iter().enumerate() {
        let text = end_of(path).with_context(|| format!("could not read {}", path.display()))?;
        let name = format!("log-{}.txt", number + 1);
        parts.push(Part::new(
            &name,
            "the last lines of a log",
            last_lines(&text),
        ));
    }
    Ok(parts)
}

fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut last = lines[lines.len().saturating_sub(LINES)..].join("\n");
    last.push('\n');
    last
}

/// The parts without secrets, and with pseudonyms for people.
fn shareable(
    parts: Vec<Part>,
    config: Option<&Config>,
    store: Option<&Store>,
) -> anyhow::Result<Vec<Part>> {
    let secrets = config.map(Config::secrets).unwrap_or_default().into_iter();
    // One that cannot be read is in no log either.
    let secrets: Vec<String> = secrets.filter_map(|secret| secret.read().ok()).collect();
    let secrets: Vec<&str> = secrets.iter().map(|secret| secret.trim()).collect();
    let key = match (store, config) {
        (Some(store), Some(config)) => store.key(config.state_key.as_ref())?,
        _ => store::StateKey::of(&uuid::Uuid::new_v4().to_string()),
    };
    let pseudonyms = source::pseudonyms(&key, BTreeSet::new());
    let mut people = People::of(&pseudonyms, parts.iter().map(|part| part.text.as_str()));
    if let Some(store) = store {
        store.each_object(ObjectKind::User, |user| people.look_for(&user))?;
        for job in config.into_iter().flat_map(|config| &config.jobs) {
            store.each_value(&job.rules.name, |kind, path, value| {
                people.look_for_sent(kind, path, value);
            })?;
        }
    }
    let clean = |text: &str| people.replaced(&http::redact_secrets(text, &secrets));
    let cleaned = parts.into_iter().map(|part| {
        let text = match serde_json::from_str::<Json>(&part.text) {
            Ok(mut json) => {
                clean_json(&mut json, &clean);
                format!("{json:#}\n")
            }
            Err(_) => clean_lines(&part.text, &clean),
        };
        Part { text, ..part }
    });
    Ok(cleaned.collect())
}

fn clean_json(json: &mut Json, clean: &dyn Fn(&str) -> String) {
    match json {
        Json::String(text) => *text = clean(text),
        Json::Array(values) => values.iter_mut().for_each(|one| clean_json(one, clean)),
        Json::Object(members) => members.values_mut().for_each(|one| clean_json(one, clean)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// Lines of text, or of JSON.
fn clean_lines(text: &str, clean: &dyn Fn(&str) -> String) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for line in text.lines() {
        if let Ok(mut json) = serde_json::from_str::<Json>(line) {
            clean_json(&mut json, clean);
            cleaned.push_str(&json.to_string());
        } else {
            cleaned.push_str(&clean(line));
        }
        cleaned.push('\n');
    }
    cleaned
}

fn list(output: Output, file: &Path, parts: &[Part]) -> anyhow::Result<()> {
    if output.is_json() {
        let list = parts
            .iter()
            .map(|part| json!({ "name": part.name, "bytes": part.text.len(), "what": part.what }));
        let list: Vec<Json> = list.collect();
        let mut out = output.results();
        writeln!(
            out,
            "{}",
            json!({ "format": 1, "file": file.display().to_string(), "parts": list })
        )?;
        out.flush()?;
        return Ok(());
    }
    let mut out = output.text();
    writeln!(
        out,
        "The bundle has no secrets, and pseudonyms for people. In it:"
    )?;
    for part in parts {
        let size = part.text.len().div_ceil(1024);
        writeln!(out, "  {:<19} {size:>5} KiB  {}", part.name, part.what)?;
    }
    out.flush()?;
    Ok(())
}

fn write(file: &Path, parts: &[Part]) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let mut zip = ZipWriter::new(NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?);
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for part in parts {
        zip.start_file(&part.name, options)?;
        zip.write_all(part.text.as_bytes())?;
    }
    zip.finish()?.persist(file)?;
    Ok(())
}
