//! What can go wrong with the database, and what to do about it.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use postgres::error::SqlState;

use crate::config::SecretError;

/// The database did not do what was requested: its own words, and a remedy where one is known.
#[derive(Debug)]
pub(crate) struct Failed {
    attempt: &'static str,
    words: String,
    remedy: Option<&'static str>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It may heal by itself: nothing is wrong with what was requested.
    Passing,
    /// The same, and it is not known whether it was done.
    Broken,
    /// It stays so until a person does something.
    Lasting,
    /// Others have taken over what this agent had.
    Lost,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: {}", self.attempt, self.words)?;
        match self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failed {}

impl Failed {
    fn new(words: String, remedy: Option<&'static str>, kind: Kind) -> Self {
        Self {
            attempt: "use it",
            words,
            remedy,
            kind,
        }
    }

    /// What was attempted when it failed.
    pub(super) fn at(self, attempt: &'static str) -> Self {
        Self { attempt, ..self }
    }

    pub(super) fn from_database(error: &postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            let mut words = error.to_string();
            let mut source = error.source();
            while let Some(inner) = source {
                let inner_words = inner.to_string();
                if !words.contains(&inner_words) {
                    words = format!("{words}: {inner_words}");
                }
                source = inner.source();
            }
            let lasting = LASTING.iter().find(|(part, _)| words.contains(part));
            if let Some((_, remedy)) = lasting {
                return Self::new(words, Some(remedy), Kind::Lasting);
            }
            return Self::new(words, None, Kind::Broken);
        };
        let (remedy, kind) = judge(said.code());
        let mut words = said.message().to_owned();
        if let Some(detail) = said.detail() {
            words = format!("{words} ({detail})");
        }
        Self::new(words, remedy, kind)
    }

    pub(super) fn secret(error: &SecretError) -> Self {
        Self::new(error.to_string(), None, Kind::Lasting)
    }

    pub(super) fn tls(words: String) -> Self {
        Self::new(words, None, Kind::Lasting)
    }

    pub(super) fn unfit(words: String, remedy: &'static str) -> Self {
        Self::new(words, Some(remedy), Kind::Lasting)
    }

    pub(super) fn lost() -> Self {
        Self::new(
            "the lease of this agent ended, and other agents may have taken its jobs over"
                .to_owned(),
            None,
            Kind::Lost,
        )
    }

    pub(super) fn crashed() -> Self {
        let words = "the connection's thread stopped; this is a bug";
        Self::new(words.to_owned(), None, Kind::Broken)
    }

    pub(super) fn interrupted() -> Self {
        let words = "the connection broke inside the transaction";
        Self::new(words.to_owned(), None, Kind::Broken)
    }

    pub(super) fn silent(limit: Duration) -> Self {
        let words = format!("no answer within {} s", limit.as_secs());
        Self::new(words, None, Kind::Broken)
    }

    pub(super) fn unreadable(what: &str) -> Self {
        let words = format!("{what} cannot be read");
        let remedy =
            "restore a backup of the database, or copy a state file to it with entrain state copy";
        Self::new(words, Some(remedy), Kind::Lasting)
    }

    /// Whether the end of what was requested is not known.
    pub(super) fn breaks_connection(&self) -> bool {
        self.kind == Kind::Broken
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.kind == Kind::Lost
    }

    /// Whether waiting may help.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.kind, Kind::Passing | Kind::Broken)
    }
}

impl From<postgres::Error> for Failed {
    fn from(error: postgres::Error) -> Self {
        Self::from_database(&error)
    }
}

/// What the client itself reports, and what only a person can change.
const LASTING: [(&str, &str); 3] = [
    ("password missing", "add state.password = { file = \"…\" }"),
    (
        "invalid peer certificate",
        "the server's certificate must name the host in state.url, and an authority must have signed it that this machine \
         trusts or state.ca_certificate names",
    ),
    (
        "does not support TLS",
        "the server must have ssl = on; without encryption it can only be used over the loopback interface or a Unix \
         socket",
    ),
];

fn judge(code: &SqlState) -> (Option<&'static str>, Kind) {
    let lasting = |remedy| (Some(remedy), Kind::Lasting);
    let passing = |remedy| (Some(remedy), Kind::Passing);
    match code.code() {
        "28P01" => lasting("state.password must hold the password of the user in state.url"),
        "28000" => lasting("the server's pg_hba.conf must let this user and machine in"),
        "3D000" => lasting("create the database, as in: createdb --owner entrain entrain"),
        // A schema that the user may not use is none, for what is created in it.
        "42501" | "3F000" => lasting(
            "the user must own the schema and what is in it, as in: ALTER SCHEMA entrain OWNER TO entrain; where there is \
             none yet, it needs the right to create one: GRANT CREATE ON DATABASE entrain TO entrain",
        ),
        "25006" => passing("let state.url name the primary server"),
        "53300" => {
            passing("the server has no free connection: raise max_connections; an agent needs 3")
        }
        "53100" => passing("the server's disk is full"),
        "57014" => passing("the server ended a statement that took too long"),
        "55P03" => passing("another agent holds the state for too long"),
        "25P03" => (None, Kind::Broken),
        code if code.starts_with("57P") || code.starts_with("08") => (None, Kind::Broken),
        code if code.starts_with("53") || code.starts_with("40") || code.starts_with("58") => {
            (None, Kind::Passing)
        }
        _ => (None, Kind::Lasting),
    }
}
