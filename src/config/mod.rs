//! The configuration: what was typed becomes what is meant, or a list of every problem with its remedy.
//!
//! `document` is the file as a tree with places; `keys` are those it may have; `file` what was typed; `resolve` and `mapping` make
//! `settings` of it, which is what the rest of the program sees. `entra` reads and writes the format of
//! Entra's own jobs.

mod access;
pub(crate) mod bounded;
mod choice;
mod credential;
mod description;
mod document;
mod duration;
pub(crate) mod entra;
mod file;
mod fingerprint;
mod keys;
mod knobs;
pub(crate) mod manual;
mod mapping;
pub(crate) mod preset;
mod problem;
mod reader;
mod resolve;
mod schema;
mod secret;
mod select;
mod settings;
mod shareable;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use figment::providers::Env;

use document::{Document, Variable};
use problem::Log;

pub(crate) use access::{Access, Authentication, OAuth, SignIn};
pub(crate) use credential::{Certificate, Credential, Identity, Proof, Secret};
pub(crate) use duration::parse as parse_duration;
pub(crate) use knobs::{
    Booleans, Bulk, Clear, ContentType, Count, Extensions, Form, GroupCreate, KNOBS, Knobs,
    Manager, MemberAdd, MemberRemove, OpCase, PatchOperations, PatchPath, Schema, SubAttributes,
    Update, UpdateGroups, ValuePaths,
};
pub(crate) use problem::{Problem, Problems};
pub(crate) use resolve::{Answer, fault};
pub(crate) use schema::schema;
pub(crate) use secret::{SecretError, environment, read_file as read_secret_file, with_scheme};
pub(crate) use select::{calls_default_domain, custom_security_attributes, select};
pub(crate) use settings::{
    Application, Config, Database, DialectSettings, Encryption, Filterable, Job, Listen, Mail,
    Proxy, ProxyProof, ReportForm, Reports, Schedule, Source, SourceJobs, StateAt, Target, Tls,
    Web, Webhook, WebhookForm,
};
pub(crate) use shareable::shareable;

/// A configuration without problems, and what is worth a word all the same.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) warnings: Vec<Problem>,
}

/// Where the configuration is looked for when its path is not given.
const PLACES: [&str; 2] = ["entrain.toml", INSTALLED];

/// Where it is for a service that a package installed.
pub(crate) const INSTALLED: &str = "/etc/entrain/entrain.toml";

/// The variable that says where it is.
const VARIABLE: &str = "ENTRAIN_CONFIG";

/// The configuration to read: as asked for, else from the environment, else the first that exists.
pub(crate) fn find_file(explicit: Option<&Path>) -> Result<PathBuf, Problems> {
    find_among(explicit, Env::var(VARIABLE), &PLACES)
}

fn find_among(
    explicit: Option<&Path>,
    variable: Option<String>,
    places: &[&str],
) -> Result<PathBuf, Problems> {
    if let Some(path) = explicit {
        return Ok(path.to_owned());
    }
    if let Some(path) = variable.filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let found = places.iter().map(Path::new).find(|path| path.exists());
    found.map(Path::to_owned).ok_or_else(|| {
        Problems::one(Problem {
            file: places.first().copied().unwrap_or_default().into(),
            line: None,
            column: None,
            variable: None,
            key: String::new(),
            message: format!(
                "no configuration file was found; searched for {}",
                places.join(" and ")
            ),
            remedy: format!("set its path with --config or {VARIABLE}; entrain init writes one"),
        })
    })
}

/// Reads a configuration with the overrides of the environment.
pub(crate) fn load(file: &Path) -> Result<Loaded, Problems> {
    load_with(file, &document::environment())
}

/// Reads a configuration without any override.
pub(crate) fn load_alone(file: &Path) -> Result<Loaded, Problems> {
    load_with(file, &[])
}

/// Reads the sources alone: the rest need not be there yet.
pub(crate) fn load_sources(file: &Path) -> Result<Vec<Source>, Problems> {
    let mut log = Log::default();
    let document = read_document(file, &document::environment(), &mut log)?;
    let typed = file::File::read_sources(&document, &mut log);
    let sources = resolve::resolve_sources(&typed, document.file(), &mut log);
    log.sort();
    match sources {
        Some(sources) if log.problems.is_empty() => Ok(sources),
        _ => Err(Problems {
            problems: log.problems,
            warnings: log.warnings,
        }),
    }
}

fn load_with(file: &Path, variables: &[Variable]) -> Result<Loaded, Problems> {
    let mut log = Log::default();
    let document = read_document(file, variables, &mut log)?;
    let typed = file::File::read(&document, &mut log);
    let config = resolve::resolve(&typed, document.file(), &mut log);
    log.sort();
    match config {
        Some(config) if log.problems.is_empty() => Ok(Loaded {
            config,
            warnings: log.warnings,
        }),
        _ => Err(Problems {
            problems: log.problems,
            warnings: log.warnings,
        }),
    }
}

fn read_document(
    file: &Path,
    variables: &[Variable],
    log: &mut Log,
) -> Result<Rc<Document>, Problems> {
    let whole_file = |line, message, remedy: &str| {
        Problems::one(Problem {
            file: file.to_owned(),
            line,
            column: None,
            variable: None,
            key: String::new(),
            message,
            remedy: remedy.to_owned(),
        })
    };
    let bytes = bounded::read_file(file, bounded::MAX_CONFIGURATION).map_err(|err| {
        let message = format!("the configuration cannot be read: {err}");
        whole_file(
            None,
            message,
            "correct the path, the file or its permissions",
        )
    })?;
    let text = String::from_utf8(bytes).map_err(|err| {
        let good = &err.as_bytes()[..err.utf8_error().valid_up_to()];
        let line = String::from_utf8_lossy(good).matches('\n').count() + 1;
        let message = "the file is not UTF-8 from here on".to_owned();
        whole_file(Some(line), message, "save the file as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);

    let mut document = Document::parse(file, text).map_err(|problem| Problems::one(*problem))?;
    document.override_with(variables, log);
    Ok(Rc::new(document))
}

#[cfg(test)]
mod tests;
