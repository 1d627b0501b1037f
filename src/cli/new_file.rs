//! Files that commands create and never overwrite.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;

use super::usage::Usage;

pub(super) fn exists(path: &Path) -> Usage {
    Usage(format!(
        "{} already exists and is not overwritten; choose another file with --output",
        path.display()
    ))
}

/// Creates the file or fails; two at once cannot overwrite each other.
pub(super) fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(exists(path).into());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("could not create {}", path.display()));
        }
    };
    file.write_all(text.as_bytes())
        .with_context(|| format!("could not write {}", path.display()))
}
