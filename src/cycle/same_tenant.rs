//! Is it still the tenant that was read into the state? A tenant has an id and names, and the configuration
//! may change from one to another.

use super::Error;
use super::tenant::{Due, OneRead, Tenant, Want};
use crate::store;

fn is_id(tenant: &str) -> bool {
    uuid::Uuid::try_parse(tenant).is_ok()
}

impl Tenant {
    /// Refuses another tenant than the one that was read into the state, as far as that shows without a request.
    pub(super) fn check_id(&self) -> Result<(), Error> {
        match &self.read_before {
            Some(known) if is_id(known) && is_id(&self.source().tenant_id) => {
                Err(self.is_another().into())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Words about this source, as one of several.
    pub(super) fn named(&self, words: &str) -> String {
        format!("source {}: {words}", self.source().name)
    }

    fn is_another(&self) -> store::Error {
        let source = self.source();
        store::Error::OtherTenant {
            known: self.read_before.clone().unwrap_or_default(),
            configured: source.tenant_id.to_lowercase(),
            key: source.key("tenant_id"),
        }
    }

    /// Reads the tenant that was read into the state, and no other.
    pub(super) async fn read(&self, want: Want, due: Due) -> Result<OneRead, Error> {
        self.is_same().await?;
        self.reading(due, want).await
    }

    /// Whether the tenant is the one that was read into the state. It must be looked up where the two are
    /// named differently, by a domain or by an id.
    pub(super) async fn is_same(&self) -> Result<(), Error> {
        let look_up = || self.look_up_tenant();
        self.is_same.get_or_try_init(look_up).await?;
        Ok(())
    }

    async fn look_up_tenant(&self) -> Result<(), Error> {
        let Some(known) = &self.read_before else {
            return Ok(());
        };
        let configured = self.source().tenant_id.to_lowercase();
        let unknown = |why: String| store::Error::TenantUnknown {
            known: known.clone(),
            configured: configured.clone(),
            key: self.source().key("tenant_id"),
            why,
        };
        let Some(graph) = self.graph.tenant() else {
            return Err(unknown("a snapshot does not say".to_owned()).into());
        };
        let ids = tokio::try_join!(graph.tenant_id(known), graph.tenant_id(&configured));
        match ids {
            Ok((one, other)) if one == other => {
                tracing::info!(known, configured, "the tenant is the same by another name");
                Ok(self.store.rename_tenant(self.number, &configured)?)
            }
            Ok(_) => Err(self.is_another().into()),
            Err(error) => Err(unknown(Error::chain_of(&error)).into()),
        }
    }
}
