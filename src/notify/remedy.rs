//! What to do about a delivery that failed, by what is known of it.

use std::error::Error as StdError;
use std::io;

use reqwest::StatusCode;
use tokio_rustls::rustls;

use crate::config::Encryption;

/// What a connection failed of.
enum Broken {
    /// The other side does not speak TLS here.
    NoTls,
    Certificate,
    Refused,
    Slow,
    Other,
}

fn broken(error: &(dyn StdError + 'static)) -> Broken {
    let mut cause = Some(error);
    while let Some(one) = cause {
        if let Some(io) = one.downcast_ref::<io::Error>() {
            let inner = io.get_ref();
            match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(rustls::Error::InvalidMessage(_)) => return Broken::NoTls,
                Some(rustls::Error::InvalidCertificate(_)) => return Broken::Certificate,
                Some(_) | None => {}
            }
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return Broken::Refused,
                io::ErrorKind::TimedOut => return Broken::Slow,
                _ => {}
            }
        }
        cause = one.source();
    }
    Broken::Other
}

pub(super) fn mail(
    error: &lettre::transport::smtp::Error,
    encryption: Encryption,
    has_login: bool,
) -> &'static str {
    if let Some(code) = error.status() {
        return reply(code.into(), has_login);
    }
    match (broken(error), encryption) {
        (Broken::NoTls, Encryption::Tls) => {
            "set encryption = \"starttls\" (usually port 587) in [notify.mail], or \"none\" for a mail server on \
             this machine: this port expects no TLS at first"
        }
        (Broken::Certificate, _) => {
            "write in server the name that is in the certificate, and set ca_certificate in [notify.mail] if it \
             is from a private authority"
        }
        (Broken::Refused, _) => {
            "correct server and port in [notify.mail], or start the mail server"
        }
        (_, Encryption::StartTls) if error.is_client() => {
            "set encryption = \"tls\" in [notify.mail] if the port is one for TLS (usually 465), or \"none\" for \
             a mail server on this machine"
        }
        _ if error.is_client() => {
            "correct user and password in [notify.mail], or remove them if the server has no login"
        }
        (_, Encryption::StartTls | Encryption::None) => {
            "correct server and port in [notify.mail], and set encryption = \"tls\" if the port is one for TLS \
             (usually 465); check that the firewall allows it"
        }
        (_, Encryption::Tls) => {
            "correct server and port in [notify.mail]; check that the firewall allows it"
        }
    }
}

/// By the code with which a mail server refuses (RFC 5321, section 4.2.3; RFC 4954, section 6).
fn reply(code: u16, has_login: bool) -> &'static str {
    match code {
        400..=499 => {
            "the mail server refuses it for now: the service tries again; if it lasts, ask the administrator of the mail server"
        }
        534 | 535 | 538 => "correct user and password in [notify.mail]",
        530 if !has_login => "set user and password in [notify.mail]",
        _ => {
            "correct from and to, or let the mail server accept mails of this machine or user for these addresses"
        }
    }
}

/// Of a webhook or heartbeat that could not be called.
pub(super) fn call(error: &reqwest::Error) -> &'static str {
    match broken(error) {
        Broken::Certificate | Broken::NoTls => {
            "check the URL: the host must have a certificate of a public authority for its name"
        }
        Broken::Refused | Broken::Slow | Broken::Other => {
            "check the URL, and that the host can be reached from here; for a proxy set HTTPS_PROXY"
        }
    }
}

/// By the status with which one answers.
pub(super) fn status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "replace the URL by the address that it leads to",
        401 | 403 => {
            "correct the token, or create a new URL in the service that receives the messages"
        }
        404 | 410 => {
            "create a new URL in the service that receives the messages: this one no longer exists"
        }
        429 | 500..=599 => {
            "the service tries again; if it lasts, ask the operator of the host, or check form of the webhook"
        }
        _ => "check form of the webhook (json, slack or teams) and that the URL takes POST",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mail_server_refuses_is_known_by_its_code() {
        assert!(reply(451, true).contains("tries again"));
        assert!(reply(535, true).contains("user and password"));
        assert!(reply(530, false).contains("set user and password"));
        assert!(reply(550, true).contains("from and to"));
    }

    #[test]
    fn a_redirect_a_lost_url_and_a_wrong_form_have_remedies_of_their_own() {
        let of = |code| status(StatusCode::from_u16(code).unwrap());
        let remedies = [of(302), of(401), of(404), of(400), of(503)];
        let mut different = remedies.to_vec();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), remedies.len());
    }
}
