//! What a probe found out of a target, as a profile: settings, each with what showed it.

use serde_json::{Value as Json, json};

use super::json::FORMAT;
use super::sentence::clean;
use crate::engine::model::JobName;

pub(crate) struct Profile<'a> {
    pub(crate) job: &'a JobName,
    /// What was tried, and what was seen.
    pub(crate) findings: Vec<(&'a str, &'a str)>,
    /// Key, value as TOML, and what showed it.
    pub(crate) knobs: &'a [(String, String, String)],
    /// Scratch objects were changed.
    pub(crate) wrote: bool,
}

/// A part of a configuration.
pub(crate) fn toml(profile: &Profile<'_>) -> String {
    let Profile {
        job,
        findings,
        knobs,
        wrote,
    } = profile;
    let mut lines = vec![format!(
        "# What entrain probe found out about the target of {}",
        clean(job.as_str())
    )];
    if !wrote {
        lines.push("# only by reads. To test how it handles changes, use --write.".to_owned());
    }
    lines.extend(
        findings
            .iter()
            .map(|(what, seen)| format!("#   {}: {}", clean(what), clean(seen))),
    );
    lines.push(String::new());
    lines.push("[jobs.target]".to_owned());
    if knobs.is_empty() {
        lines.push("# nothing to set".to_owned());
    }
    for (key, value, evidence) in *knobs {
        lines.push(format!("# {}", clean(evidence)));
        lines.push(format!("{key} = {value}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

pub(crate) fn json(profile: &Profile<'_>) -> String {
    let findings = profile.findings.iter();
    let findings: Vec<Json> = findings
        .map(|(what, seen)| json!({ "what": what, "seen": seen }))
        .collect();
    let knobs = profile.knobs.iter();
    let knobs: Vec<Json> = knobs
        .map(|(key, value, evidence)| json!({ "key": key, "value": value, "evidence": evidence }))
        .collect();
    let document = json!({
        "format": FORMAT,
        "job": profile.job.as_str(),
        "findings": findings,
        "settings": knobs,
        "toml": toml(profile),
    });
    format!("{document}\n")
}
