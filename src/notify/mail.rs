//! E-mail by SMTP: one recipient and one connection for each message, so that an address that is refused
//! keeps none from another.

use std::fs;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message as Email, Tokio1Executor};

use super::{Error, chain, remedy};
use crate::config::{Encryption, Mail};
use crate::engine::notice::Message;
use crate::http;

/// For one command of the protocol.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn send(
    settings: &Mail,
    to: &Mailbox,
    message: &Message,
) -> Result<String, Error> {
    let Mail {
        server,
        port,
        encryption,
        login,
        from,
        to: _,
        ca_certificate: _,
    } = settings;
    let password = match login {
        Some((_, password)) => {
            let read = password.read();
            Some(read.map_err(|source| Error::Secret {
                key: "notify.mail.password".to_owned(),
                source,
            })?)
        }
        None => None,
    };
    let at = format!("{server}:{port}");
    let refused = |error: &lettre::transport::smtp::Error| {
        let secret = password.as_deref().unwrap_or_default();
        let words = match (error.status(), std::error::Error::source(error)) {
            (Some(code), Some(words)) => format!("{code} {words}"),
            (Some(_) | None, _) => chain(error),
        };
        Error::Mail {
            at: at.clone(),
            words: http::redact_secret(&words, secret),
            remedy: remedy::mail(error, *encryption, login.is_some()),
        }
    };
    let tls = match encryption {
        Encryption::None => Tls::None,
        Encryption::StartTls => Tls::Required(parameters(settings)?),
        Encryption::Tls => Tls::Wrapper(parameters(settings)?),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server)
        .port(*port)
        .tls(tls)
        .timeout(Some(PATIENCE));
    if let (Some((user, _)), Some(password)) = (login, &password) {
        transport = transport.credentials(Credentials::new(user.clone(), password.clone()));
    }
    let email = email(from, to, message)?;
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()]);
    let envelope = envelope.map_err(Error::Message)?;
    let transport = transport.build();
    match transport.send_raw(&envelope, &email.formatted()).await {
        Ok(_) => Ok(format!("{} takes it for {}", at, to.email)),
        Err(error) => Err(refused(&error)),
    }
}

fn parameters(settings: &Mail) -> Result<TlsParameters, Error> {
    let mut builder = TlsParameters::builder(settings.server.clone());
    if let Some(path) = &settings.ca_certificate {
        let pem = fs::read(path).map_err(|error| Error::Certificate(error.into()))?;
        let root = Certificate::from_pem(&pem).map_err(|error| Error::Certificate(error.into()))?;
        builder = builder.add_root_certificate(root);
    }
    builder
        .build_rustls()
        .map_err(|error| Error::Certificate(error.into()))
}

/// The same bytes at every attempt, but for the boundary of its parts.
fn email(from: &Mailbox, to: &Mailbox, message: &Message) -> Result<Email, Error> {
    let Message {
        key,
        channel: _,
        at,
        subject,
        body,
        html,
    } = message;
    Email::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(subject)
        .date((*at).into())
        .message_id(Some(format!("<{key}@{}>", from.email.domain())))
        .header(AutoSubmitted)
        .multipart(MultiPart::alternative_plain_html(
            body.clone(),
            html.clone(),
        ))
        .map_err(Error::Message)
}

/// No absence note answers a mail with this (RFC 3834, section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_mail_has_both_parts_and_the_same_id_each_time() {
        let message = Message {
            key: "k1".to_owned(),
            channel: "mail:it@example.com".to_owned(),
            at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            subject: "entrain: démo\r\nBcc: x@example.com".to_owned(),
            body: "plain".to_owned(),
            html: "<p>rich</p>".to_owned(),
        };
        let from: Mailbox = "entrain <entrain@example.com>".parse().unwrap();
        let to: Mailbox = "it@example.com".parse().unwrap();
        let text = email(&from, &to, &message).unwrap().formatted();
        let text = String::from_utf8(text).unwrap();
        for line in [
            "Message-ID: <k1@example.com>\r\n",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
        assert!(!text.contains("\r\nBcc:"), "{text}");
    }
}
