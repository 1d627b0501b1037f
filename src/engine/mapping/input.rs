//! What mappings see: one object, and the environment around it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use crate::engine::expr::{self, AppRole};
use crate::engine::model::source;
use crate::engine::model::{ObjectKind, SourceId, SourceObject, TargetPath, Value};

/// What the mappings see of one object.
pub(crate) struct Input<'a> {
    pub(super) object: &'a SourceObject,
    pub(super) roles: &'a [AppRole],
    soft_deleted: Value,
    id: Value,
    /// For guests, the address they have at home.
    principal_name: Option<Value>,
}

/// What the mappings see of the environment: the clock, chance and the tenant are passed in.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'a> {
    pub(crate) now: DateTime<Utc>,
    /// The random bits of an object's mapping of a path, counted from 0: the same as often as they
    /// are asked for, because a mapping is evaluated more than once in a cycle.
    pub(crate) random: &'a dyn Fn(&SourceId, &TargetPath, u64) -> u64,
    /// The tenant's default domain; `None` when no mapping of the job asks for it.
    pub(crate) default_domain: Option<&'a str>,
}

impl<'a> Input<'a> {
    /// `soft_deleted` is Entra's `IsSoftDeleted`: unassigned, filtered out, in the recycle bin, or
    /// blocked.
    pub(crate) fn new(object: &'a SourceObject, roles: &'a [AppRole], soft_deleted: bool) -> Self {
        let principal_name = match object.kind {
            ObjectKind::User => object
                .attributes
                .text("userPrincipalName")
                .map(|name| Value::text(home_address(name))),
            ObjectKind::Group => None,
        };
        Self {
            object,
            roles,
            soft_deleted: Value::Boolean(soft_deleted),
            id: Value::Text(object.id.shared()),
            principal_name,
        }
    }

    /// A source attribute or a computed one; `None` is null.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        match name {
            "IsSoftDeleted" => Some(&self.soft_deleted),
            "id" | "objectId" => Some(&self.id),
            "userPrincipalName" if self.principal_name.is_some() => self.principal_name.as_ref(),
            "originalUserPrincipalName" => self.object.attributes.value("userPrincipalName"),
            _ => {
                let name = source::graph_name(name);
                self.object.attributes.value(&name)
            }
        }
    }
}

impl expr::Lookup for Input<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        Input::value(self, name)
    }
}

/// `alias_theirdomain#EXT#@yourdomain` is `alias@theirdomain` (Entra, "How provisioning works").
fn home_address(principal_name: &str) -> Cow<'_, str> {
    let Some((home, _)) = principal_name.split_once("#EXT#") else {
        return Cow::Borrowed(principal_name);
    };
    match home.rsplit_once('_') {
        Some((alias, domain)) => Cow::Owned(format!("{alias}@{domain}")),
        None => Cow::Borrowed(principal_name),
    }
}
