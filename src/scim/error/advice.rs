//! What an administrator can do about a failed request.

use super::{About, Error, Form};
use crate::http;

impl Error {
    /// What an administrator can do about it, where that is known.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Refused {
                about,
                message,
                sign_in,
                ..
            } => match self.counted_status()? {
                401 => Some(match *sign_in {
                    "token" => {
                        "the target does not accept the token: check target.token, or make a new one"
                    }
                    "basic" => {
                        "the target does not accept the user with this password: check target.basic"
                    }
                    "oauth" => {
                        "the target does not accept the token that target.oauth.token_url issued: check \
                         target.oauth.scope, and the client's rights in the target"
                    }
                    "entra" => {
                        "the target does not accept the token that Entra signed: check target.entra.scope, and \
                         that the application of the source has a role of the target's application"
                    }
                    _ => {
                        "the target does not accept the request: check target.headers and \
                         target.client_certificate, or add token, oauth, entra or basic"
                    }
                }),
                403 => Some(match *sign_in {
                    "token" => {
                        "the token is valid but not allowed to do this: check its rights in the target"
                    }
                    _ => {
                        "the credential is valid but not allowed to do this: check its rights in the target"
                    }
                }),
                404 if *about == About::Collection || message.form == Form::Page => {
                    Some("there is no SCIM endpoint there: check target.base_url")
                }
                300..=399 => {
                    Some("check target.base_url: redirects are not followed, to protect the token")
                }
                _ => None,
            },
            Self::NotScim { .. } => {
                Some("the response is not from a SCIM service: check target.base_url")
            }
            Self::FilterIgnored { .. } | Self::FilterUnanswered { .. } => {
                Some("list in target.filterable only the attributes that the target can look up by")
            }
            Self::Http(http::Error::NotConnected { .. }) => Some(
                "check target.base_url, the network, a proxy in between, and target.ca_certificate",
            ),
            Self::BaseUrl { .. } => Some("correct target.base_url"),
            Self::Certificate { .. } => Some("correct target.ca_certificate"),
            Self::Client { .. } => {
                Some("correct target.ca_certificate, client_certificate or proxy")
            }
            Self::ClientCertificate { .. } => Some("correct target.client_certificate"),
            Self::Credential { .. } => Some("correct it in [jobs.target]"),
            _ => None,
        }
    }

    /// The same, also where it depends on what another service said.
    pub(crate) fn remedy(&self) -> Option<String> {
        match self {
            Self::NoToken(error) => error.remedy.clone(),
            _ => self.advice().map(str::to_owned),
        }
    }
}
