//! Notifications: by which ways, and what would be careless.

use std::collections::BTreeSet;
use std::path::Path;

use lettre::message::Mailbox;
use url::Host;

use super::address::is_loopback;
use super::{certificates, secret};
use crate::config::choice::choose;
use crate::config::file;
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::config::settings::{Encryption, JobNotify, Mail, Notify, Webhook, WebhookForm};

pub(super) fn resolve_notify(
    notify: &file::Notify,
    folder: &Path,
    log: &mut Log,
) -> Option<Notify> {
    if notify.mail.is_none() && notify.webhooks.is_empty() && notify.heartbeat.is_none() {
        let remedy = "add [notify.mail], [[notify.webhooks]] or heartbeat";
        log.warning(notify.place.problem("no recipient is configured", remedy));
    }
    let mail = notify.mail.as_ref();
    let mail = mail.map(|mail| resolve_mail(mail, folder, log));
    let mut names = BTreeSet::new();
    let mut webhooks = Vec::new();
    for typed in &notify.webhooks {
        let Some(webhook) = resolve_webhook(typed, folder, log) else {
            continue;
        };
        if let Some(name) = &typed.name
            && !names.insert(webhook.name.clone())
        {
            let problem = name.place.problem(
                format!("another webhook is named {:?}", webhook.name),
                "give each webhook a unique name",
            );
            log.problem(problem);
        }
        webhooks.push(webhook);
    }
    Some(Notify {
        mail: match mail {
            Some(mail) => Some(mail?),
            None => None,
        },
        webhooks,
        heartbeat: secret(notify.heartbeat.as_ref(), folder, log),
    })
}

fn resolve_mail(mail: &file::Mail, folder: &Path, log: &mut Log) -> Option<Mail> {
    let words = [
        ("starttls", Encryption::StartTls),
        ("tls", Encryption::Tls),
        ("none", Encryption::None),
    ];
    let typed = mail.encryption.as_ref();
    let encryption = typed.and_then(|typed| choose(typed, &words, log));
    let encryption = encryption.unwrap_or(Encryption::StartTls);
    let server = mail.server.as_ref();
    let server = server.and_then(|typed| host(typed, log));
    let port = match &mail.port {
        None => Some(encryption.port()),
        Some(typed) => {
            let port = u16::try_from(typed.value).ok();
            if port.is_none() {
                let message = format!("{} is not a valid port", typed.value);
                let problem = typed.place.problem(message, "write a number up to 65535");
                log.problem(problem);
            }
            port
        }
    };
    let password = secret(mail.password.as_ref(), folder, log);
    let user = mail.user.as_ref().map(|typed| typed.value.clone());
    for (one, name, other) in [
        (user.is_some(), "password", password.is_none()),
        (password.is_some(), "user", user.is_none()),
    ] {
        if one && other {
            let place = mail.place.name(name);
            log.problem(place.problem("missing", "set both user and password, or neither"));
        }
    }
    let from = mail.from.as_ref().and_then(|typed| mailbox(typed, log));
    let to = mailboxes(mail.to.as_deref().unwrap_or_default(), log);
    if let (Some(to), Some(typed)) = (&to, &mail.to)
        && to.is_empty()
        && typed.is_empty()
    {
        let remedy = "write to = [\"it@example.com\"]";
        log.problem(mail.place.name("to").problem("empty", remedy));
    }
    if let (Some(server), Encryption::None) = (&server, encryption)
        && !Host::parse(server).is_ok_and(|host| is_loopback(&borrowed(&host)))
    {
        let place = mail.place.name("encryption");
        let remedy = "write starttls or tls; none is only for a mail server on this machine";
        if password.is_some() {
            let message = format!("the password would be sent unencrypted to {server}");
            log.problem(place.problem(message, remedy));
        } else {
            let message = format!("names of users are sent unencrypted to {server}");
            log.warning(place.problem(message, remedy));
        }
    }
    Some(Mail {
        server: server?,
        port: port?,
        encryption,
        login: user.zip(password),
        from: from?,
        to: to?,
        ca_certificate: mail
            .ca_certificate
            .as_ref()
            .map(|typed| certificates(typed, folder, log)),
    })
}

fn borrowed(host: &Host<String>) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    }
}

/// A host alone, without a protocol or a port. An IPv6 address is written without brackets.
fn host(typed: &Typed<String>, log: &mut Log) -> Option<String> {
    let text = typed.value.trim();
    let is_host = text.parse::<std::net::Ipv6Addr>().is_ok()
        || (Host::parse(text).is_ok() && !text.contains([':', '/', '[']));
    if !is_host {
        let message = format!("{text:?} is not a host name");
        let remedy = "write only the name or address; the port has its own key";
        log.problem(typed.place.problem(message, remedy));
        return None;
    }
    Some(text.to_owned())
}

fn mailbox(typed: &Typed<String>, log: &mut Log) -> Option<Mailbox> {
    let mailbox = typed.value.trim().parse().ok();
    if mailbox.is_none() {
        let message = format!("{:?} is not an e-mail address", typed.value);
        let remedy = "write \"it@example.com\" or \"IT <it@example.com>\"";
        log.problem(typed.place.problem(message, remedy));
    }
    mailbox
}

fn mailboxes(typed: &[Typed<String>], log: &mut Log) -> Option<Vec<Mailbox>> {
    let read: Vec<_> = typed.iter().map(|one| mailbox(one, log)).collect();
    read.into_iter().collect()
}

fn resolve_webhook(webhook: &file::Webhook, folder: &Path, log: &mut Log) -> Option<Webhook> {
    let words = [
        ("json", WebhookForm::Json),
        ("slack", WebhookForm::Slack),
        ("teams", WebhookForm::Teams),
    ];
    let form = webhook.form.as_ref();
    let form = form.and_then(|typed| choose(typed, &words, log));
    let url = secret(webhook.url.as_ref(), folder, log);
    let token = secret(webhook.token.as_ref(), folder, log);
    Some(Webhook {
        name: webhook.name.as_ref()?.value.trim().to_owned(),
        url: url?,
        form: form.unwrap_or(WebhookForm::Json),
        token,
    })
}

/// What a job says of its own notifications; `general` is what there is of ways.
pub(super) fn resolve_job_notify(
    job: &file::JobNotify,
    general: Option<&file::Notify>,
    folder: &Path,
    log: &mut Log,
) -> Option<JobNotify> {
    let to = match &job.to {
        Some(typed) => {
            if general.is_none_or(|notify| notify.mail.is_none())
                && let Some(first) = typed.first()
            {
                let remedy = "add [notify.mail] with server and from";
                log.problem(first.place.problem("no mail server is configured", remedy));
            }
            Some(mailboxes(typed, log)?)
        }
        None => None,
    };
    let known: Vec<&str> = general
        .iter()
        .flat_map(|notify| &notify.webhooks)
        .filter_map(|webhook| Some(webhook.name.as_ref()?.value.trim()))
        .collect();
    for typed in job.webhooks.iter().flatten() {
        if !known.contains(&typed.value.trim()) {
            let remedy = match known.as_slice() {
                [] => "add [[notify.webhooks]] with name and url".to_owned(),
                known => format!("the webhooks are {}", known.join(", ")),
            };
            let message = format!("there is no webhook named {:?}", typed.value);
            log.problem(typed.place.problem(message, remedy));
        }
    }
    let webhooks = job.webhooks.as_ref();
    Some(JobNotify {
        to,
        webhooks: webhooks.map(|names| {
            let names = names.iter();
            names.map(|name| name.value.trim().to_owned()).collect()
        }),
        heartbeat: secret(job.heartbeat.as_ref(), folder, log),
    })
}
