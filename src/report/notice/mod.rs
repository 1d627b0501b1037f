//! Notifications in words: an e-mail as text and as HTML, and what webhooks are sent.

mod mail;
#[cfg(test)]
mod tests;
mod webhook;

use chrono::{DateTime, Utc};

use super::command::command;
use super::held::held_count;
use super::sentence::{
    all_held, capital, clean, expires, number, quarantine, refuses, refuses_no_more, subject_text,
    things,
};
use super::text::removal;
use crate::engine::denial::{Denial, DeniedSource, Refuses};
use crate::engine::notice::{Event, Matter, News, Topic, Trouble, Waiting};
use crate::engine::record::{Escrowed, HeldSet};

/// Removals and failing objects that are named; the rest is counted.
const NAMED: usize = 20;
/// Characters of a sentence that quotes the other side.
const LONGEST: usize = 400;

/// One message: everything that is to be said at one time.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    at: DateTime<Utc>,
    /// Where it comes from.
    from: String,
    items: Vec<Item>,
}

/// One thing that it says.
#[derive(Clone, Debug)]
struct Item {
    topic: &'static str,
    event: &'static str,
    job: Option<String>,
    /// The name of the source, where it is about one of several.
    source: Option<String>,
    since: DateTime<Utc>,
    title: String,
    sentences: Vec<String>,
    /// Objects, one a line.
    list: Vec<String>,
    /// To be typed, each with what it does.
    commands: Vec<(&'static str, String)>,
    is_good: bool,
}

/// An e-mail without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Notice {
    /// `host` is this machine's name, `state` the path of the state file.
    pub(crate) fn new(events: &[Event], host: &str, state: &str, at: DateTime<Utc>) -> Self {
        Self {
            at,
            from: from(host, state),
            items: events.iter().map(|event| item(event, at)).collect(),
        }
    }

    /// What `entrain test --notify` sends.
    pub(crate) fn trial(host: &str, state: &str, at: DateTime<Utc>) -> Self {
        let sentences = vec![
            "This is a test message from entrain test --notify. Notifications arrive here when \
             something needs your attention."
                .to_owned(),
        ];
        let item = Item {
            topic: "trial",
            event: "began",
            job: None,
            source: None,
            since: at,
            title: "Test notification".to_owned(),
            sentences,
            list: Vec::new(),
            commands: Vec::new(),
            is_good: true,
        };
        Self {
            at,
            from: from(host, state),
            items: vec![item],
        }
    }

    /// One line.
    fn subject(&self) -> String {
        let first = self.items.first();
        let first = first.map_or("", |item| item.title.as_str());
        match self.items.len() {
            0 | 1 => format!("entrain: {first}"),
            several => format!("entrain: {first}, and {} more", several - 1),
        }
    }
}

fn from(host: &str, state: &str) -> String {
    format!("entrain on {}, state {}", clean(host), clean(state))
}

/// What waits for a channel, and why.
pub(crate) fn waiting(waiting: &Waiting) -> String {
    let Waiting {
        channel,
        messages,
        since,
        error,
        next,
    } = waiting;
    let words = format!(
        "{} for {} {} since {}",
        things(*messages, "notification"),
        channel_name(channel),
        if *messages == 1 { "waits" } else { "wait" },
        time(*since)
    );
    match error {
        Some(error) => format!(
            "{words}; next attempt at {}; the last attempt failed: {}",
            time(*next),
            clip(error)
        ),
        None => words,
    }
}

/// `it@example.com`, `the webhook ops`.
pub(crate) fn channel_name(channel: &str) -> String {
    match channel.split_once(':') {
        Some(("webhook", name)) => format!("the webhook {}", clean(name)),
        Some((_, address)) => clean(address),
        None => clean(channel),
    }
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn clip(text: &str) -> String {
    let text = clean(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn item(event: &Event, now: DateTime<Utc>) -> Item {
    let Event {
        matter,
        news,
        since,
    } = event;
    let job = matter.job();
    let of = clean(&matter.of);
    let words = match news {
        News::Began(trouble) | News::Changed(trouble) => of_trouble(trouble, &of, now),
        News::Lasts(trouble) => {
            let mut words = of_trouble(trouble, &of, now);
            words.title = match job {
                Some(_) => format!("still {}", words.title),
                None => format!("Still: {}", words.title),
            };
            words.sentences.push(format!("Since {}.", time(*since)));
            words
        }
        News::Ended => of_end(matter, *since),
        News::Recovered => {
            let sentence = format!("First success since the problem began at {}.", time(*since));
            Words::good("in sync again", sentence)
        }
    };
    Item {
        topic: matter.topic.as_str(),
        event: news.as_str(),
        job: job.map(str::to_owned),
        source: matter
            .source()
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        since: *since,
        title: match job {
            Some(_) => format!("{of}: {}", words.title),
            None => words.title,
        },
        sentences: words.sentences,
        list: words.list,
        commands: words.commands,
        is_good: words.is_good,
    }
}

#[derive(Default)]
struct Words {
    title: String,
    sentences: Vec<String>,
    list: Vec<String>,
    commands: Vec<(&'static str, String)>,
    is_good: bool,
}

impl Words {
    fn good(title: &str, sentence: String) -> Self {
        Self {
            title: title.to_owned(),
            sentences: vec![sentence],
            is_good: true,
            ..Self::default()
        }
    }
}

fn of_end(matter: &Matter, since: DateTime<Utc>) -> Words {
    let since = time(since);
    match matter.topic {
        Topic::SourceRefused => Words::good(
            &capital(&refuses_no_more(Refuses::SignIn, &matter.of)),
            format!("It was refused since {since}."),
        ),
        Topic::PermissionMissing => Words::good(
            &capital(&refuses_no_more(Refuses::Permission, &matter.of)),
            format!("It was missing since {since}."),
        ),
        Topic::Quarantine => Words::good(
            "the quarantine ended",
            format!("It began at {since}. The job runs as before."),
        ),
        Topic::Crash | Topic::Expiring | Topic::Stuck | Topic::Held | Topic::Failing => {
            Words::good("over", format!("It began at {since}."))
        }
    }
}

fn of_trouble(trouble: &Trouble, of: &str, now: DateTime<Utc>) -> Words {
    match trouble {
        Trouble::Crash { times } => Words {
            title: "Started after a crash".to_owned(),
            sentences: vec![format!(
                "The previous process did not stop normally{}: it crashed, was killed, or the power \
                 failed. Requests in flight are looked up in the target before anything else is written.",
                match times {
                    0 | 1 => String::new(),
                    times => format!(", {} in a row", things(u64::from(*times), "time")),
                }
            )],
            ..Words::default()
        },
        Trouble::Denied(denied) => of_denied(denied),
        Trouble::Expiring { day } => Words {
            title: format!("{of} expires on {day}"),
            sentences: vec![format!("It {}.", expires(*day, now.date_naive()))],
            ..Words::default()
        },
        Trouble::Quarantine(one) => Words {
            title: "in quarantine".to_owned(),
            sentences: vec![format!("{}.", capital(&clip(&quarantine(one))))],
            commands: vec![
                ("For more", command(&format!("status {of}"))),
                ("When the cause is fixed", command(&format!("resume {of}"))),
            ],
            ..Words::default()
        },
        Trouble::Stuck { since, error } => {
            let since = since.map_or_else(
                || "no cycle has been complete yet".to_owned(),
                |since| format!("no complete cycle since {}", time(since)),
            );
            let error = error.as_ref().map(|error| {
                format!(
                    "The last cycle ended with: {}.",
                    clip(error).trim_end_matches('.')
                )
            });
            Words {
                title: since,
                sentences: error.into_iter().collect(),
                commands: vec![("For more", command(&format!("status {of}")))],
                ..Words::default()
            }
        }
        Trouble::Held(held) => of_held(held, of),
        Trouble::Failing {
            objects,
            first,
            has_retries,
        } => Words {
            title: format!(
                "{} {}",
                things(*objects, "object"),
                if *objects == 1 { "fails" } else { "fail" }
            ),
            sentences: vec![tried_again(*objects, first, *has_retries).to_owned()],
            list: named(first.iter().map(failing), *objects),
            commands: vec![("To list all", command(&format!("escrow list {of}")))],
            ..Words::default()
        },
    }
}

fn of_denied(denied: &DeniedSource) -> Words {
    let DeniedSource {
        name,
        tenant,
        since: _,
        denial:
            Denial {
                refuses: what,
                because,
                remedy,
            },
        jobs,
    } = denied;
    let is_only = name.is_empty();
    let jobs: Vec<String> = jobs.iter().map(|job| clean(job.as_str())).collect();
    let jobs = jobs.join(", ");
    let follows = match (what, is_only) {
        (Refuses::SignIn, true) => {
            "No job can read the tenant, so nothing is provisioned until this is fixed."
        }
        (Refuses::SignIn, false) => {
            "Nothing of this tenant is provisioned until this is fixed; other tenants are not affected."
        }
        (Refuses::Permission, _) => {
            "What cannot be read is not provisioned, and removals are postponed until this is fixed."
        }
    };
    let because = clip(because);
    let remedy = remedy
        .as_ref()
        .map(|remedy| format!("{}.", capital(&clip(remedy))));
    let whose = (!is_only).then(|| format!("Tenant {}; jobs: {jobs}.", clean(tenant)));
    let sentences = [Some(format!("{}.", capital(&because))), remedy, whose];
    let sentences = sentences.into_iter().flatten();
    Words {
        title: capital(&refuses(*what, name)),
        sentences: sentences.chain([follows.to_owned()]).collect(),
        commands: vec![("For details", command("test"))],
        ..Words::default()
    }
}

/// When objects that fail are tried again; `first` are some of them, or all.
fn tried_again(objects: u64, first: &[Escrowed], has_retries: bool) -> &'static str {
    let refused = first.iter().filter(|one| one.is_refused_for_good()).count();
    if !has_retries {
        "Each is tried again with every cycle."
    } else if refused as u64 == objects {
        "The target refuses each for good: it is tried again once a day, or as soon as the object or its mapping \
         changes."
    } else if refused == 0 && first.len() as u64 == objects {
        "Each is tried again after a minute, then with doubling delays of up to a day, or as soon as it changes."
    } else {
        "What the target refuses for good is tried again once a day, or as soon as the object or its mapping \
         changes; the rest after a minute, then with doubling delays of up to a day."
    }
}

fn failing(entry: &Escrowed) -> String {
    let Escrowed {
        subject,
        action,
        first_failed,
        last_failed: _,
        attempts: _,
        class: _,
        http_status: _,
        message,
        changed: _,
    } = entry;
    format!(
        "{} {}: {} (since {})",
        clean(action),
        subject_text(subject),
        clip(message),
        time(*first_failed)
    )
}

fn of_held(held: &HeldSet, of: &str) -> Words {
    let HeldSet {
        why,
        since: _,
        cycle,
        removals,
    } = held;
    let count = removals.len() as u64;
    let is = if count == 1 { "is" } else { "are" };
    let sentences = (!why.is_empty()).then(|| format!("{}.", capital(&all_held(why))));
    Words {
        title: format!("{} {is} held until approved", held_count(count, why)),
        sentences: sentences.into_iter().collect(),
        list: named(
            removals
                .iter()
                .map(|one| format!("{} ({})", removal(one), clean(&one.cause))),
            count,
        ),
        commands: vec![
            ("To review them", command(&format!("plan {of}"))),
            (
                "To approve them",
                command(&format!("approve {of} --cycle {cycle}")),
            ),
            ("To keep the accounts", command(&format!("reject {of}"))),
        ],
        ..Words::default()
    }
}

fn named(all: impl Iterator<Item = String>, count: u64) -> Vec<String> {
    let mut named: Vec<String> = all.take(NAMED).collect();
    let more = count.saturating_sub(named.len() as u64);
    if more > 0 {
        named.push(format!("and {} more", number(more)));
    }
    named
}
