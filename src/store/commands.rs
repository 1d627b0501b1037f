//! Commands that were handed to the service which uses the state: what is requested, and how it ended.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, params};

use super::wire::Column;
use super::{Error, Store};
use crate::engine::model::JobName;

/// What ended is kept for so long, in seconds, where no command waits for it any more.
const KEPT: i64 = 24 * 60 * 60;

/// A cycle that an operator requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) at: DateTime<Utc>,
    /// The Unix user.
    pub(crate) who: String,
    pub(crate) job: JobName,
    /// What is requested of it, as the commands write it.
    pub(crate) request: String,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandEnd {
    /// The exit code that it means.
    pub(crate) exit: u8,
    /// The cycle that was run.
    pub(crate) cycle: Option<i64>,
    /// What is printed of it, or the words of an error.
    pub(crate) words: String,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Commanded {
    Waits,
    Ended(CommandEnd),
    /// The service that it was handed to was started again.
    Gone,
}

impl Store {
    /// Puts commands on record for the service, and gives their numbers.
    pub(crate) fn hand_over(&self, commands: &[Command]) -> Result<Vec<i64>, Error> {
        self.write("hand a command to the service", |state| {
            // Of who stopped waiting for them.
            if let Some(newest) = commands.first() {
                state.run(
                    "DELETE FROM commands WHERE exit IS NOT NULL
                         AND unixepoch(at) < unixepoch(?1) - ?2",
                    params![Column(newest.at), KEPT],
                )?;
            }
            let rows = commands.iter().map(|command| {
                let Command {
                    at,
                    who,
                    job,
                    request,
                } = command;
                state
                    .prepare_cached(
                        "INSERT INTO commands (at, who, job, request) VALUES (?1, ?2, ?3, ?4)
                         RETURNING id",
                    )?
                    .query_row(params![Column(*at), who, job, request], |row| row.get(0))
            });
            rows.collect()
        })
    }

    /// Those that have not ended, the oldest first.
    pub(crate) fn commands(&self) -> Result<Vec<(i64, Command)>, Error> {
        self.read("look up commands", |state| {
            state
                .prepare_cached(
                    "SELECT id, at, who, job, request FROM commands WHERE exit IS NULL ORDER BY id",
                )?
                .query_map([], |row| {
                    let Column(at) = row.get(1)?;
                    let command = Command {
                        at,
                        who: row.get(2)?,
                        job: row.get(3)?,
                        request: row.get(4)?,
                    };
                    Ok((row.get(0)?, command))
                })?
                .collect()
        })
    }

    /// Whether one of this job has not ended.
    pub(crate) fn is_commanded(&self, job: &JobName) -> Result<bool, Error> {
        self.read("look up commands", |state| {
            state
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM commands WHERE exit IS NULL AND job = ?1)",
                )?
                .query_row(params![job], |row| row.get(0))
        })
    }

    pub(crate) fn end_command(&self, id: i64, end: &CommandEnd) -> Result<(), Error> {
        let CommandEnd { exit, cycle, words } = end;
        self.write("note how a command ended", |state| {
            state.run(
                "UPDATE commands SET exit = ?2, cycle = ?3, words = ?4 WHERE id = ?1",
                params![id, exit, cycle, words],
            )?;
            Ok(())
        })
    }

    pub(crate) fn commanded(&self, id: i64) -> Result<Commanded, Error> {
        self.read("look up a command", |state| {
            let found = state
                .prepare_cached("SELECT exit, cycle, words FROM commands WHERE id = ?1")?
                .query_row(params![id], |row| {
                    let exit: Option<u8> = row.get(0)?;
                    let words: Option<String> = row.get(2)?;
                    Ok((exit, row.get(1)?, words))
                })
                .optional()?;
            Ok(match found {
                Some((Some(exit), cycle, words)) => Commanded::Ended(CommandEnd {
                    exit,
                    cycle,
                    words: words.unwrap_or_default(),
                }),
                Some((None, ..)) => Commanded::Waits,
                None => Commanded::Gone,
            })
        })
    }

    /// Lets go of a command, or of all.
    pub(crate) fn forget_command(&self, id: Option<i64>) -> Result<(), Error> {
        self.write("let go of a command", |state| {
            state.run(
                "DELETE FROM commands WHERE ?1 IS NULL OR id = ?1",
                params![id],
            )?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_waits_until_it_ends_and_is_gone_with_the_service() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("entrain.db")).unwrap();
        let command = Command {
            at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            who: "alice".to_owned(),
            job: JobName::new("demo"),
            request: "{}".to_owned(),
        };
        let both = [command.clone(), command.clone()];
        let ids = store.hand_over(&both).unwrap();
        assert_eq!(store.commands().unwrap()[0], (ids[0], command));
        assert_eq!(store.commanded(ids[1]).unwrap(), Commanded::Waits);
        assert!(store.is_commanded(&JobName::new("demo")).unwrap());
        assert!(!store.is_commanded(&JobName::new("other")).unwrap());
        let end = CommandEnd {
            exit: 3,
            cycle: Some(7),
            words: "done".to_owned(),
        };
        store.end_command(ids[0], &end).unwrap();
        assert_eq!(store.commanded(ids[0]).unwrap(), Commanded::Ended(end));
        assert_eq!(store.commands().unwrap().len(), 1);
        store.forget_command(Some(ids[0])).unwrap();
        assert_eq!(store.commanded(ids[0]).unwrap(), Commanded::Gone);
        store.forget_command(None).unwrap();
        assert_eq!(store.commanded(ids[1]).unwrap(), Commanded::Gone);
    }

    #[test]
    fn what_ended_and_was_never_looked_at_is_kept_for_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("entrain.db")).unwrap();
        let command = |hours: i64| Command {
            at: DateTime::from_timestamp(1_800_000_000 + hours * 3600, 0).unwrap(),
            who: "alice".to_owned(),
            job: JobName::new("demo"),
            request: "{}".to_owned(),
        };
        let ids = store.hand_over(&[command(0), command(0)]).unwrap();
        let end = CommandEnd {
            exit: 0,
            cycle: Some(7),
            words: "done".to_owned(),
        };
        store.end_command(ids[0], &end).unwrap();
        store.hand_over(&[command(23)]).unwrap();
        assert_eq!(store.commanded(ids[0]).unwrap(), Commanded::Ended(end));
        store.hand_over(&[command(25)]).unwrap();
        assert_eq!(store.commanded(ids[0]).unwrap(), Commanded::Gone);
        assert_eq!(store.commanded(ids[1]).unwrap(), Commanded::Waits);
    }
}
