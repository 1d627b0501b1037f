//! Fetches secrets from where the configuration says they are. Errors name the place, never the
//! content.

use std::error::Error as _;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::bounded;
use super::credential::Secret;
use crate::os;

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
        "{0} begins with a byte order mark, which is not part of the secret: save it as UTF-8 without one"
    )]
    ByteOrderMark(String),
    #[error("the token in {0} is in quotation marks, which are not part of it: remove them")]
    Quoted(String),
    #[error(
        "the secret in {at} is shorter than {least} characters; make one with: openssl rand -base64 32"
    )]
    Short { at: String, least: usize },
    #[error(
        "the credential {0} is not available, because CREDENTIALS_DIRECTORY is not set: the program \
         was not started by a systemd unit with LoadCredential="
    )]
    NoCredentialsDirectory(String),
}

/// The token of a target, without what other programs want in front of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BearerToken {
    pub(crate) token: String,
    /// "Bearer " stood in front of it.
    pub(crate) had_scheme: bool,
}

/// What a secret is for; a token has a known form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Token,
    /// The key of the state.
    Key,
    /// The token of the status page, or the secret of a proxy in front of it.
    Page,
    /// A certificate, which everyone may read, or a token that the platform keeps there.
    Public,
    /// No text, such as a PKCS#12 file.
    Bytes,
    Other,
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Credential(name) => write!(f, "the credential {name}"),
        }
    }
}

impl Secret {
    /// The same with a relative path taken from this folder.
    pub(super) fn in_folder(&self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            Self::Env(_) | Self::Credential(_) => self.clone(),
        }
    }

    /// A secret that is no text, such as a PKCS#12 file.
    pub(crate) fn read_bytes(&self) -> Result<Vec<u8>, SecretError> {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Credential(name) => credential_path(name, &variable)?,
            // A variable holds text, and so the bytes in base64.
            Self::Env(_) => return self.read().map(String::into_bytes),
        };
        let bytes = bounded::read_file(&path, bounded::MAX_SECRET);
        bytes.map_err(|source| SecretError::File { path, source })
    }

    /// The secret itself, without the line break at its end.
    pub(crate) fn read(&self) -> Result<String, SecretError> {
        self.read_with(&variable)
    }

    /// The token of a target. "Bearer ", as documentation often shows it, is not part of it; what is
    /// never part of one is an error, because the target would only answer 401.
    pub(crate) fn read_token(&self) -> Result<BearerToken, SecretError> {
        let text = self.read()?;
        let text = text.trim();
        let scheme = text.get(..SCHEME.len());
        let had_scheme = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
        let token = if had_scheme {
            text[SCHEME.len()..].trim_start()
        } else {
            text
        };
        if token.starts_with(QUOTES) || token.ends_with(QUOTES) {
            return Err(SecretError::Quoted(self.to_string()));
        }
        Ok(BearerToken {
            token: token.to_owned(),
            had_scheme,
        })
    }

    /// The key of a state, which must not be found by trying.
    pub(crate) fn read_key(&self) -> Result<String, SecretError> {
        self.read_long(SHORTEST_KEY)
    }

    /// What lets a user in to the status page.
    pub(crate) fn read_page_token(&self) -> Result<String, SecretError> {
        self.read_long(SHORTEST_PAGE_TOKEN)
    }

    fn read_long(&self, least: usize) -> Result<String, SecretError> {
        let text = self.read()?;
        if text.trim().chars().count() < least {
            let at = self.to_string();
            return Err(SecretError::Short { at, least });
        }
        Ok(text)
    }

    fn read_with(&self, variable: &dyn Fn(&str) -> Variable) -> Result<String, SecretError> {
        let text = self.read_as_it_is(variable)?;
        if text.starts_with('\u{feff}') {
            return Err(SecretError::ByteOrderMark(self.to_string()));
        }
        Ok(text)
    }

    fn read_as_it_is(&self, variable: &dyn Fn(&str) -> Variable) -> Result<String, SecretError> {
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
            Self::Credential(name) => read_file(&credential_path(name, variable)?),
        }
    }

    /// Whether it can be read more than once: what came through a pipe cannot.
    pub(crate) fn is_kept(&self) -> bool {
        let path = match self {
            Self::Env(_) => return true,
            Self::File(path) => Some(path.clone()),
            Self::Credential(name) => credential_path(name, &variable).ok(),
        };
        path.and_then(|path| fs::metadata(path).ok())
            .is_some_and(|metadata| metadata.is_file())
    }

    /// What is wrong with the file of the secret, before the secret is needed, and what to do about it.
    /// A pipe is not looked into: what is read from it is gone.
    pub(super) fn file_fault(&self, purpose: Purpose) -> Option<(String, String)> {
        let Self::File(path) = self else { return None };
        if let Ok(metadata) = fs::metadata(path) {
            let is_exposed = metadata.is_file() && os::is_readable_by_others(&metadata);
            if is_exposed && purpose != Purpose::Public {
                let name = path.display();
                return Some((
                    format!("users other than the owner can read {name}"),
                    format!("chmod 600 {name}"),
                ));
            }
            if !(metadata.is_file() || metadata.is_dir()) {
                return None;
            }
        }
        let read = match purpose {
            Purpose::Token => self.read_token().map(|read| read.had_scheme),
            Purpose::Key => self.read_key().map(|_| false),
            Purpose::Page => self.read_page_token().map(|_| false),
            Purpose::Public | Purpose::Other => self.read().map(|_| false),
            Purpose::Bytes => self.read_bytes().map(|_| false),
        };
        let error = match read {
            Ok(false) => return None,
            Ok(true) => {
                return Some((
                    with_scheme(&path.display()),
                    "remove it from the file".to_owned(),
                ));
            }
            Err(error) => error,
        };
        let mut message = error.to_string();
        if let Some(cause) = error.source() {
            message = format!("{message}: {cause}");
        }
        let remedy = match error {
            SecretError::ByteOrderMark(_) | SecretError::Quoted(_) => {
                "correct the file: it must hold the secret and nothing else"
            }
            SecretError::Short { .. } => "write a longer secret into the file",
            SecretError::FileEmpty(_) if purpose == Purpose::Public => {
                "write its content before the job runs"
            }
            SecretError::FileEmpty(_) => "write the secret into the file before the job runs",
            SecretError::VariableMissing(_)
            | SecretError::VariableNotText(_)
            | SecretError::VariableEmpty(_)
            | SecretError::File { .. }
            | SecretError::NoCredentialsDirectory(_) => match purpose {
                Purpose::Public => "create it before the job runs",
                Purpose::Token | Purpose::Key | Purpose::Page | Purpose::Bytes | Purpose::Other => {
                    "create it with the secret before the job runs"
                }
            },
        };
        Some((message, remedy.to_owned()))
    }
}

/// What is remarked where "Bearer " stands in front of a token.
pub(crate) fn with_scheme(place: &dyn fmt::Display) -> String {
    format!(
        "the token in {place} begins with \"Bearer \", which is ignored: entrain adds it itself"
    )
}

const SHORTEST_KEY: usize = 32;
/// It can be guessed only through the page, which is slow.
const SHORTEST_PAGE_TOKEN: usize = 16;

/// In front of a token in the header of a request (RFC 6750).
const SCHEME: &str = "Bearer ";

/// None of them can stand in a token.
const QUOTES: [char; 6] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{201e}'];

fn credential_path(
    name: &str,
    variable: &dyn Fn(&str) -> Variable,
) -> Result<PathBuf, SecretError> {
    match variable(CREDENTIALS_DIRECTORY) {
        Ok(folder) => Ok(Path::new(&folder).join(name)),
        Err(_) => Err(SecretError::NoCredentialsDirectory(name.to_owned())),
    }
}

/// A variable that another program sets, such as the platform that the agent runs on.
pub(crate) fn environment(name: &str) -> Option<String> {
    variable(name).ok().filter(|value| !value.trim().is_empty())
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

/// The text of a file that holds a secret, without the line break at its end.
pub(crate) fn read_file(path: &Path) -> Result<String, SecretError> {
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

#[cfg(test)]
mod tests {
    use std::env::VarError;
    use std::os::unix::fs::PermissionsExt as _;

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

    #[test]
    fn a_file_that_is_no_use_is_found_out_before_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let secret = Secret::File(path.clone());
        let fault = || {
            secret
                .file_fault(Purpose::Token)
                .map(|(message, _)| message)
        };
        let name = path.display();
        let missing = fault().unwrap();
        assert!(
            missing.starts_with(&format!("the file {name} cannot be read: ")),
            "{missing}"
        );
        fs::write(&path, "\n").unwrap();
        for (mode, exposed) in [(0o600, false), (0o640, true), (0o604, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let expected = if exposed {
                format!("users other than the owner can read {name}")
            } else {
                format!("the file {name} is empty")
            };
            assert_eq!(fault(), Some(expected), "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "x").unwrap();
        assert_eq!(fault(), None);
        assert_eq!(
            Secret::File("/dev/null".into()).file_fault(Purpose::Other),
            None
        );
    }
}
