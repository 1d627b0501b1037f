//! The target: its address, its pace and its dialect.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::resolve_access;
use super::address::{proxy_address, web_address};
use super::{certificates, length, length_or_none};
use crate::config::access::Access;
use crate::config::choice::choose;
use crate::config::knobs::Knobs;
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::config::settings::{DialectSettings, Filterable, Target};
use crate::config::{file, keys};
use crate::engine::model::TargetPath;

pub(in crate::config) const CONCURRENCY: usize = 8;
pub(in crate::config) const TIMEOUT: Duration = Duration::from_mins(1);
pub(in crate::config) const VISIBILITY_DELAY: Duration = Duration::from_secs(10);
pub(in crate::config) const MEMBER_CHUNK: usize = 100;

/// Numbers above these are worth a remark.
const MOST_CONCURRENCY: i64 = 64;
const MOST_USUAL: i64 = 1_000;
const LONGEST_USUAL: Duration = Duration::from_mins(10);

/// A target that may still lack what has no default.
pub(super) struct PartialTarget {
    base_url: Option<String>,
    access: Option<Access>,
    /// The error: it is wrong, which has been reported.
    proxy: Result<Option<String>, ()>,
    concurrency: usize,
    requests_per_second: Option<f64>,
    timeout: Option<Duration>,
    visibility_delay: Option<Duration>,
    ca_certificate: Option<PathBuf>,
    pub(super) dialect: DialectSettings,
}

impl PartialTarget {
    pub(super) fn complete(self) -> Option<Target> {
        Some(Target {
            base_url: self.base_url?,
            access: self.access?,
            proxy: self.proxy.ok()?,
            concurrency: self.concurrency,
            requests_per_second: self.requests_per_second,
            timeout: self.timeout?,
            visibility_delay: self.visibility_delay?,
            ca_certificate: self.ca_certificate,
            dialect: self.dialect,
        })
    }
}

pub(super) fn resolve_target(
    own: &file::Target,
    preset: &file::Target,
    folder: &Path,
    log: &mut Log,
) -> PartialTarget {
    let base_url = own.base_url.as_ref().or(preset.base_url.as_ref());
    if base_url.is_none() && !own.is_missing {
        log.problem(
            own.place
                .name("base_url")
                .problem("missing", keys::BASE_URL.remedy),
        );
    }
    let base_url = base_url.and_then(|typed| scim_address(typed, log));
    let timeout = match &own.timeout {
        Some(timeout) => length(timeout, log),
        None => Some(TIMEOUT),
    };
    let delay = own.visibility_delay.as_ref();
    let visibility_delay = match delay.or(preset.visibility_delay.as_ref()) {
        Some(delay) => length_or_none(delay, log),
        None => Some(VISIBILITY_DELAY),
    };
    let ca_certificate = own.ca_certificate.as_ref();
    let ca_certificate = ca_certificate.map(|typed| certificates(typed, folder, log));
    for (typed, most, name) in [
        (&own.concurrency, MOST_CONCURRENCY, "concurrent requests"),
        (&own.page_size, MOST_USUAL, "objects in one page"),
        (&own.member_chunk, MOST_USUAL, "members in one request"),
    ] {
        if let Some(typed) = typed.as_ref().filter(|typed| typed.value > most) {
            log.warning(typed.place.problem(
                format!("{} {name} is more than most services accept", typed.value),
                format!("make it {most} or less, unless the service allows more"),
            ));
        }
    }
    if let (Some(typed), Some(length)) = (&own.timeout, timeout)
        && length > LONGEST_USUAL
    {
        log.warning(typed.place.problem(
            "a request without a response blocks its object for this long",
            "make it \"10m\" or shorter",
        ));
    }
    let count = |typed: &Typed<i64>| usize::try_from(typed.value).unwrap_or(usize::MAX);
    let number = |own: &Option<Typed<i64>>, preset: &Option<Typed<i64>>, default: usize| {
        own.as_ref().or(preset.as_ref()).map_or(default, count)
    };
    PartialTarget {
        base_url,
        access: own
            .access
            .as_ref()
            .and_then(|typed| resolve_access(typed, folder, log)),
        proxy: match &own.proxy {
            Some(typed) => proxy_address(typed, log).map(Some).ok_or(()),
            None => Ok(None),
        },
        concurrency: number(&own.concurrency, &preset.concurrency, CONCURRENCY),
        requests_per_second: own
            .requests_per_second
            .as_ref()
            .or(preset.requests_per_second.as_ref())
            .map(|typed| typed.value),
        timeout,
        visibility_delay,
        ca_certificate,
        dialect: DialectSettings {
            filterable: own
                .filterable
                .as_ref()
                .or(preset.filterable.as_ref())
                .map_or_else(Filterable::default, |typed| resolve_filterable(typed, log)),
            member_chunk: number(&own.member_chunk, &preset.member_chunk, MEMBER_CHUNK),
            page_size: own
                .page_size
                .as_ref()
                .or(preset.page_size.as_ref())
                .map(count),
            knobs: resolve_knobs(own, log).or(resolve_knobs(preset, log)),
        },
    }
}

fn resolve_knobs(typed: &file::Target, log: &mut Log) -> Knobs {
    let mut knobs = Knobs::default();
    for (knob, typed) in &typed.knobs {
        let words: Vec<_> = knob.words.iter().map(|(word, _)| (*word, *word)).collect();
        if let Some(word) = choose(typed, &words, log) {
            knobs.set(knob.name, word);
        }
    }
    knobs
}

/// The address of a SCIM service.
pub(super) fn scim_address(typed: &Typed<String>, log: &mut Log) -> Option<String> {
    let url = web_address(typed, log)?;
    let path = url.split('?').next().unwrap_or_default().to_lowercase();
    if path.ends_with("/users") || path.ends_with("/groups") {
        log.problem(typed.place.problem(
            "this is the address of one resource type, not of the SCIM service",
            "remove the last part; entrain adds /Users and /Groups itself",
        ));
        return None;
    }
    Some(url)
}

fn resolve_filterable(typed: &file::Filterable, log: &mut Log) -> Filterable {
    let mut paths = |typed: &Vec<Typed<String>>| -> Vec<String> {
        typed.iter().filter_map(|path| spelled(path, log)).collect()
    };
    match typed {
        file::Filterable::Both(both) => {
            let both = paths(both);
            Filterable {
                users: Some(both.clone()),
                groups: Some(both),
            }
        }
        file::Filterable::Each { users, groups } => Filterable {
            users: users.as_ref().map(&mut paths),
            groups: groups.as_ref().map(&mut paths),
        },
    }
}

/// A target path in the spelling that mappings have too.
fn spelled(typed: &Typed<String>, log: &mut Log) -> Option<String> {
    match TargetPath::parse(&typed.value) {
        Ok(path) => Some(path.to_string()),
        Err(err) => {
            log.problem(typed.place.problem(
                format!("{:?} is not a target attribute: {err}", typed.value),
                "write it like userName or emails[type eq \"work\"].value",
            ));
            None
        }
    }
}
