//! The key of a state: what must not be kept, but recognised, such as a credential, is kept as a digest
//! that cannot be computed or tried out without it (HMAC-SHA-256, RFC 2104).

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::lock::resolved;
use super::{Error, Store};
use crate::config::{Secret, SecretError};
use crate::os::{self, private};

#[derive(Clone)]
pub(crate) struct StateKey {
    key: [u8; 32],
    /// Where nothing keeps it: what it was made of.
    unkept: Option<String>,
}

impl std::fmt::Debug for StateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateKey").finish_non_exhaustive()
    }
}

/// The block of SHA-256.
const BLOCK: usize = 64;

impl StateKey {
    pub(crate) fn of(secret: &str) -> Self {
        Self {
            key: Sha256::digest(secret).into(),
            unkept: None,
        }
    }

    /// What it was made of, where no state keeps it: it is needed to recognise a digest.
    pub(crate) fn unkept(&self) -> Option<&str> {
        self.unkept.as_deref()
    }

    /// The same for the same value and purpose, hexadecimal.
    pub(crate) fn digest(&self, purpose: &str, value: &str) -> String {
        self.hmac(&[purpose.as_bytes(), &[0], value.as_bytes()])
    }

    fn hmac(&self, message: &[&[u8]]) -> String {
        let pad = |with: u8| {
            let mut block = [with; BLOCK];
            for (byte, key) in block.iter_mut().zip(self.key) {
                *byte ^= key;
            }
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36));
        let inner = message.iter().fold(inner, Sha256::chain_update);
        let digest = Sha256::new()
            .chain_update(pad(0x5c))
            .chain_update(inner.finalize())
            .finalize();
        let mut text = String::new();
        for byte in digest {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl Store {
    /// The key that the configuration names, or the one in the file next to the state, which is made when
    /// it is missing. A plan makes no file: its key then recognises nothing.
    pub(crate) fn key(&self, configured: Option<&Secret>) -> Result<StateKey, Error> {
        if let Some(secret) = configured {
            let secret = secret.read_key();
            let key = secret.map(|secret| StateKey::of(&secret));
            let key = key.map_err(|source| Error::Key { source })?;
            if let Some(shared) = &self.shared {
                shared.agree_on(&key, self.is_writable())?;
            }
            return Ok(key);
        }
        let path = next_to(self.path(), ".key");
        Ok(match self.kept(&path)? {
            Kept::OnDisk(secret) => StateKey::of(&secret),
            Kept::Nowhere(secret) => StateKey {
                unkept: Some(secret.clone()),
                ..StateKey::of(&secret)
            },
        })
    }

    /// Refuses a key other than the one next to the state, where there is one.
    pub(super) fn check_key_is(&self, configured: Option<&Secret>) -> Result<(), Error> {
        let path = next_to(self.path(), ".key");
        let (Some(configured), true) = (configured, path.exists()) else {
            return Ok(());
        };
        let read = |secret: &Secret| secret.read().map_err(|source| Error::Key { source });
        if read(configured)? == read(&Secret::File(path.clone()))? {
            return Ok(());
        }
        Err(Error::KeyOfFile {
            path: self.path().to_owned(),
            key: path,
        })
    }

    /// The token of the status page in the file next to the state, which is made when it is missing.
    pub(crate) fn web_token(&self) -> Result<(String, PathBuf), Error> {
        let path = next_to(self.path(), ".web-token");
        let secret = match self.kept(&path)? {
            Kept::OnDisk(_) => Secret::File(path.clone()).read_page_token(),
            Kept::Nowhere(secret) => Ok(secret),
        };
        Ok((secret.map_err(|source| Error::Key { source })?, path))
    }

    /// The secret in a file of ours, which is made when it is missing.
    fn kept(&self, path: &Path) -> Result<Kept, Error> {
        match Secret::File(path.to_owned()).read() {
            Ok(secret) => Ok(Kept::OnDisk(secret)),
            Err(SecretError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let secret = random();
                if !self.is_writable() {
                    return Ok(Kept::Nowhere(secret));
                }
                make(path, &secret)?;
                Ok(Kept::OnDisk(secret))
            }
            Err(source) => Err(Error::Key { source }),
        }
    }
}

enum Kept {
    OnDisk(String),
    /// No file is made where nothing is written.
    Nowhere(String),
}

/// Next to the file itself, wherever a symbolic link to it is.
pub(super) fn next_to(state: &Path, ending: &str) -> PathBuf {
    let mut name = resolved(state).into_os_string();
    name.push(ending);
    PathBuf::from(name)
}

fn random() -> String {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    half() + &half()
}

fn make(path: &Path, secret: &str) -> Result<(), Error> {
    let failed = |source| Error::File {
        attempt: "create the secret next to the state",
        path: path.to_owned(),
        source,
    };
    let mut file = private(OpenOptions::new().write(true).create_new(true))
        .open(path)
        .map_err(failed)?;
    os::give_to_owner_of_folder(&file, path);
    let written = writeln!(file, "{secret}").and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key would be taken for the key.
        let _ = fs::remove_file(path);
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_rfc_4231() {
        // Test case 1; a short key is filled up with zeros.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            StateKey { key, unkept: None }.hmac(&[b"Hi ", b"There"]),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn a_digest_depends_on_the_key_the_purpose_and_the_value() {
        let key = StateKey::of("key");
        let digest = key.digest("credential", "token");
        assert_eq!(digest, key.digest("credential", "token"));
        assert_ne!(digest, key.digest("credential", "other"));
        assert_ne!(digest, key.digest("other", "token"));
        assert_ne!(digest, StateKey::of("other").digest("credential", "token"));
    }

    #[test]
    fn the_key_is_made_with_the_state_for_its_owner_alone_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entrain.db");
        let store = Store::open(&path).unwrap();
        let first = store.key(None).unwrap().digest("credential", "token");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let metadata = fs::metadata(next_to(&path, ".key")).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(
            first,
            store.key(None).unwrap().digest("credential", "token")
        );
        fs::remove_file(next_to(&path, ".key")).unwrap();
        let plan = Store::open_plan(&path).unwrap();
        assert_ne!(first, plan.key(None).unwrap().digest("credential", "token"));
        assert!(!next_to(&path, ".key").exists());
    }
}
