//! Commands that are shown to be copied: with the configuration that this program uses.

use std::path::Path;
use std::sync::OnceLock;

use super::sentence::clean;

/// What `--config` named. It is the same for everything that this process shows.
static CONFIGURATION: OnceLock<String> = OnceLock::new();

/// From now on commands name this file. Where it is found without being named, they need not.
pub(crate) fn name_configuration(file: &Path) {
    // The first one counts: a process reads one configuration.
    let _ = CONFIGURATION.set(argument(file));
}

/// A command of this program: `entrain status wizer`.
pub(crate) fn command(words: &str) -> String {
    match CONFIGURATION.get() {
        None => format!("entrain {words}"),
        Some(file) => format!("entrain {words} --config {file}"),
    }
}

/// A path as a shell takes it.
pub(crate) fn argument(path: &Path) -> String {
    let text = clean(&path.display().to_string());
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
