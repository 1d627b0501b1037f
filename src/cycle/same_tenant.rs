//! Is it still the tenant that was read into the state? A tenant has an id and names, and the configuration
//! may change from one to another.

use super::tenant::{Due, Reading, Want};
use super::{Agent, Error};
use crate::store::{self, Store};

/// What the state calls the tenant, and what the configuration calls it, where these differ and it may be the
/// same.
pub(super) fn other_name(store: &Store, tenant: &str) -> Result<Option<(String, String)>, Error> {
    match store.note_tenant(tenant) {
        Ok(()) => Ok(None),
        Err(store::Error::OtherTenant { known, configured })
            if !(is_id(&known) && is_id(&configured)) =>
        {
            Ok(Some((known, configured)))
        }
        Err(error) => Err(error.into()),
    }
}

fn is_id(tenant: &str) -> bool {
    uuid::Uuid::try_parse(tenant).is_ok()
}

impl Agent {
    /// Reads the tenant that was read into the state, and no other.
    pub(super) async fn read(&self, want: Want, due: Due) -> Result<Reading, Error> {
        self.same_tenant().await?;
        self.tenant.reading(due, want).await
    }

    /// Whether the tenant is the one that was read into the state. It must be looked up where the two are
    /// named differently, by a domain or by an id.
    pub(crate) async fn same_tenant(&self) -> Result<(), Error> {
        let look_up = || self.look_up_tenant();
        self.same_tenant.get_or_try_init(look_up).await?;
        Ok(())
    }

    async fn look_up_tenant(&self) -> Result<(), Error> {
        let Some((known, configured)) = &self.other_name else {
            return Ok(());
        };
        let (known, configured) = (known.clone(), configured.clone());
        let Some(graph) = self.tenant.graph.tenant() else {
            let why = "a snapshot does not say".to_owned();
            return Err(store::Error::TenantUnknown {
                known,
                configured,
                why,
            }
            .into());
        };
        let ids = tokio::try_join!(graph.tenant_id(&known), graph.tenant_id(&configured));
        match ids {
            Ok((one, other)) if one == other => {
                tracing::info!(known, configured, "the tenant is the same by another name");
                Ok(self.store.rename_tenant(&configured)?)
            }
            Ok(_) => Err(store::Error::OtherTenant { known, configured }.into()),
            Err(error) => Err(store::Error::TenantUnknown {
                known,
                configured,
                why: Error::chain_of(&error),
            }
            .into()),
        }
    }
}
