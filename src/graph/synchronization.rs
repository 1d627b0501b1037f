//! Microsoft's own provisioning jobs of an application (the synchronization API): whether one is enabled,
//! and what there is to import of it.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use uuid::Uuid;

use super::application::ServicePrincipal;
use super::client::Client;
use super::error::Error;
use super::wire;
use crate::config::Application;

/// A provisioning job of Microsoft's service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyncJob {
    pub(crate) id: String,
    /// Whether the service runs it on its schedule.
    pub(crate) is_enabled: bool,
}

impl Client {
    /// The application that a person means by one text: an id of either kind, or a name.
    pub(crate) async fn find_any_application(&self, text: &str) -> Result<ServicePrincipal, Error> {
        let text = text.trim().to_owned();
        if Uuid::try_parse(&text).is_err() {
            let by_name = Application::DisplayName(text);
            return self.find_application(&by_name).await;
        }
        let by_app_id = Application::AppId(text.clone());
        match self.find_application(&by_app_id).await {
            Err(error @ Error::NoApplication { .. }) => {
                let by_id = Application::ServicePrincipalId(text);
                match self.find_application(&by_id).await {
                    Err(Error::NoApplication { .. }) => Err(error),
                    found => found,
                }
            }
            found => found,
        }
    }

    pub(crate) async fn synchronization_jobs(
        &self,
        service_principal: &str,
    ) -> Result<Vec<SyncJob>, Error> {
        let path = [
            "servicePrincipals",
            service_principal,
            "synchronization",
            "jobs",
        ];
        let jobs = self.list::<wire::SyncJob>(&self.address(&path, &[])).await;
        let jobs = jobs?.values.into_iter().map(|job| {
            let schedule = job.schedule.unwrap_or_default();
            let state = schedule.state.unwrap_or_default();
            SyncJob {
                id: job.id,
                is_enabled: state.eq_ignore_ascii_case("active"),
            }
        });
        Ok(jobs.collect())
    }

    /// As Graph answers it, which is what a file holds that was saved of it.
    pub(crate) async fn synchronization_schema(
        &self,
        service_principal: &str,
        job: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        let path = [
            "servicePrincipals",
            service_principal,
            "synchronization",
            "jobs",
            job,
            "schema",
        ];
        let schema: Option<Json> = self.object_at(&self.address(&path, &[])).await?;
        Ok(schema.map(|schema| schema.to_string().into_bytes()))
    }

    /// The settings next to the schema, by their keys. Secrets come without a value, and what may not be
    /// read at all is left out.
    pub(crate) async fn synchronization_settings(
        &self,
        service_principal: &str,
    ) -> Result<BTreeMap<String, String>, Error> {
        let path = [
            "servicePrincipals",
            service_principal,
            "synchronization",
            "secrets",
        ];
        let first = self.address(&path, &[]);
        match self.list::<wire::SyncSetting>(&first).await {
            Ok(read) => Ok(read
                .values
                .into_iter()
                .filter_map(|one| Some((one.key, one.value?)))
                .collect()),
            Err(Error::Refused(refusal)) if refusal.status < 500 => {
                tracing::debug!(error = %refusal, "the settings of the provisioning job are not read");
                Ok(BTreeMap::new())
            }
            Err(error) => Err(error),
        }
    }
}
