//! What happens in the tenant: people and groups come, change and go.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::generate::assign_one;
use super::{
    CUSTOM_SECURITY_ATTRIBUTES, DOMAIN, Directory, Life, Principal, SynchronizationJob,
    TenantHandle, custom_security,
};

impl TenantHandle {
    /// Adds a user; absent properties are absent, except those no user can be without.
    pub fn add_user(&self, properties: Map<String, Value>) -> Uuid {
        let mut tenant = self.lock();
        let moment = tenant.directory.next_moment();
        let mut all = Map::new();
        let alias = format!("new.user{moment}");
        all.insert("displayName".to_owned(), json!(alias));
        all.insert(
            "userPrincipalName".to_owned(),
            json!(format!("{alias}@{DOMAIN}")),
        );
        all.insert("mailNickname".to_owned(), json!(alias));
        all.insert("accountEnabled".to_owned(), json!(true));
        all.insert("userType".to_owned(), json!("Member"));
        all.insert("createdDateTime".to_owned(), json!(Directory::date(moment)));
        all.extend(properties);
        tenant.directory.add_user(all)
    }

    /// Changes properties of a user; one that is taken out becomes null.
    pub fn update_user(&self, id: Uuid, change: impl FnOnce(&mut Map<String, Value>)) -> bool {
        self.update(id, change)
    }

    /// Changes properties of a group; one that is taken out becomes null.
    pub fn update_group(&self, id: Uuid, change: impl FnOnce(&mut Map<String, Value>)) -> bool {
        self.update(id, change)
    }

    fn update(&self, id: Uuid, change: impl FnOnce(&mut Map<String, Value>)) -> bool {
        let mut tenant = self.lock();
        let Some(principal) = tenant.directory.principal(id) else {
            return false;
        };
        let object = tenant.directory.object(principal);
        let mut properties = object.properties.to_map(&tenant.directory.names);
        change(&mut properties);
        tenant.directory.set_properties(principal, &properties) > 0
    }

    /// Sets one property of a user or group.
    pub fn set_property(&self, id: Uuid, name: &str, value: Value) -> bool {
        self.update(id, |properties| {
            properties.insert(name.to_owned(), value);
        })
    }

    /// Assigns a custom security attribute to a user; `None` takes it away. Delta queries do not see it.
    pub fn set_custom_security_attribute(
        &self,
        user: Uuid,
        set: &str,
        attribute: &str,
        value: Option<&Value>,
    ) -> bool {
        self.update(user, |properties| {
            let property = properties.entry(CUSTOM_SECURITY_ATTRIBUTES.to_owned());
            let property = property.or_insert(Value::Null);
            let mut sets = property.as_object().cloned().unwrap_or_default();
            custom_security::assign(&mut sets, set, attribute, value);
            *property = if sets.is_empty() {
                Value::Null
            } else {
                Value::Object(sets)
            };
        })
    }

    /// Blocks the sign-in of a user.
    pub fn disable_user(&self, id: Uuid) -> bool {
        self.set_property(id, "accountEnabled", json!(false))
    }

    pub fn enable_user(&self, id: Uuid) -> bool {
        self.set_property(id, "accountEnabled", json!(true))
    }

    /// Puts a user into the recycle bin; memberships and assignments stay.
    pub fn soft_delete_user(&self, id: Uuid) -> bool {
        self.set_life(id, Life::SoftDeleted)
    }

    pub fn restore_user(&self, id: Uuid) -> bool {
        self.set_life(id, Life::Active)
    }

    /// Deletes a user for good, with every membership, assignment and report.
    pub fn hard_delete_user(&self, id: Uuid) -> bool {
        self.set_life(id, Life::Purged)
    }

    pub fn soft_delete_group(&self, id: Uuid) -> bool {
        self.set_life(id, Life::SoftDeleted)
    }

    pub fn restore_group(&self, id: Uuid) -> bool {
        self.set_life(id, Life::Active)
    }

    pub fn hard_delete_group(&self, id: Uuid) -> bool {
        self.set_life(id, Life::Purged)
    }

    fn set_life(&self, id: Uuid, life: Life) -> bool {
        let mut tenant = self.lock();
        let Some(principal) = tenant.directory.principal(id) else {
            return false;
        };
        let before = tenant.directory.object(principal).life;
        if before == life || before == Life::Purged {
            return false;
        }
        tenant.directory.set_life(principal, life);
        true
    }

    /// Makes `manager` the manager of `user`; `None` takes the manager away.
    pub fn set_manager(&self, user: Uuid, manager: Option<Uuid>) -> bool {
        let mut tenant = self.lock();
        let directory = &mut tenant.directory;
        let Some(Principal::User(place)) = directory.principal(user) else {
            return false;
        };
        let manager = match manager.map(|id| directory.principal(id)) {
            None => None,
            Some(Some(Principal::User(manager))) => Some(manager),
            Some(_) => return false,
        };
        directory.set_manager(place as usize, manager);
        true
    }

    /// Adds a security group without members.
    pub fn add_group(&self, display_name: &str) -> Uuid {
        let mut tenant = self.lock();
        let moment = tenant.directory.next_moment();
        let group = json!({
            "displayName": display_name,
            "mailNickname": format!("new-group-{moment}"),
            "mailEnabled": false,
            "securityEnabled": true,
            "groupTypes": [],
            "createdDateTime": Directory::date(moment),
        });
        let Value::Object(group) = group else {
            return Uuid::nil();
        };
        tenant.directory.add_group(group)
    }

    pub fn rename_group(&self, id: Uuid, display_name: &str) -> bool {
        self.set_property(id, "displayName", json!(display_name))
    }

    /// Adds users or groups to a group; those that belong to it already stay as they are.
    pub fn add_members(&self, group: Uuid, members: &[Uuid]) -> bool {
        self.change_members(group, members, Directory::add_members)
    }

    pub fn remove_members(&self, group: Uuid, members: &[Uuid]) -> bool {
        self.change_members(group, members, Directory::remove_members)
    }

    fn change_members(
        &self,
        group: Uuid,
        members: &[Uuid],
        change: impl FnOnce(&mut Directory, usize, &[Principal]),
    ) -> bool {
        let mut tenant = self.lock();
        let directory = &mut tenant.directory;
        let Some(Principal::Group(place)) = directory.principal(group) else {
            return false;
        };
        let members: Option<Vec<Principal>> =
            members.iter().map(|id| directory.principal(*id)).collect();
        let Some(members) = members else {
            return false;
        };
        change(directory, place as usize, &members);
        true
    }

    /// Gives the application provisioning jobs of Microsoft's own service, with their settings.
    pub fn set_synchronization(&self, jobs: &[SynchronizationJob], settings: &[(&str, &str)]) {
        let mut tenant = self.lock();
        let application = &mut tenant.directory.application;
        application.synchronization = jobs.to_vec();
        let settings = settings.iter();
        application.synchronization_settings = settings
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
    }

    /// Assigns a user or group to the application and gives the id of the assignment.
    pub fn assign(&self, principal: Uuid, role: Uuid) -> Option<String> {
        let mut tenant = self.lock();
        let principal = tenant.directory.principal(principal)?;
        Some(assign_one(&mut tenant.directory, principal, role))
    }

    /// Withdraws every assignment of a principal.
    pub fn unassign(&self, principal: Uuid) -> bool {
        self.lock().directory.application.unassign(principal) > 0
    }

    /// Withdraws one role of a principal.
    pub fn unassign_role(&self, principal: Uuid, role: Uuid) -> bool {
        let mut tenant = self.lock();
        tenant.directory.application.unassign_role(principal, role) > 0
    }
}
