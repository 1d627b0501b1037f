//! Finds the job's application: the service principal, which the portal calls enterprise application.
//! When there is none, says which other id may have been pasted.

use graph_rs_sdk::ODataQuery;
use uuid::Uuid;

use crate::config::Application;
use crate::engine::model::AppRole;

use super::client::Client;
use super::error::Error;
use super::wire;

const SELECTED: &[&str] = &["id", "appId", "displayName", "accountEnabled", "appRoles"];

/// The application in the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServicePrincipal {
    /// The object id, in lower case.
    pub(crate) id: String,
    pub(crate) app_id: String,
    pub(crate) display_name: String,
    /// Whether anybody may sign in to it. Provisioning does not depend on it.
    pub(crate) account_enabled: bool,
    /// With ids in lower case. The default access role is never among them.
    pub(crate) roles: Vec<AppRole>,
}

impl Client {
    pub(crate) async fn find_application(
        &self,
        which: &Application,
    ) -> Result<ServicePrincipal, Error> {
        match which {
            Application::ServicePrincipalId(id) => self.by_id("service_principal_id", id).await,
            Application::AppId(id) => self.by_app_id("app_id", id).await,
            Application::DisplayName(name) => self.by_name("display_name", name).await,
        }
    }

    async fn by_id(&self, key: &'static str, text: &str) -> Result<ServicePrincipal, Error> {
        let id = checked_id(key, text)?;
        if let Some(found) = self.with_id(&id).await? {
            return Ok(found);
        }
        let hint = if self.with_app_id(&id).await?.is_some() {
            "there is one with this application id: write app_id instead".to_owned()
        } else {
            self.hint(&id, "object id").await?
        };
        Err(none(key, text, hint))
    }

    async fn by_app_id(&self, key: &'static str, text: &str) -> Result<ServicePrincipal, Error> {
        let id = checked_id(key, text)?;
        if let Some(found) = self.with_app_id(&id).await? {
            return Ok(found);
        }
        let hint = if self.with_id(&id).await?.is_some() {
            "there is one with this object id: write service_principal_id instead".to_owned()
        } else {
            self.hint(&id, "application id").await?
        };
        Err(none(key, text, hint))
    }

    async fn by_name(&self, key: &'static str, name: &str) -> Result<ServicePrincipal, Error> {
        let filter = format!("displayName eq '{}'", name.replace('\'', "''"));
        let mut found = self.matching(&filter).await?;
        match found.len() {
            0 => {
                let hint = "check its spelling under \"Enterprise applications\", where it may \
                            differ from the app registration's, or write app_id";
                Err(none(key, name, hint.to_owned()))
            }
            1 => Ok(found.remove(0)),
            _ => Err(Error::SeveralApplications {
                name: name.to_owned(),
                ids: found.into_iter().map(|one| one.id).collect(),
            }),
        }
    }

    async fn with_id(&self, id: &str) -> Result<Option<ServicePrincipal>, Error> {
        let found: Option<wire::ServicePrincipal> = self
            .object(|sdk| {
                sdk.service_principal(id)
                    .get_service_principal()
                    .select(SELECTED)
                    .build()
            })
            .await?;
        Ok(found.map(service_principal))
    }

    async fn with_app_id(&self, id: &str) -> Result<Option<ServicePrincipal>, Error> {
        let found = self.matching(&format!("appId eq '{id}'")).await?;
        // The application id is unique in a tenant.
        Ok(found.into_iter().next())
    }

    async fn matching(&self, filter: &str) -> Result<Vec<ServicePrincipal>, Error> {
        let first = self.address(
            &["servicePrincipals"],
            &[("$filter", filter), ("$select", &SELECTED.join(","))],
        );
        let found = self.list(&first).await?.values.into_iter();
        Ok(found.map(service_principal).collect())
    }

    /// What an id that names no enterprise application may be instead.
    async fn hint(&self, id: &str, wanted: &str) -> Result<String, Error> {
        let registration = self
            .object::<wire::Registration, _>(|sdk| {
                sdk.application(id)
                    .get_application()
                    .select(&["appId", "displayName"])
                    .build()
            })
            .await;
        match registration {
            Ok(Some(wire::Registration {
                app_id,
                display_name,
            })) => Ok(format!(
                "it is the object id of the app registration \"{}\", which is another object: write \
                 app_id = \"{app_id}\"",
                display_name.unwrap_or_default()
            )),
            Err(Error::Stopped) => Err(Error::Stopped),
            // The hint is an extra: what keeps it away must not hide the error itself.
            Ok(None) | Err(_) => Ok(format!(
                "take the {wanted} from the application's page under \"Enterprise applications\" of \
                 this tenant, not from \"App registrations\""
            )),
        }
    }
}

/// An id goes into a path or a filter, so it must be one.
fn checked_id(key: &'static str, text: &str) -> Result<String, Error> {
    Uuid::try_parse(text.trim())
        .map(|id| id.hyphenated().to_string())
        .map_err(|_| Error::NotAnId {
            key,
            text: text.to_owned(),
        })
}

fn none(key: &'static str, text: &str, hint: String) -> Error {
    Error::NoApplication {
        key,
        text: text.to_owned(),
        hint,
    }
}

fn service_principal(found: wire::ServicePrincipal) -> ServicePrincipal {
    let wire::ServicePrincipal {
        id,
        app_id,
        display_name,
        account_enabled,
        app_roles,
    } = found;
    let id = id.to_ascii_lowercase();
    ServicePrincipal {
        app_id: app_id.unwrap_or_default().to_ascii_lowercase(),
        display_name: display_name.unwrap_or_else(|| id.clone()),
        account_enabled: account_enabled.unwrap_or(true),
        roles: app_roles
            .unwrap_or_default()
            .into_iter()
            .map(|role| AppRole {
                id: role.id.to_ascii_lowercase(),
                value: role.value,
                display_name: role.display_name.unwrap_or_default(),
            })
            .collect(),
        id,
    }
}
