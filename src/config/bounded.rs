//! Reads the files that the command line or the configuration names, and no more of them than anybody
//! would write: a slip may name a device, which never ends.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// A configuration or a preset. Thousands of mappings stay far below.
pub(crate) const MAX_CONFIGURATION: u64 = MIB;

/// A token, a password or a private key.
pub(crate) const MAX_SECRET: u64 = 64 * KIB;

/// Certificates of authorities; those of a whole operating system have a quarter of it.
pub(crate) const MAX_CERTIFICATES: u64 = MIB;

/// JSON. The schema of a job has some hundred kilobytes, an object of Graph has some.
pub(crate) const MAX_JSON: u64 = 8 * MIB;

/// The bytes of a file. The error says what is wrong with it, but not its name.
pub(crate) fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let read = File::open(path).and_then(|file| read_all(file, most));
    read.map_err(|error| match error.kind() {
        ErrorKind::IsADirectory => io::Error::new(error.kind(), "it is a folder"),
        _ => error,
    })
}

/// The text of a file; the same holds.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let bytes = read_file(path, most)?;
    // As Windows PowerShell's > and Out-File write text.
    let words = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        "it is UTF-16 and begins with a byte order mark; save it as UTF-8 without one"
    } else {
        "it is not UTF-8"
    };
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, words))
}

/// Everything there is to read, unless it is more than `most` bytes.
pub(crate) fn read_all(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let words = format!("it is larger than {}", size(most));
        return Err(io::Error::new(ErrorKind::FileTooLarge, words));
    }
    Ok(bytes)
}

fn size(bytes: u64) -> String {
    if bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{} KiB", bytes / KIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_as_many_bytes_as_its_cap_and_not_one_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "x".repeat(64 * 1024)).unwrap();
        assert_eq!(read_text(&path, MAX_SECRET).unwrap().len(), 64 * 1024);

        std::fs::write(&path, "x".repeat(64 * 1024 + 1)).unwrap();
        let error = read_text(&path, MAX_SECRET).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 64 KiB");

        let error = read_all(io::repeat(0), MAX_CONFIGURATION).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 1 MiB");
    }

    #[test]
    fn a_folder_is_called_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_file(folder.path(), MAX_JSON).unwrap_err();
        assert_eq!(error.to_string(), "it is a folder");
    }
}
