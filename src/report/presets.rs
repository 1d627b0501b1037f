//! The presets that are compiled in, for people and for machines.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::json::FORMAT;
use super::sentence::things;

/// A kind of target that is known, and how much of it the preset covers.
pub(crate) struct PresetView {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) users: CoveredView,
    pub(crate) groups: CoveredView,
}

/// What a preset does about users or groups.
pub(crate) struct CoveredView {
    pub(crate) enabled: bool,
    /// Target attributes.
    pub(crate) attributes: Vec<String>,
    /// Those of them that match, in matching precedence.
    pub(crate) matching: Vec<String>,
    pub(crate) warning: Option<String>,
}

pub(crate) fn presets_text(out: &mut dyn Write, presets: &[PresetView]) -> io::Result<()> {
    let width = presets.iter().map(|preset| preset.name.len()).max();
    let width = width.unwrap_or_default();
    for preset in presets {
        let PresetView {
            name,
            title,
            users,
            groups,
        } = preset;
        writeln!(out, "{name:width$}  {title}")?;
        for (kind, covered) in [("users", users), ("groups", groups)] {
            writeln!(out, "{:width$}  {kind}: {}", "", covered_text(covered))?;
        }
    }
    Ok(())
}

fn covered_text(covered: &CoveredView) -> String {
    let CoveredView {
        enabled,
        attributes,
        matching,
        warning,
    } = covered;
    let off = if *enabled { "" } else { "off unless enabled; " };
    let warning = warning.as_ref().map(|warning| format!("; {warning}"));
    format!(
        "{off}{}, matched by {}{}",
        things(attributes.len() as u64, "attribute"),
        matching.join(", then "),
        warning.unwrap_or_default()
    )
}

pub(crate) fn presets_json(out: &mut dyn Write, presets: &[PresetView]) -> io::Result<()> {
    let presets: Vec<_> = presets
        .iter()
        .map(|preset| {
            let PresetView {
                name,
                title,
                users,
                groups,
            } = preset;
            json!({
                "name": name,
                "title": title,
                "users": covered_json(users),
                "groups": covered_json(groups),
            })
        })
        .collect();
    let document = json!({ "format": FORMAT, "presets": presets });
    writeln!(out, "{document}")
}

fn covered_json(covered: &CoveredView) -> Json {
    let CoveredView {
        enabled,
        attributes,
        matching,
        warning,
    } = covered;
    json!({
        "enabled": enabled,
        "attributes": attributes,
        "matching": matching,
        "warning": warning,
    })
}

/// One preset, its file as text.
pub(crate) fn preset_json(out: &mut dyn Write, name: &str, toml: &str) -> io::Result<()> {
    let document = json!({ "format": FORMAT, "name": name, "toml": toml });
    writeln!(out, "{document}")
}

/// A setting that fits requests to a target.
pub(crate) struct KnobView {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    /// Each word with what it means; the first is the default.
    pub(crate) words: &'static [(&'static str, &'static str)],
    pub(crate) targets: &'static str,
}

pub(crate) fn knobs_text(out: &mut dyn Write, knobs: &[KnobView]) -> io::Result<()> {
    for (place, knob) in knobs.iter().enumerate() {
        let KnobView {
            name,
            meaning,
            words,
            targets,
        } = knob;
        if place > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{name}: {meaning}")?;
        for (place, (word, about)) in words.iter().enumerate() {
            let default = if place == 0 { " (default)" } else { "" };
            writeln!(out, "  {:?}{default}: {}", word, about.trim())?;
        }
        writeln!(out, "  needed by: {targets}")?;
    }
    Ok(())
}

pub(crate) fn knobs_json(out: &mut dyn Write, knobs: &[KnobView]) -> io::Result<()> {
    let knobs: Vec<Json> = knobs
        .iter()
        .map(|knob| {
            let words = knob.words.iter();
            let words: Vec<Json> = words
                .map(|(word, about)| json!({ "word": word, "meaning": about.trim() }))
                .collect();
            json!({
                "name": knob.name,
                "meaning": knob.meaning,
                "words": words,
                "targets": knob.targets,
            })
        })
        .collect();
    let document = json!({ "format": FORMAT, "knobs": knobs });
    writeln!(out, "{document}")
}
