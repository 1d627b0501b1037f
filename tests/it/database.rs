//! A `PostgreSQL` server of the system's packages, for states that several agents share.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use postgres::{Client, NoTls};

use crate::foreign::{Program, skipped, targets};

/// Set to 1, a program that is not there fails the test that needs it.
const REQUIRE: &str = "ENTRAIN_REQUIRE_FOREIGN";

/// Set to the address of a database, the tests of faults, crashes and kills run on it in place of a file; `.ci/run` does.
const EVERYWHERE: &str = "ENTRAIN_TEST_DATABASE";

pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// For a state that would be a file otherwise.
pub(crate) fn everywhere() -> Option<Database> {
    let url = env::var_os(EVERYWHERE).filter(|url| !url.is_empty())?;
    let url: url::Url = url.to_str().unwrap().parse().unwrap();
    url.port().map(Database::on)
}

/// A database with a schema of its own for one test.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) port: u16,
    pub(crate) schema: String,
}

impl Database {
    /// On the server that all tests share. `None`, and a loud message, where there is no `PostgreSQL`.
    pub(crate) fn of_all() -> Option<Self> {
        static SERVER: OnceLock<Option<Program>> = OnceLock::new();
        let server = SERVER.get_or_init(|| {
            let program = start(None)?;
            prepare(program.port);
            Some(program)
        });
        server.as_ref().map(|server| Self::on(server.port))
    }

    /// On a server of its own, which may be restarted; with a folder of certificates it takes encrypted
    /// connections, too.
    pub(crate) fn alone(certificates: Option<&Path>) -> Option<(Program, Self)> {
        let program = start(certificates)?;
        prepare(program.port);
        let database = Self::on(program.port);
        Some((program, database))
    }

    fn on(port: u16) -> Self {
        let schema = format!("t{:016x}", fastrand::u64(..));
        Self { port, schema }
    }

    /// The section `[state]` of an agent whose copy is `file`.
    pub(crate) fn section(&self, file: &str, more: &str) -> String {
        let Self { port, schema } = self;
        format!(
            "[state]\npath = \"{file}\"\nurl = \"postgres://entrain@127.0.0.1:{port}/entrain\"\n\
             schema = \"{schema}\"\nkey = {{ file = \"state-key\" }}\n{more}\n"
        )
    }

    /// Runs statements as the server's administrator, in the schema.
    pub(crate) fn run(&self, sql: &str) {
        self.with(|client| client.batch_execute(sql).unwrap());
    }

    /// One number.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.with(|client| client.query_one(sql, &[]).unwrap().get(0))
    }

    fn with<T: Send>(&self, work: impl FnOnce(&mut Client) -> T + Send) -> T {
        administer(self.port, "entrain", |client| {
            let schema = &self.schema;
            let sql = format!("SET search_path TO {schema}");
            client.batch_execute(&sql).unwrap();
            work(client)
        })
    }
}

/// On a thread of its own: this client cannot be used in an asynchronous task.
fn administer<T: Send>(port: u16, database: &str, work: impl FnOnce(&mut Client) -> T + Send) -> T {
    let address = format!("postgres://postgres@127.0.0.1:{port}/{database}");
    thread::scope(|scope| {
        let working = scope.spawn(move || work(&mut Client::connect(&address, NoTls).unwrap()));
        working.join().unwrap()
    })
}

fn start(certificates: Option<&Path>) -> Option<Program> {
    static STARTING: Mutex<()> = Mutex::new(());
    let script = targets().join("postgres/serve.sh");
    let there = Command::new("bash").arg(&script).arg("--where").output();
    if !there.is_ok_and(|there| there.status.success()) {
        assert!(
            env::var_os(REQUIRE).is_none_or(|value| value != "1"),
            "there is no PostgreSQL, and {REQUIRE} is set"
        );
        skipped(
            "PostgreSQL",
            "it is in the package postgresql of most systems",
        );
        return None;
    }
    let mut command = Command::new("bash");
    command.arg(&script);
    if let Some(folder) = certificates {
        command.env("TLS", folder);
    }
    // Two that begin at the same time could choose the same port.
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    Some(Program::start("postgres", command))
}

fn prepare(port: u16) {
    administer(port, "postgres", |server| {
        for sql in [
            "CREATE ROLE entrain LOGIN",
            "CREATE ROLE guarded LOGIN PASSWORD 'open sesame'",
            "CREATE ROLE certified LOGIN",
            "CREATE ROLE powerless LOGIN",
            "CREATE DATABASE entrain OWNER entrain",
            "GRANT CREATE ON DATABASE entrain TO guarded, certified",
        ] {
            server.batch_execute(sql).unwrap();
        }
    });
}
