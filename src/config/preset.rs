//! Presets: what is known of a kind of target, as data. Those in the folder `presets` are compiled
//! in; a job may name a file of its own.

use std::path::Path;
use std::rc::Rc;

use super::bounded;
use super::document::{Document, Place};
use super::file;
use super::problem::{Log, suggest};
use super::reader::Typed;
use crate::engine::model::nearest;

/// The preset of a job that names none.
pub(super) const DEFAULT: &str = "generic";

/// Says nothing: the job itself has every mapping. `import` writes it, so that what it wrote stays
/// complete and does not change with a preset. No kind of target, so not among the names.
pub(super) const NONE: &str = "none";

const PRESETS: &[(&str, &str)] = &[
    ("generic", include_str!("../../presets/generic.toml")),
    (
        "symantec-wss",
        include_str!("../../presets/symantec-wss.toml"),
    ),
    ("wizer", include_str!("../../presets/wizer.toml")),
    ("sosafe", include_str!("../../presets/sosafe.toml")),
    (
        "sonicwall-cse",
        include_str!("../../presets/sonicwall-cse.toml"),
    ),
];

/// The names of the presets that are compiled in.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// The TOML text of a preset that is compiled in.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    let (_, text) = PRESETS.iter().find(|(known, _)| *known == name)?;
    Some(text)
}

/// What a preset that is compiled in is for: `SoSafe`.
pub(crate) fn title(name: &str) -> Option<String> {
    let text = text(name)?;
    let preset = read(Path::new(name), text, &mut Log::default())?;
    Some(preset.title?.value)
}

/// The address of a target that is the same for every user.
pub(crate) fn address(name: &str) -> Option<String> {
    let preset = read(Path::new(name), text(name)?, &mut Log::default())?;
    Some(preset.target.base_url?.value)
}

/// What a preset that is compiled in does, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) users: Covered,
    pub(crate) groups: Covered,
}

/// What it does about users or groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) enabled: bool,
    /// Target attributes.
    pub(crate) attributes: Vec<String>,
    /// Those of them that match, in matching precedence.
    pub(crate) matching: Vec<String>,
    pub(crate) warning: Option<String>,
}

pub(crate) fn outline(name: &'static str) -> Option<Outline> {
    let preset = read(Path::new(name), text(name)?, &mut Log::default())?;
    Some(Outline {
        name,
        title: preset.title?.value,
        users: covered(&preset.users),
        groups: covered(&preset.groups),
    })
}

fn covered(rules: &file::Rules) -> Covered {
    let targets = rules.mappings.iter().filter_map(|mapping| {
        let target = mapping.target.as_ref()?.value.clone();
        Some((mapping.matching.as_ref().map(|typed| typed.value), target))
    });
    let mut matching: Vec<_> = targets
        .clone()
        .filter_map(|(precedence, target)| Some((precedence?, target)))
        .collect();
    matching.sort();
    Covered {
        enabled: rules.enabled.as_ref().is_none_or(|typed| typed.value),
        attributes: targets.map(|(_, target)| target).collect(),
        matching: matching.into_iter().map(|(_, target)| target).collect(),
        warning: rules.warning.as_ref().map(|typed| typed.value.clone()),
    }
}

/// The preset that a job most likely means, where it names none that there is: so that the rest of the
/// job can be checked.
pub(super) fn load_nearest(choice: Option<&Typed<String>>) -> Option<file::Preset> {
    let near = nearest(&choice?.value, names())?;
    read(Path::new(near), text(near)?, &mut Log::default())
}

/// The preset that a job chose; its problems are reported with their place in the preset's own file.
pub(super) fn load(
    choice: Option<&Typed<String>>,
    folder: &Path,
    log: &mut Log,
) -> Option<file::Preset> {
    let name = choice.map_or(DEFAULT, |choice| choice.value.as_str());
    if let Some(text) = text(name) {
        return read(
            &Path::new("presets").join(format!("{name}.toml")),
            text,
            log,
        );
    }
    if name == NONE {
        return read(Path::new("presets/none.toml"), "", log);
    }
    let choice = choice?;
    let is_path = name.contains(['/', '\\']) || Path::new(name).extension().is_some();
    if !is_path {
        let names: Vec<_> = names().collect();
        let message = format!("there is no preset {name:?}");
        let remedy = format!(
            "{}\nfor your own preset, give a path, such as \"./{name}.toml\"",
            suggest(name, &names)
        );
        log.problem(choice.place.problem(message, remedy));
        return None;
    }
    let path = folder.join(name.strip_prefix("./").unwrap_or(name));
    match bounded::read_text(&path, bounded::MAX_CONFIGURATION) {
        Ok(text) => read(&path, &text, log),
        Err(err) => {
            log.problem(choice.place.problem(
                format!("the preset {} cannot be read: {err}", path.display()),
                "correct the path, which is relative to the folder of the configuration",
            ));
            None
        }
    }
}

fn read(path: &Path, text: &str, log: &mut Log) -> Option<file::Preset> {
    match Document::parse(path, text) {
        Ok(document) => Some(file::Preset::read(&Rc::new(document), log)),
        Err(problem) => {
            log.problem(*problem);
            None
        }
    }
}

/// Reports what a preset warns of, when the kind of object is provisioned.
pub(super) fn warn(rules: &file::Rules, enabled: bool, place: &Place, log: &mut Log) {
    if let Some(warning) = rules.warning.as_ref().filter(|_| enabled) {
        let remedy = "this comes from the preset; the configuration itself is correct";
        log.warning(place.problem(warning.value.clone(), remedy));
    }
}
