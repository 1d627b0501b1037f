//! The agent in a folder of its own: its configuration, its state, and runs of its commands.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::process::{Usage, Watched};
use crate::world::World;

/// Writes in flight at the target, for the agent and for the bare client.
pub(crate) const CONCURRENCY: usize = 8;

/// Filters that no user and no group passes.
const NOBODY: &str = "\
    [jobs.users]\n\
    filters = [ { all = [ { attribute = \"displayName\", operator = \"EQUALS\", value = \"nobody\" } ] } ]\n\
    [jobs.groups]\n\
    filters = [ { all = [ { attribute = \"displayName\", operator = \"EQUALS\", value = \"nobody\" } ] } ]\n";

/// What is measured.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) file: PathBuf,
    /// The state is in a schema of its own of this database, and not in a file.
    pub(crate) database: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Agent {
    program: PathBuf,
    folder: TempDir,
}

/// One command from its start to its end.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) usage: Usage,
    /// `None` when it was killed.
    pub(crate) exit_code: Option<i32>,
    /// The state with its write-ahead log, as the run left them.
    pub(crate) state: u64,
}

impl Agent {
    /// An agent without any state. Its folder is in the build folder, because a file system in memory
    /// would count no bytes.
    pub(crate) fn new(program: &Program, world: &World) -> Self {
        Self::configured(program, world, "")
    }

    /// An agent with no user in scope: it reads the tenant, evaluates every user and writes nothing.
    pub(crate) fn that_only_reads(program: &Program, world: &World) -> Self {
        Self::configured(program, world, NOBODY)
    }

    fn configured(program: &Program, world: &World, scope: &str) -> Self {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(parent).expect("the build folder can be written");
        let folder = tempfile::Builder::new()
            .prefix("cycles-")
            .tempdir_in(parent);
        let folder = folder.expect("the build folder can be written");
        let database = program.database.as_deref();
        configure(folder.path(), world, scope, database);
        Self {
            program: program.file.clone(),
            folder,
        }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_until(arguments, || false)
    }

    /// Kills the command once `stop` is true.
    pub(crate) fn run_until(&self, arguments: &[&str], stop: impl FnMut() -> bool) -> Run {
        let folder = self.folder.path();
        let output = File::create(folder.join("output")).expect("a file can be made");
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file can be opened twice"))
            .stderr(output);
        let watched = Watched::start(&mut command).expect("the agent can be started");
        let (usage, status) = watched.wait(stop).expect("it is our child");
        Run {
            usage,
            exit_code: status.code(),
            state: self.state(),
        }
    }

    /// Makes its log as long as years make it: the last cycle and its rows again and again, as older cycles.
    pub(crate) fn lengthen_log(&self, rows: i64) {
        let state =
            Connection::open(self.folder.path().join("entrain.db")).expect("it has a state");
        let columns = |table: &str| {
            let sql = "SELECT group_concat(name, ', ') FROM pragma_table_info(?1)
                       WHERE name NOT IN ('id', 'number', 'cycle')";
            state.query_row(sql, [table], |row| row.get::<_, String>(0))
        };
        let lengthen = || -> rusqlite::Result<()> {
            let (of_cycles, of_rows) = (columns("cycles")?, columns("actions")?);
            let count = "SELECT count(*) FROM actions";
            let (first, of_first): (i64, i64) = state.query_row(
                "SELECT cycle, count(*) FROM actions GROUP BY cycle ORDER BY 2 DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let has: i64 = state.query_row(count, [], |row| row.get(0))?;
            state.execute_batch("BEGIN")?;
            for _ in 0..(rows - has).max(0) / of_first {
                state.execute(
                    &format!("INSERT INTO cycles ({of_cycles}) SELECT {of_cycles} FROM cycles WHERE number = ?1"),
                    [first],
                )?;
                state.execute(
                    &format!(
                        "INSERT INTO actions (cycle, {of_rows})
                         SELECT ?2, {of_rows} FROM actions WHERE cycle = ?1"
                    ),
                    [first, state.last_insert_rowid()],
                )?;
            }
            state.execute_batch(
                "UPDATE counter SET row = (SELECT max(id) FROM actions);
                 COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
            )
        };
        lengthen().expect("the state can be written");
    }

    /// The last lines that the last command printed, to explain a failure.
    pub(crate) fn last_output(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn state(&self) -> u64 {
        let files = ["entrain.db", "entrain.db-wal"];
        let sizes = files.map(|name| fs::metadata(self.folder.path().join(name)));
        sizes.into_iter().flatten().map(|file| file.len()).sum()
    }
}

fn configure(folder: &Path, world: &World, scope: &str, database: Option<&str>) {
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).expect("the folder can be written");
    };
    write("secret", world.fact("client_secret"));
    write("token", world.fact("scim_token"));
    let state = database.map_or_else(String::new, |url| {
        write("key", &"0123456789abcdef".repeat(2));
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_lowercase();
        let schema: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("[state]\nurl = {url:?}\nschema = {schema:?}\nkey = {{ file = \"key\" }}\n")
    });
    let text = format!(
        "{state}[source]\n\
         tenant_id = \"{}\"\n\
         client_id = \"{}\"\n\
         client_secret = {{ file = \"secret\" }}\n\
         login_url = \"{}\"\n\
         graph_url = \"{}\"\n\
         [[jobs]]\n\
         name = \"bench\"\n\
         preset = \"generic\"\n\
         application = {{ app_id = \"{}\" }}\n\
         [jobs.target]\n\
         base_url = \"{}\"\n\
         token = {{ file = \"token\" }}\n\
         concurrency = {CONCURRENCY}\n\
         {scope}",
        world.fact("tenant_id"),
        world.fact("client_id"),
        world.fact("login_url"),
        world.fact("graph_url"),
        world.fact("app_id"),
        world.fact("scim_url"),
    );
    write("entrain.toml", &text);
}
