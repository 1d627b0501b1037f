//! Fetches secrets from where the configuration says they are. Errors name the place, never the
//! content.

use std::path::{Path, PathBuf};

use super::bounded;
use super::settings::Secret;

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the environment variable {0} is not set")]
    VariableMissing(String),
    #[error("the environment variable {0} is not valid text")]
    VariableNotText(String),
    #[error("the environment variable {0} is empty")]
    VariableEmpty(String),
    #[error("the file {} cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the file {} is empty", .0.display())]
    FileEmpty(PathBuf),
    #[error(
        "the credential {0} is not available, because CREDENTIALS_DIRECTORY is not set: the program \
         was not started by a systemd unit with LoadCredential="
    )]
    NoCredentialsDirectory(String),
}

impl Secret {
    /// The secret itself, without the line break at its end.
    pub(crate) fn read(&self) -> Result<String, SecretError> {
        self.read_with(&variable)
    }

    fn read_with(&self, variable: &dyn Fn(&str) -> Variable) -> Result<String, SecretError> {
        match self {
            Self::Env(name) => match variable(name) {
                Ok(value) => match trimmed(&value) {
                    "" => Err(SecretError::VariableEmpty(name.clone())),
                    value => Ok(value.to_owned()),
                },
                Err(std::env::VarError::NotPresent) => {
                    Err(SecretError::VariableMissing(name.clone()))
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    Err(SecretError::VariableNotText(name.clone()))
                }
            },
            Self::File(path) => read_file(path),
            Self::Credential(name) => match variable(CREDENTIALS_DIRECTORY) {
                Ok(folder) => read_file(&Path::new(&folder).join(name)),
                Err(_) => Err(SecretError::NoCredentialsDirectory(name.clone())),
            },
        }
    }

    /// The file of the secret, when everyone on this machine may read it.
    pub(crate) fn exposed_file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => is_readable_by_all(path).then_some(path),
            Self::Env(_) | Self::Credential(_) => None,
        }
    }
}

type Variable = Result<String, std::env::VarError>;

/// Where systemd puts the credentials of a unit (systemd.exec, `LoadCredential=`).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads secrets, and systemd's folder of them, from the environment"
)]
fn variable(name: &str) -> Variable {
    std::env::var(name)
}

fn read_file(path: &Path) -> Result<String, SecretError> {
    let content =
        bounded::read_text(path, bounded::MAX_SECRET).map_err(|source| SecretError::File {
            path: path.to_owned(),
            source,
        })?;
    match trimmed(&content) {
        "" => Err(SecretError::FileEmpty(path.to_owned())),
        secret => Ok(secret.to_owned()),
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

#[cfg(unix)]
fn is_readable_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_all(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::env::VarError;
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_loses_the_line_break_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "s3cret \r\n").unwrap();
        assert_eq!(Secret::File(path.clone()).read().unwrap(), "s3cret ");

        let inside = folder.path().to_str().unwrap().to_owned();
        let credential = Secret::Credential("token".to_owned());
        let read = credential.read_with(&|name| {
            assert_eq!(name, CREDENTIALS_DIRECTORY);
            Ok(inside.clone())
        });
        assert_eq!(read.unwrap(), "s3cret ");

        let variable = Secret::Env("TOKEN".to_owned());
        assert_eq!(variable.read_with(&|_| Ok("x\n".to_owned())).unwrap(), "x");
    }

    #[test]
    fn an_error_names_the_place_and_never_the_content() {
        let missing = |_: &str| Err(VarError::NotPresent);
        let error = |secret: Secret| secret.read_with(&missing).unwrap_err().to_string();
        assert_eq!(
            error(Secret::Env("WIZER_TOKEN".to_owned())),
            "the environment variable WIZER_TOKEN is not set"
        );
        assert_eq!(
            error(Secret::File("/nonexistent/token".into())),
            "the file /nonexistent/token cannot be read"
        );
        assert!(error(Secret::Credential("t".to_owned())).contains("CREDENTIALS_DIRECTORY"));
        let empty = Secret::Env("WIZER_TOKEN".to_owned());
        assert_eq!(
            empty
                .read_with(&|_| Ok("\n".to_owned()))
                .unwrap_err()
                .to_string(),
            "the environment variable WIZER_TOKEN is empty"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_everyone_may_read_is_found_out() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "x").unwrap();
        let secret = Secret::File(path.clone());
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o644, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(secret.exposed_file().is_some(), exposed);
        }
    }
}
