//! What mappings see: one object, and the environment around it.

use std::cell::OnceCell;

use chrono::{DateTime, Utc};

use crate::engine::expr;
use crate::engine::model::source;
use crate::engine::model::{AppRole, ObjectKind, SourceId, SourceObject, TargetPath, Value};

/// What the mappings see of one object.
pub(crate) struct Input<'a> {
    pub(super) object: &'a SourceObject,
    pub(super) roles: &'a [AppRole],
    pub(super) soft_deleted: Value,
    pub(super) id: Value,
    /// For guests, the address they have at home, once a mapping needed it.
    home: OnceCell<Option<Value>>,
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
        Self {
            object,
            roles,
            soft_deleted: Value::Boolean(soft_deleted),
            id: Value::Text(object.id.shared()),
            home: OnceCell::new(),
        }
    }

    /// A source attribute or a computed one; `None` is null.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        match name {
            "IsSoftDeleted" => Some(&self.soft_deleted),
            "id" | "objectId" => Some(&self.id),
            "userPrincipalName" => self.principal_name(self.object.attributes.value(name)),
            "originalUserPrincipalName" => self.object.attributes.value("userPrincipalName"),
            _ => {
                let name = source::graph_name(name);
                self.object.attributes.value(&name)
            }
        }
    }

    /// The principal name as mappings see it, of the one that is written.
    pub(super) fn principal_name<'v>(&'v self, written: Option<&'v Value>) -> Option<&'v Value> {
        let home = self.home.get_or_init(|| match (self.object.kind, written) {
            (ObjectKind::User, Some(Value::Text(name))) => home_address(name).map(Value::text),
            (ObjectKind::User | ObjectKind::Group, _) => None,
        });
        home.as_ref().or(written)
    }
}

impl expr::Lookup for Input<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        Input::value(self, name)
    }
}

/// `alias_theirdomain#EXT#@yourdomain` is `alias@theirdomain` (Entra, "How provisioning works").
fn home_address(principal_name: &str) -> Option<String> {
    // Most names have no such character, and to look for one is cheap.
    if !principal_name.contains('#') {
        return None;
    }
    let (home, _) = principal_name.split_once("#EXT#")?;
    let (alias, domain) = home.rsplit_once('_')?;
    Some(format!("{alias}@{domain}"))
}
