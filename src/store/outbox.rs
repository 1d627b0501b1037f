//! Notifications: what was said of which trouble, and the messages that are not delivered yet. What is said
//! and its messages are one transaction, so that a crash loses none and makes none twice.

use chrono::{DateTime, Utc};
use rusqlite::{Row, params};

use super::wire::{Column, unreadable};
use super::{Error, Store};
use crate::engine::notice::{
    Known, LONGEST_WAIT, Mark, Matter, Memory, Message, Queued, Topic, Waiting,
};

/// Messages that wait for one channel; of more the oldest go.
const MOST_WAITING: i64 = 500;

impl Store {
    /// What is remembered of troubles.
    pub(crate) fn said(&self) -> Result<Memory, Error> {
        self.read("look up what was notified", |state| {
            state
                .prepare_cached("SELECT topic, of, since, said, mark, is_over FROM notices")?
                .query_map([], known)?
                .collect()
        })
    }

    /// Notes what is to be remembered, and the messages that say it.
    pub(crate) fn say(&self, memory: &Memory, messages: &[Message]) -> Result<(), Error> {
        self.write("note a notification", |state| {
            state.run("DELETE FROM notices", [])?;
            for (matter, known) in memory {
                let Matter { topic, of } = matter;
                let Known {
                    since,
                    said,
                    mark: Mark(mark),
                    is_over,
                } = known;
                state.run(
                    "INSERT INTO notices (topic, of, since, said, mark, is_over)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        topic.as_str(),
                        of,
                        Column(*since),
                        said.map(Column),
                        Column(*mark),
                        is_over
                    ],
                )?;
            }
            for message in messages {
                let Message {
                    key,
                    channel,
                    at,
                    subject,
                    body,
                    html,
                } = message;
                state.run(
                    "INSERT INTO outbox (message, channel, at, subject, body, html, attempts, next)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?3)",
                    params![key, channel, Column(*at), subject, body, html],
                )?;
                state.run(
                    "DELETE FROM outbox WHERE channel = ?1 AND id <= (
                         SELECT id FROM outbox WHERE channel = ?1
                         ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                    params![channel, MOST_WAITING],
                )?;
            }
            Ok(())
        })
    }

    /// The messages that are to be tried now, the oldest first. One that would be tried later than any is was
    /// put off by a clock that was ahead.
    pub(crate) fn to_deliver(&self, now: DateTime<Utc>) -> Result<Vec<Queued>, Error> {
        self.read("look up the outbox", |state| {
            state
                .prepare_cached(
                    "SELECT id, attempts, message, channel, at, subject, body, html FROM outbox
                     WHERE next <= ?1 OR next > ?2 ORDER BY id",
                )?
                .query_map(params![Column(now), Column(now + LONGEST_WAIT)], queued)?
                .collect()
        })
    }

    /// A message is delivered.
    pub(crate) fn delivered(&self, id: i64) -> Result<(), Error> {
        self.write("note that a notification is delivered", |state| {
            // What answers again is tried with the rest at once.
            state.run(
                "UPDATE outbox SET next = at
                 WHERE channel = (SELECT channel FROM outbox WHERE id = ?1)",
                params![id],
            )?;
            state.run("DELETE FROM outbox WHERE id = ?1", params![id])?;
            Ok(())
        })
    }

    /// A message could not be delivered, and is tried again.
    pub(crate) fn not_delivered(
        &self,
        id: i64,
        error: &str,
        next: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write("note that a notification is not delivered", |state| {
            state.run(
                "UPDATE outbox SET attempts = attempts + 1, error = ?2, next = ?3 WHERE id = ?1",
                params![id, error, Column(next)],
            )?;
            Ok(())
        })
    }

    /// Lets go of messages to channels that are not among these; how many there were.
    pub(crate) fn keep_channels(&self, channels: &[String]) -> Result<usize, Error> {
        let known = self.waiting()?;
        let gone = known
            .iter()
            .map(|waiting| &waiting.channel)
            .filter(|channel| !channels.contains(channel));
        let gone: Vec<_> = gone.collect();
        if gone.is_empty() {
            return Ok(0);
        }
        self.write("let go of notifications", |state| {
            gone.iter().try_fold(0, |count, channel| {
                let sql = "DELETE FROM outbox WHERE channel = ?1";
                Ok(count + state.run(sql, params![channel])?)
            })
        })
    }

    /// What waits, by channel.
    pub(crate) fn waiting(&self) -> Result<Vec<Waiting>, Error> {
        self.read("look up the outbox", |state| {
            state
                .prepare_cached(
                    "SELECT o.channel, count(*), min(o.at), min(o.next),
                            (SELECT l.error FROM outbox l
                             WHERE l.channel = o.channel AND l.error IS NOT NULL
                             ORDER BY l.next DESC, l.id DESC LIMIT 1)
                     FROM outbox o GROUP BY o.channel ORDER BY o.channel",
                )?
                .query_map([], |row| {
                    let (Column(messages), Column(since)) = (row.get(1)?, row.get(2)?);
                    let Column(next) = row.get(3)?;
                    Ok(Waiting {
                        channel: row.get(0)?,
                        messages,
                        since,
                        error: row.get(4)?,
                        next,
                    })
                })?
                .collect()
        })
    }
}

fn known(row: &Row<'_>) -> rusqlite::Result<(Matter, Known)> {
    let word: String = row.get(0)?;
    let topic = Topic::ALL.into_iter().find(|topic| topic.as_str() == word);
    let topic = topic.ok_or_else(|| unreadable("topic of a notification"))?;
    let Column(since) = row.get(2)?;
    let said: Option<Column<DateTime<Utc>>> = row.get(3)?;
    let Column(mark) = row.get(4)?;
    let known = Known {
        since,
        said: said.map(|Column(said)| said),
        mark: Mark(mark),
        is_over: row.get(5)?,
    };
    let of = row.get(1)?;
    Ok((Matter { topic, of }, known))
}

fn queued(row: &Row<'_>) -> rusqlite::Result<Queued> {
    let Column(at) = row.get(4)?;
    Ok(Queued {
        id: row.get(0)?,
        attempts: row.get(1)?,
        message: Message {
            key: row.get(2)?,
            channel: row.get(3)?,
            at,
            subject: row.get(5)?,
            body: row.get(6)?,
            html: row.get(7)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::JobName;

    fn message(number: usize, channel: &str, at: DateTime<Utc>) -> Message {
        Message {
            key: format!("{channel} {number}"),
            channel: channel.to_owned(),
            at,
            subject: "s".to_owned(),
            body: "b".to_owned(),
            html: String::new(),
        }
    }

    #[test]
    fn messages_wait_until_they_are_delivered_and_each_is_tried_in_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("entrain.db")).unwrap();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let later = now + chrono::TimeDelta::minutes(1);
        let matter = Matter::of_job(Topic::Held, &JobName::new("demo"));
        let known = Known {
            since: now,
            said: Some(now),
            mark: Mark(3),
            is_over: false,
        };
        let memory = Memory::from([(matter, known)]);
        let messages = [message(1, "mail:a", now), message(2, "webhook:b", now)];
        store.say(&memory, &messages).unwrap();
        assert_eq!(store.said().unwrap(), memory);
        let due = store.to_deliver(now).unwrap();
        assert_eq!(due.len(), 2);
        assert_eq!(due[0].message, messages[0]);
        store.not_delivered(due[0].id, "550 no", later).unwrap();
        store.delivered(due[1].id).unwrap();
        assert_eq!(store.to_deliver(now).unwrap(), []);
        let waiting = store.waiting().unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].error.as_deref(), Some("550 no"));
        assert_eq!((waiting[0].since, waiting[0].next), (now, later));
        assert_eq!(store.to_deliver(later).unwrap()[0].attempts, 1);
        let channel = ["mail:a".to_owned()];
        assert_eq!(store.keep_channels(&channel).unwrap(), 0);
        assert_eq!(store.keep_channels(&[]).unwrap(), 1);
        store.say(&Memory::new(), &[]).unwrap();
        assert!(store.said().unwrap().is_empty());
    }

    #[test]
    fn a_channel_that_never_answers_keeps_a_bounded_number() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("entrain.db")).unwrap();
        let now = DateTime::UNIX_EPOCH;
        let messages = (0..510).map(|number| message(number, "mail:a", now));
        let messages: Vec<_> = messages.collect();
        store.say(&Memory::new(), &messages).unwrap();
        let waiting = store.to_deliver(now).unwrap();
        assert_eq!(waiting.len(), 500);
        assert_eq!(waiting[0].message.key, "mail:a 10");
    }
}
