//! Test Connection, the source's half: token, application and each permission, with the service's own
//! words and what to do. A token alone proves nothing, so every read that a cycle makes is tried once.

use std::collections::BTreeSet;
use std::error::Error as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate};

use crate::config::{Application, Source};
use crate::engine::check::{Check, Failed};
use crate::engine::model::ObjectKind;

use super::client::Client;
use super::credential::{self, Expiry};
use super::error::Error;
use super::permissions::{self, Wanted};
use super::remedy::permission_for;
use super::wire;

const NO_DELTA: &str =
    "this kind of tenant does not support delta queries: each reading lists them all";

/// What trying gave.
#[derive(Default)]
struct Tried<'a> {
    /// The place of the source in the configuration.
    section: &'a str,
    checks: Vec<Check>,
    /// The permissions for which a call was refused.
    refused: BTreeSet<&'static str>,
}

impl Tried<'_> {
    fn add(&mut self, what: &str, outcome: Result<String, Error>) {
        if let Err(Error::Refused(refusal)) = &outcome
            && refusal.status == 403
        {
            self.refused.extend(permission_for(&refusal.request));
        }
        self.checks.push(check(self.section, what, outcome));
    }
}

impl Client {
    /// Tries all that a cycle needs, without reading any person; what is worth a word, too. Where custom
    /// security attributes are needed, all of them are read: nothing less shows whether they may be read.
    /// `of_all` is what all jobs together want.
    pub(crate) async fn test(
        &self,
        which: &Application,
        wanted: &Wanted,
        of_all: &Wanted,
    ) -> (Vec<Check>, Vec<Failed>) {
        let Wanted {
            users,
            groups,
            default_domain,
            administrative_units,
            custom_security_attributes,
        } = wanted;
        let mut tried = Tried {
            section: self.tokens().section(),
            ..Tried::default()
        };
        let mut remarks = Vec::new();
        let token = self.test_token().await;
        let has_token = token.is_ok();
        tried.add("access token", token);
        if !has_token {
            return (tried.checks, remarks);
        }
        match self.find_application(which).await {
            Ok(found) => {
                let state = if found.account_enabled {
                    ""
                } else {
                    ", disabled for sign-in"
                };
                let (name, id, roles) = (&found.display_name, &found.id, found.roles.len());
                let words = format!("{name} ({id}), {roles} roles{state}");
                tried.add("application", Ok(words));
                let assignments = self.first_page_of_assignments(&found.id).await;
                let assignments = assignments.map(|page| {
                    let more = page.next_link.map_or("", |_| " or more");
                    format!("{}{more} can be read", page.values.len())
                });
                tried.add("assignments", assignments);
                remarks.extend(self.test_synchronization(&found.id).await);
            }
            Err(error) => tried.add("application", Err(error)),
        }
        for (what, kind, select) in [
            ("users", ObjectKind::User, users),
            ("groups", ObjectKind::Group, groups),
        ] {
            let outcome = match self.try_delta(kind, select).await {
                Ok(()) => Ok(format!(
                    "delta with {} properties is permitted",
                    select.len()
                )),
                Err(error) if error.is_delta_refused() => {
                    let listed = self.try_list(kind, select).await;
                    listed.map(|()| NO_DELTA.to_owned())
                }
                Err(error) => Err(error),
            };
            tried.add(what, outcome);
        }
        if !custom_security_attributes.is_empty() {
            let read = self.fetch_custom_security_attributes(custom_security_attributes);
            let read = read.await.and_then(|read| {
                let users = read.of(custom_security_attributes)?.get().iter();
                let with_values = users.filter(|user| !user.values.is_empty());
                Ok(format!("{} users have values", with_values.count()))
            });
            tried.add("custom security attributes", read);
        }
        if *administrative_units {
            let read = self.fetch_units().await;
            let words = |units: Vec<_>| format!("{} can be read", units.len());
            tried.add("administrative units", read.map(words));
        }
        if *default_domain {
            tried.add("default domain", self.fetch_default_domain().await);
        }
        let (check, more) = self.test_permissions(wanted, of_all, &tried.refused).await;
        tried.checks.extend(check);
        remarks.extend(more);
        (tried.checks, remarks)
    }

    /// Whether the permissions are those that are needed: by the calls that were made, and by the token
    /// where it can be read. A person's token holds none.
    async fn test_permissions(
        &self,
        wanted: &Wanted,
        of_all: &Wanted,
        refused: &BTreeSet<&'static str>,
    ) -> (Option<Check>, Option<Failed>) {
        let granted = match self.tokens().token().await {
            Ok(token) if !self.tokens().is_personal() => claimed(&token),
            Ok(_) | Err(_) => None,
        };
        let needed = permissions::needed(wanted);
        let missing = permissions::missing(&needed, granted.as_deref(), refused);
        let outcome = if missing.is_empty() {
            granted.as_ref().map(|_| {
                let names = needed.iter().map(|one| one.name);
                let names = names.collect::<Vec<_>>().join(", ");
                Ok(format!("enough; the minimum is {names}"))
            })
        } else {
            let names = missing
                .iter()
                .map(|one| format!("{} ({})", one.name, one.reads));
            let names = names.collect::<Vec<_>>().join(", ");
            let client_id = self.tokens().client_id();
            Some(Err(Failed {
                words: format!("missing: {names}"),
                remedy: Some(permissions::commands(&missing, client_id)),
            }))
        };
        let check = outcome.map(|outcome| Check {
            what: "source: permissions".to_owned(),
            outcome,
        });
        let granted = granted.unwrap_or_default();
        let excess = permissions::excess(&permissions::needed(of_all), &granted);
        let remark = (!excess.is_empty()).then(|| {
            Failed {
            words: format!(
                "source: more is granted than the jobs need: {}",
                excess.join(", ")
            ),
            remedy: Some(
                "remove it on the page \"API permissions\" of the app registration, unless another \
                 program signs in with it"
                    .to_owned(),
            ),
        }
        });
        (check, remark)
    }

    /// Whether Microsoft's own service provisions the same application. That it may not be looked up is
    /// no failure.
    async fn test_synchronization(&self, service_principal: &str) -> Option<Failed> {
        let jobs = self.synchronization_jobs(service_principal).await;
        let enabled = jobs.ok()?.into_iter().find(|job| job.is_enabled)?;
        Some(Failed {
            words: format!(
                "source: Microsoft's provisioning job of this application is enabled ({}), and two \
                 agents undo each other's changes",
                enabled.id
            ),
            remedy: Some(
                "stop it on the application's page \"Provisioning\" before entrain sync".to_owned(),
            ),
        })
    }

    /// Whether Microsoft's own service provisions an application, where the token shows that this may be
    /// read; `None`: it is not known.
    pub(crate) async fn is_provisioned_by_entra(&self, service_principal: &str) -> Option<bool> {
        let token = self.tokens().token().await.ok()?;
        let granted = claimed(&token)?;
        if !granted
            .iter()
            .any(|name| name.starts_with("Synchronization."))
        {
            return None;
        }
        let jobs = self.synchronization_jobs(service_principal).await.ok()?;
        Some(jobs.iter().any(|job| job.is_enabled))
    }

    /// When each secret and certificate expires: by the app registration where it may be read, else by
    /// the configuration and the certificate.
    pub(crate) async fn expiries(&self, source: &Source) -> Vec<Expiry> {
        let mut expiries = credential::expiries(source);
        if let (Some(hint), Some(client_id)) =
            (self.tokens().hint().await, self.tokens().client_id())
            && let Some(day) = self.secret_expiry(client_id, &hint).await
        {
            let key = source.key("client_secret");
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
        Ok(match claimed(&token) {
            Some(permissions) if permissions.is_empty() => {
                "granted, but it names no application permission".to_owned()
            }
            Some(permissions) => format!("granted, with {}", permissions.join(", ")),
            None => "granted".to_owned(),
        })
    }
}

fn check(section: &str, what: &str, outcome: Result<String, Error>) -> Check {
    Check {
        what: format!("source: {what}"),
        outcome: outcome.map_err(|error| Failed {
            words: words(&error),
            remedy: error.remedy(section),
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
fn claimed(token: &str) -> Option<Vec<String>> {
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
        assert_eq!(claimed(&token), Some(vec!["User.Read.All".to_owned()]));
        assert_eq!(claimed("opaque"), None);
        assert_eq!(claimed("a.b.c"), None);
    }
}
