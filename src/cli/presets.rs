//! `entrain presets`: the kinds of targets that are known, and the file of each, to begin one's own from.

use std::io::Write as _;

use super::args::PresetsCommand;
use super::exit::Exit;
use super::output::Output;
use super::usage::Usage;
use crate::config::KNOBS;
use crate::config::preset::{self, Covered, Outline};
use crate::engine::model::nearest;
use crate::report::presets::{self as report, CoveredView, KnobView, PresetView};

pub(super) fn presets(output: Output, command: Option<PresetsCommand>) -> anyhow::Result<Exit> {
    match command {
        None => list(output),
        Some(PresetsCommand::Show { name }) => show(output, &name),
        Some(PresetsCommand::Knobs) => knobs(output),
    }
}

fn list(output: Output) -> anyhow::Result<Exit> {
    let presets: Vec<_> = preset::names()
        .filter_map(preset::outline)
        .map(view)
        .collect();
    let mut out = output.results();
    if output.is_json() {
        report::presets_json(&mut out, &presets)?;
    } else {
        report::presets_text(&mut out, &presets)?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn knobs(output: Output) -> anyhow::Result<Exit> {
    let knobs: Vec<_> = KNOBS
        .iter()
        .map(|knob| KnobView {
            name: knob.name,
            meaning: knob.meaning.trim(),
            words: knob.words,
            targets: knob.targets,
        })
        .collect();
    let mut out = output.results();
    if output.is_json() {
        report::knobs_json(&mut out, &knobs)?;
    } else {
        report::knobs_text(&mut out, &knobs)?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn show(output: Output, name: &str) -> anyhow::Result<Exit> {
    let Some(toml) = preset::text(name) else {
        let hint = if let Some(nearest) = nearest(name, preset::names()) {
            format!("did you mean \"{nearest}\"?")
        } else {
            let names: Vec<_> = preset::names().collect();
            format!("there are: {}", names.join(", "))
        };
        return Err(Usage(format!("there is no preset \"{name}\"; {hint}")).into());
    };
    let mut out = output.results();
    if output.is_json() {
        report::preset_json(&mut out, name, toml)?;
    } else {
        out.write_all(toml.as_bytes())?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn view(outline: Outline) -> PresetView {
    let Outline {
        name,
        title,
        users,
        groups,
    } = outline;
    PresetView {
        name,
        title,
        users: covered(users),
        groups: covered(groups),
    }
}

fn covered(covered: Covered) -> CoveredView {
    let Covered {
        enabled,
        attributes,
        matching,
        warning,
    } = covered;
    CoveredView {
        enabled,
        attributes,
        matching,
        warning,
    }
}
