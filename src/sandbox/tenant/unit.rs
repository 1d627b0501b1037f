//! Administrative units of the tenant, and who is in them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Principal, TenantHandle};

#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) is_hidden: bool,
    pub(crate) members: BTreeSet<Principal>,
}

impl Unit {
    pub(crate) fn render(&self) -> Value {
        let visibility = if self.is_hidden {
            json!("HiddenMembership")
        } else {
            Value::Null
        };
        json!({
            "id": self.id, "deletedDateTime": null, "displayName": self.name, "description": null,
            "visibility": visibility, "membershipType": null, "membershipRule": null,
            "membershipRuleProcessingState": null, "isMemberManagementRestricted": false,
        })
    }
}

impl TenantHandle {
    pub fn add_unit(&self, name: &str) -> Uuid {
        let mut tenant = self.lock();
        let units = &mut tenant.directory.units;
        let id = Uuid::from_u128(0xad31_0000_0000_4000_8000_0000_0000_0000 + units.len() as u128);
        units.push(Unit {
            id,
            name: name.to_owned(),
            is_hidden: false,
            members: BTreeSet::new(),
        });
        id
    }

    pub fn rename_unit(&self, id: Uuid, name: &str) -> bool {
        self.change_unit(id, |unit| name.clone_into(&mut unit.name))
    }

    /// Shows the members only to those who may read hidden memberships.
    pub fn hide_unit(&self, id: Uuid) -> bool {
        self.change_unit(id, |unit| unit.is_hidden = true)
    }

    pub fn delete_unit(&self, id: Uuid) -> bool {
        let units = &mut self.lock().directory.units;
        let before = units.len();
        units.retain(|unit| unit.id != id);
        units.len() < before
    }

    pub fn add_to_unit(&self, id: Uuid, members: &[Uuid]) -> bool {
        let members = self.principals(members);
        self.change_unit(id, |unit| unit.members.extend(members))
    }

    pub fn remove_from_unit(&self, id: Uuid, members: &[Uuid]) -> bool {
        let members = self.principals(members);
        self.change_unit(id, |unit| {
            unit.members.retain(|member| !members.contains(member));
        })
    }

    fn principals(&self, ids: &[Uuid]) -> Vec<Principal> {
        let tenant = self.lock();
        let ids = ids.iter();
        ids.filter_map(|id| tenant.directory.principal(*id))
            .collect()
    }

    fn change_unit(&self, id: Uuid, change: impl FnOnce(&mut Unit)) -> bool {
        let units = &mut self.lock().directory.units;
        let unit = units.iter_mut().find(|unit| unit.id == id);
        unit.map(change).is_some()
    }
}
