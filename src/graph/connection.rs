//! Test Connection, the source's half: token, application and each permission, with the service's own
//! words and what to do. A token alone proves nothing, so every read that a cycle makes is tried once.

use std::collections::BTreeSet;
use std::error::Error as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate};

use crate::config::{Application, Source};
use crate::engine::check::{Check, Failed};
use crate::engine::model::{CustomSecurityAttribute, ObjectKind};

use super::client::Client;
use super::credential::{self, Expiry};
use super::error::Error;
use super::wire;

/// What the mappings and scoping filters of a job ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Properties of users and of groups.
    pub(crate) users: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) default_domain: bool,
    pub(crate) custom_security_attributes: BTreeSet<CustomSecurityAttribute>,
}

impl Client {
    /// Tries all that a cycle needs, without reading any person. Where custom security attributes are
    /// needed, all of them are read: nothing less tells whether Graph shows them.
    pub(crate) async fn test(&self, which: &Application, wanted: &Wanted) -> Vec<Check> {
        let Wanted {
            users,
            groups,
            default_domain,
            custom_security_attributes,
        } = wanted;
        let token = self.test_token().await;
        let has_token = token.is_ok();
        let mut checks = vec![check("access token", token)];
        if !has_token {
            return checks;
        }
        match self.find_application(which).await {
            Ok(found) => {
                let state = if found.account_enabled {
                    ""
                } else {
                    ", disabled for sign-in"
                };
                checks.push(check(
                    "application",
                    Ok(format!(
                        "{} ({}), {} roles{state}",
                        found.display_name,
                        found.id,
                        found.roles.len()
                    )),
                ));
                let assignments = self.first_page_of_assignments(&found.id).await;
                checks.push(check(
                    "assignments",
                    assignments.map(|page| {
                        let more = if page.next_link.is_some() {
                            " or more"
                        } else {
                            ""
                        };
                        format!("{}{more} can be read", page.values.len())
                    }),
                ));
            }
            Err(error) => checks.push(check("application", Err(error))),
        }
        for (what, kind, select) in [
            ("users", ObjectKind::User, users),
            ("groups", ObjectKind::Group, groups),
        ] {
            let outcome = self.try_delta(kind, select).await;
            let words = || format!("delta with {} properties is permitted", select.len());
            checks.push(check(what, outcome.map(|()| words())));
        }
        if !custom_security_attributes.is_empty() {
            let read = self.fetch_custom_security_attributes(custom_security_attributes);
            checks.push(check(
                "custom security attributes",
                read.await.map(|read| {
                    let with_values = read.get().iter().filter(|user| !user.values.is_empty());
                    format!("{} users have values", with_values.count())
                }),
            ));
        }
        if *default_domain {
            checks.push(check("default domain", self.fetch_default_domain().await));
        }
        checks
    }

    /// When each secret and certificate expires: by the app registration where it may be read, else by
    /// the configuration and the certificate.
    pub(crate) async fn expiries(&self, source: &Source) -> Vec<Expiry> {
        let mut expiries = credential::expiries(source);
        if let (Some(hint), Some(client_id)) =
            (self.tokens().hint().await, self.tokens().client_id())
            && let Some(day) = self.secret_expiry(client_id, &hint).await
        {
            let key = "source.client_secret".to_owned();
            expiries.retain(|expiry| expiry.key != key);
            expiries.push(Expiry { key, day });
        }
        expiries
    }

    /// Of the secrets whose first characters are these, the one that lasts longest. That the registration
    /// may not be read, or that the application is of another tenant, is no failure.
    async fn secret_expiry(&self, client_id: &str, hint: &str) -> Option<NaiveDate> {
        let path = format!("applications(appId='{client_id}')");
        let url = self.address(&[&path], &[("$select", "passwordCredentials")]);
        let app: Option<wire::RegisteredApp> = self.object_at(&url).await.ok()?;
        let secrets = app?.password_credentials.into_iter();
        let of_hint = secrets.filter(|secret| secret.hint.as_deref() == Some(hint));
        let ends = of_hint.filter_map(|secret| {
            let end = DateTime::parse_from_rfc3339(secret.end_date_time.as_deref()?);
            Some(end.ok()?.date_naive())
        });
        ends.max()
    }

    async fn test_token(&self) -> Result<String, Error> {
        let token = self.tokens().token().await?;
        Ok(match permissions(&token) {
            Some(permissions) if permissions.is_empty() => {
                "granted, but it names no application permission".to_owned()
            }
            Some(permissions) => format!("granted, with {}", permissions.join(", ")),
            None => "granted".to_owned(),
        })
    }
}

fn check(what: &str, outcome: Result<String, Error>) -> Check {
    Check {
        what: format!("source: {what}"),
        outcome: outcome.map_err(|error| Failed {
            words: words(&error),
            remedy: error.remedy(),
        }),
    }
}

/// The error and its causes, as `{:#}` of `anyhow` prints them.
fn words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

/// For diagnosis only: to us a token is opaque, and one that cannot be read is as good as any.
fn permissions(token: &str) -> Option<Vec<String>> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    wire::claimed_permissions(&claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_read_from_a_readable_token() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"roles":["User.Read.All"]}"#);
        let token = format!("e30.{claims}.sig");
        assert_eq!(permissions(&token), Some(vec!["User.Read.All".to_owned()]));
        assert_eq!(permissions("opaque"), None);
        assert_eq!(permissions("a.b.c"), None);
    }
}
