//! The enterprise application of the tenant: its service principal, its roles and who is assigned to it.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::synchronization::SynchronizationJob;

/// The role `User` that every application outside the gallery carries.
pub const ROLE_USER: Uuid = Uuid::from_u128(0x18d1_4569_c3bd_439b_9a66_3a2a_ee01_d14f);
/// The second role that every application outside the gallery carries.
pub const ROLE_MSIAM_ACCESS: Uuid = Uuid::from_u128(0xb963_2174_c057_4f7e_951b_be3a_dc52_bfe6);
/// A role that this application declares itself, with a value.
pub const ROLE_AUDITOR: Uuid = Uuid::from_u128(0x5f0c_41a2_7d0e_4b1d_8b52_0c63_6a3f_91aa);
/// Default Access: all zero, and never among the application's roles.
pub const ROLE_DEFAULT_ACCESS: Uuid = Uuid::nil();

/// What kind of principal an assignment names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalType {
    User,
    Group,
    ServicePrincipal,
}

impl PrincipalType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::ServicePrincipal => "ServicePrincipal",
        }
    }
}

/// One entry of `appRoleAssignedTo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub id: String,
    pub principal: Uuid,
    pub principal_type: PrincipalType,
    pub principal_name: String,
    pub role: Uuid,
}

#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) id: Uuid,
    pub(crate) app_id: Uuid,
    pub(crate) display_name: String,
    pub(crate) owner: Uuid,
    /// Of Microsoft's own service.
    pub(crate) synchronization: Vec<SynchronizationJob>,
    pub(crate) synchronization_settings: Vec<(String, String)>,
    assignments: BTreeMap<u64, Assignment>,
    next: u64,
}

impl Application {
    pub(crate) fn new(id: Uuid, app_id: Uuid, owner: Uuid, display_name: &str) -> Self {
        Self {
            id,
            app_id,
            display_name: display_name.to_owned(),
            owner,
            synchronization: Vec::new(),
            synchronization_settings: Vec::new(),
            assignments: BTreeMap::new(),
            next: 1,
        }
    }

    pub(crate) fn assign(
        &mut self,
        principal: Uuid,
        principal_type: PrincipalType,
        principal_name: String,
        role: Uuid,
    ) -> String {
        let mut seed = principal.as_bytes().to_vec();
        seed.extend((self.next ^ 0x5bd1_e995_27d4_eb2f).to_be_bytes());
        seed.extend(&role.as_bytes()[..8]);
        let id = URL_SAFE_NO_PAD.encode(seed);
        let assignment = Assignment {
            id: id.clone(),
            principal,
            principal_type,
            principal_name,
            role,
        };
        self.assignments.insert(self.next, assignment);
        self.next += 1;
        id
    }

    /// Withdraws every role of a principal and says how many there were.
    pub(crate) fn unassign(&mut self, principal: Uuid) -> usize {
        let before = self.assignments.len();
        self.assignments
            .retain(|_, assignment| assignment.principal != principal);
        before - self.assignments.len()
    }

    pub(crate) fn unassign_role(&mut self, principal: Uuid, role: Uuid) -> usize {
        let before = self.assignments.len();
        self.assignments
            .retain(|_, entry| entry.principal != principal || entry.role != role);
        before - self.assignments.len()
    }

    pub(crate) fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments.values()
    }

    /// The entries of these principals, as JSON.
    pub(crate) fn entries(&self, is_wanted: impl Fn(Uuid) -> bool) -> Vec<String> {
        let assignments = self.assignments.values();
        assignments
            .filter(|assignment| is_wanted(assignment.principal))
            .map(|assignment| self.render(assignment, None))
            .collect()
    }

    /// Up to `count` entries behind a cursor, as JSON with these properties, and the cursor behind them when
    /// more follow.
    pub(crate) fn page(
        &self,
        after: u64,
        count: usize,
        select: Option<&[String]>,
    ) -> (Vec<String>, Option<u64>) {
        let mut rest = self.assignments.range(after + 1..);
        let mut entries = Vec::new();
        let mut last = after;
        for (cursor, assignment) in rest.by_ref().take(count) {
            entries.push(self.render(assignment, select));
            last = *cursor;
        }
        (entries, rest.next().map(|_| last))
    }

    fn render(&self, assignment: &Assignment, select: Option<&[String]>) -> String {
        let Assignment {
            id,
            principal,
            principal_type,
            principal_name,
            role,
        } = assignment;
        let mut text = String::with_capacity(420);
        let mut put = |name: &str, value: &dyn Display| {
            if select.is_none_or(|names| names.iter().any(|wanted| wanted == name)) {
                let before = if text.is_empty() { '{' } else { ',' };
                write!(text, "{before}\"{name}\":{value}")
                    .expect("writing to a string does not fail");
            }
        };
        put("id", &json!(id));
        put("deletedDateTime", &"null");
        put("appRoleId", &format_args!("\"{role}\""));
        put("createdDateTime", &r#""2025-11-03T09:12:45.9480566Z""#);
        put("principalDisplayName", &json!(principal_name));
        put("principalId", &format_args!("\"{principal}\""));
        put("principalType", &json!(principal_type.as_str()));
        put("resourceDisplayName", &json!(self.display_name));
        put("resourceId", &format_args!("\"{}\"", self.id));
        text.push('}');
        text
    }

    pub(crate) fn service_principal(&self) -> Value {
        let role = |id: Uuid, name: &str, value: Value| {
            json!({
                "allowedMemberTypes": ["User"], "description": name, "displayName": name,
                "id": id, "isEnabled": true, "origin": "Application", "value": value,
            })
        };
        json!({
            "id": self.id,
            "deletedDateTime": null,
            "accountEnabled": true,
            "appId": self.app_id,
            "applicationTemplateId": "8adf8e6e-67b2-4cf2-a259-e3dc5476c621",
            "appDisplayName": self.display_name,
            "alternativeNames": [],
            "appOwnerOrganizationId": self.owner,
            "displayName": self.display_name,
            "appRoleAssignmentRequired": true,
            "homepage": null,
            "loginUrl": null,
            "logoutUrl": null,
            "notificationEmailAddresses": [],
            "preferredSingleSignOnMode": null,
            "replyUrls": [],
            "servicePrincipalNames": [self.app_id],
            "servicePrincipalType": "Application",
            "tags": ["WindowsAzureActiveDirectoryIntegratedApp", "WindowsAzureActiveDirectoryCustomSingleSignOnApplication"],
            "appRoles": [
                role(ROLE_USER, "User", Value::Null),
                role(ROLE_MSIAM_ACCESS, "msiam_access", Value::Null),
                role(ROLE_AUDITOR, "Auditor", json!("audit.all")),
            ],
            "keyCredentials": [],
            "passwordCredentials": [],
        })
    }
}
