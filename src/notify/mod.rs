//! Sends notifications: by e-mail, to webhooks, and the heartbeat. What they say and when is decided elsewhere;
//! here a message is delivered, or the reason why not is given in the other side's words.

mod mail;
mod remedy;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lettre::message::Mailbox;
use tokio::time::timeout;

use crate::config::{Config, Mail, SecretError, Webhook, WebhookForm};
use crate::engine::notice::Message;
use crate::http;

pub(crate) use webhook::call as call_heartbeat;

/// One delivery, from looking up the host to the last answer.
const LIMIT: Duration = Duration::from_mins(1);

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Mail { to: Mailbox, settings: Mail },
    Webhook(Webhook),
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{key} cannot be read")]
    Secret {
        /// Which one it is in the configuration.
        key: String,
        #[source]
        source: SecretError,
    },
    #[error("the file of notify.mail.ca_certificate is not usable")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the message cannot be written")]
    Message(#[source] lettre::error::Error),
    #[error("{at}: {words}")]
    Mail {
        at: String,
        words: String,
        remedy: &'static str,
    },
    #[error("the address cannot be used")]
    Url(#[from] http::UrlError),
    #[error("the HTTP client cannot be set up")]
    Client(#[from] http::BuildError),
    #[error("{host}: {words}")]
    Web {
        host: String,
        words: String,
        remedy: &'static str,
    },
    #[error("no answer within {} seconds", LIMIT.as_secs())]
    TooSlow,
}

impl Error {
    /// The whole chain in one line.
    pub(crate) fn chain(&self) -> String {
        chain(self)
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Secret { .. } => {
                "correct it in [notify] of the configuration, or the file or variable that it names"
            }
            Self::Certificate(_) => {
                "write the certificate of the authority to that file, in PEM form, and let entrain read it"
            }
            Self::Message(_) => "correct from and to in [notify.mail]",
            Self::Url(_) => "write an https address into the file or variable of the URL",
            Self::Client(_) => "check the system's certificates and the variables of the proxy",
            Self::Mail { remedy, .. } | Self::Web { remedy, .. } => remedy,
            Self::TooSlow => {
                "check the address and port, and that a firewall lets connections through"
            }
        }
    }
}

/// An error and everything below it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_words = next.to_string();
        // Some repeat what is below them.
        if !words.contains(&next_words) {
            words.push_str(": ");
            words.push_str(&next_words);
        }
        cause = next.source();
    }
    words
}

impl Channel {
    /// By which it is known in the state.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Mail { to, .. } => mail_name(to),
            Self::Webhook(hook) => format!("webhook:{}", hook.name),
        }
    }

    /// `None`: an e-mail.
    pub(crate) fn form(&self) -> Option<WebhookForm> {
        match self {
            Self::Mail { .. } => None,
            Self::Webhook(hook) => Some(hook.form),
        }
    }

    /// Delivers a message, in bounded time; what it gives back is where it was taken.
    pub(crate) async fn send(&self, message: &Message) -> Result<String, Error> {
        let sending = async {
            match self {
                Self::Mail { to, settings } => mail::send(settings, to, message).await,
                Self::Webhook(hook) => webhook::send(hook, message).await,
            }
        };
        timeout(LIMIT, sending).await.map_err(|_| Error::TooSlow)?
    }
}

fn mail_name(to: &Mailbox) -> String {
    format!("mail:{}", to.email)
}

/// Every channel, by its name: those of all jobs, and those of one.
pub(crate) fn channels(config: &Config) -> BTreeMap<String, Channel> {
    let notify = &config.notify;
    let mail = notify.mail.iter().flat_map(|settings| {
        let jobs = config.jobs.iter();
        let of_jobs = jobs.flat_map(|job| job.notify.to.iter().flatten());
        let all = settings.to.iter().chain(of_jobs);
        all.map(|to| Channel::Mail {
            to: to.clone(),
            settings: settings.clone(),
        })
    });
    let webhooks = notify.webhooks.iter().cloned().map(Channel::Webhook);
    let channels = mail.chain(webhooks);
    channels.map(|channel| (channel.name(), channel)).collect()
}

/// The names of the channels for what concerns a job, or all of them.
pub(crate) fn channels_of(config: &Config, job: Option<&str>) -> BTreeSet<String> {
    let own = job.and_then(|name| {
        let mut jobs = config.jobs.iter();
        jobs.find(|job| job.rules.name.as_str() == name)
    });
    let own = own.map(|job| &job.notify);
    let mut names = BTreeSet::new();
    if let Some(settings) = &config.notify.mail {
        let to = own.and_then(|own| own.to.as_ref()).unwrap_or(&settings.to);
        names.extend(to.iter().map(mail_name));
    }
    let chosen = own.and_then(|own| own.webhooks.as_ref());
    for hook in &config.notify.webhooks {
        if chosen.is_none_or(|chosen| chosen.contains(&hook.name)) {
            names.insert(format!("webhook:{}", hook.name));
        }
    }
    names
}
