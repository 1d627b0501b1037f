//! Who is assigned to an application, with which roles: the full list, each time it is asked for,
//! because Graph has no delta of it.

use graph_rs_sdk::ODataQuery;

use crate::engine::model::{Assignment, Complete, ObjectKind};

use super::client::{Client, Paged};
use super::delta::source_id;
use super::error::{Error, Expired};
use super::wire;

/// The largest page that Graph gives.
const PAGE_SIZE: &str = "999";
/// What is read of each; an entry has three times as much.
const SELECT: [&str; 3] = ["principalId", "principalType", "appRoleId"];
/// Listings begun at most, where Graph forgets its own page links.
const MAX_LISTINGS: u32 = 2;

/// The list could not be read to its end. Good enough to add people by, never to remove any.
#[derive(Debug, thiserror::Error)]
#[error("the assignments were not read to the end ({} were)", seen.len())]
pub(crate) struct AssignmentsError {
    pub(crate) seen: Vec<Assignment>,
    #[source]
    pub(crate) error: Error,
}

impl Client {
    /// Every assignment of users and groups to the service principal with this object id. What other
    /// applications hold of it is left out.
    pub(crate) async fn fetch_assignments(
        &self,
        service_principal: &str,
    ) -> Result<Complete<Vec<Assignment>>, AssignmentsError> {
        let mut listings = 1;
        let mut seen = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = match &next {
                None => self.first_page_of_assignments(service_principal).await,
                Some(link) => self.page_at(link).await,
            };
            let Paged {
                values, next_link, ..
            } = match page {
                Ok(page) => page,
                Err(error) if error.expired() == Some(Expired::Page) && listings < MAX_LISTINGS => {
                    listings += 1;
                    seen.clear();
                    next = None;
                    continue;
                }
                Err(error) => return Err(AssignmentsError { seen, error }),
            };
            seen.extend(values.iter().filter_map(assignment));
            if next_link.is_none() {
                return Ok(Complete::after_last_page(seen));
            }
            next = next_link;
        }
    }

    pub(super) async fn first_page_of_assignments(
        &self,
        service_principal: &str,
    ) -> Result<Paged<wire::AppRoleAssignment>, Error> {
        self.page(|sdk| {
            sdk.service_principal(service_principal)
                .list_app_role_assigned_to()
                .select(&SELECT)
                .top(PAGE_SIZE)
                .build()
        })
        .await
    }
}

fn assignment(entry: &wire::AppRoleAssignment) -> Option<Assignment> {
    let kind = if entry.principal_type.eq_ignore_ascii_case("user") {
        ObjectKind::User
    } else if entry.principal_type.eq_ignore_ascii_case("group") {
        ObjectKind::Group
    } else {
        return None;
    };
    Some(Assignment {
        kind,
        principal: source_id(&entry.principal_id),
        role: entry.app_role_id.to_ascii_lowercase(),
    })
}
