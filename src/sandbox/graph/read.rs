//! Reads of single objects and listings with pages.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::reply::{Call, Reply};
use super::super::tenant::{
    Directory, GraphQuirk, INITIAL_DOMAIN, Life, Principal, Stream, Tenant,
};
use super::answer::{Link, Problem, counted_page, object, page, text};
use super::query::{GROUP_PROPERTIES, Options, USER_DEFAULTS, equalities};

/// One authorised request and what it may look at.
pub(super) struct Reader<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) origin: &'a str,
    pub(super) call: &'a Call,
    pub(super) options: Options,
}

/// What a read needs to be permitted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Permission {
    Applications,
    Users,
    Groups,
    Organization,
    Domains,
    CustomSecurityAttributes,
    /// Roles as one user or group holds them.
    Directory,
    Synchronization,
    Units,
}

impl Permission {
    /// Any of these is enough.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Applications => &["Application.Read.All", "Directory.Read.All"],
            Self::Users => &["User.Read.All", "Directory.Read.All"],
            Self::Groups => &[
                "GroupMember.Read.All",
                "Group.Read.All",
                "Directory.Read.All",
            ],
            Self::Organization => &["Organization.Read.All", "Directory.Read.All"],
            Self::Domains => &["Domain.Read.All", "Directory.Read.All"],
            Self::Directory => &["Directory.Read.All", "AppRoleAssignment.ReadWrite.All"],
            Self::Units => &[
                "AdministrativeUnit.Read.All",
                "AdministrativeUnit.ReadWrite.All",
                "Directory.Read.All",
            ],
            Self::Synchronization => &["Synchronization.Read.All", "Synchronization.ReadWrite.All"],
            Self::CustomSecurityAttributes => &[
                "CustomSecAttributeAssignment.Read.All",
                "CustomSecAttributeAssignment.ReadWrite.All",
            ],
        }
    }
}

impl Reader<'_> {
    pub(super) fn is_granted(&self, permission: Permission) -> bool {
        let granted = &self.tenant.settings.permissions;
        let mut names = permission.names().iter();
        names.any(|name| granted.contains(*name))
    }

    pub(super) fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.is_granted(permission) {
            Ok(())
        } else {
            Err(Problem::denied())
        }
    }

    pub(super) fn has(&self, quirk: GraphQuirk) -> bool {
        self.tenant.settings.quirks.contains(&quirk)
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.tenant.directory
    }

    /// The app registration that signs in, as far as its secrets are concerned.
    pub(super) fn registered_app(&self, key: &str) -> Result<Reply, Problem> {
        self.require(Permission::Applications)?;
        let identity = &self.tenant.identity;
        if key != format!("appId={}", identity.client_id) {
            return Err(Problem::not_found(key));
        }
        let hint: String = identity.client_secret.chars().take(3).collect();
        let mut value = self.narrow(json!({
            "id": identity.client_id, "appId": identity.client_id, "displayName": "entrain",
            "keyCredentials": [],
            "passwordCredentials": [{
                "customKeyIdentifier": null, "displayName": "agent", "hint": hint,
                "keyId": identity.client_id, "secretText": null,
                "startDateTime": "2020-01-01T00:00:00Z",
                "endDateTime": self.tenant.settings.secret_expires,
            }],
        }));
        value["@odata.context"] = json!(self.context("applications/$entity"));
        Ok(object(&value))
    }

    pub(super) fn service_principals(&self) -> Result<Reply, Problem> {
        self.require(Permission::Applications)?;
        let own = self.directory().application.service_principal();
        let shown = match &self.options.filter {
            None => true,
            Some(filter) => equalities(filter)?.iter().any(|(name, value)| {
                own[name.as_str()]
                    .as_str()
                    .is_some_and(|text| text.eq_ignore_ascii_case(value))
            }),
        };
        let values = if shown {
            vec![self.narrow(own).to_string()]
        } else {
            Vec::new()
        };
        Ok(page(
            &self.context("servicePrincipals"),
            &Link::None,
            &values,
        ))
    }

    pub(super) fn service_principal(&self, key: &str) -> Result<Reply, Problem> {
        self.require(Permission::Applications)?;
        self.find_application(key)?;
        let mut value = self.narrow(self.directory().application.service_principal());
        value["@odata.context"] = json!(self.context("servicePrincipals/$entity"));
        Ok(object(&value))
    }

    pub(super) fn assigned_to(&self, key: &str) -> Result<Reply, Problem> {
        self.require(Permission::Applications)?;
        self.find_application(key)?;
        let after = self.cursor()?;
        let application = &self.directory().application;
        let (entries, rest) =
            application.page(after, self.page_size(), self.options.select.as_deref());
        let path = format!("servicePrincipals/{}/appRoleAssignedTo", application.id);
        let context = format!("servicePrincipals('{}')/appRoleAssignedTo", application.id);
        Ok(page(
            &self.context(&context),
            &self.next(&path, rest),
            &entries,
        ))
    }

    pub(super) fn find_application(&self, key: &str) -> Result<(), Problem> {
        let application = &self.directory().application;
        let found = match key.strip_prefix("appId=") {
            Some(app_id) => app_id.eq_ignore_ascii_case(&application.app_id.to_string()),
            None => key.eq_ignore_ascii_case(&application.id.to_string()),
        };
        if found {
            Ok(())
        } else {
            Err(Problem::not_found(key))
        }
    }

    pub(super) fn users(&self) -> Result<Reply, Problem> {
        self.require(Permission::Users)?;
        let count = self.directory().users.len();
        self.listing(Stream::Users, "users", Life::Active, count)
    }

    pub(super) fn groups(&self) -> Result<Reply, Problem> {
        self.require(Permission::Groups)?;
        let count = self.directory().groups.len();
        self.listing(Stream::Groups, "groups", Life::Active, count)
    }

    pub(super) fn deleted_users(&self) -> Result<Reply, Problem> {
        self.require(Permission::Users)?;
        let path = "directory/deletedItems/microsoft.graph.user";
        self.listing(
            Stream::Users,
            path,
            Life::SoftDeleted,
            self.directory().users.len(),
        )
    }

    pub(super) fn deleted_groups(&self) -> Result<Reply, Problem> {
        self.require(Permission::Groups)?;
        let path = "directory/deletedItems/microsoft.graph.group";
        self.listing(
            Stream::Groups,
            path,
            Life::SoftDeleted,
            self.directory().groups.len(),
        )
    }

    fn listing(
        &self,
        stream: Stream,
        path: &str,
        life: Life,
        count: usize,
    ) -> Result<Reply, Problem> {
        let names = self.selected(stream)?;
        let wanted = match &self.options.filter {
            Some(filter) => Some(equalities(filter)?),
            None => None,
        };
        let size = self.page_size();
        let mut entries = Vec::new();
        let mut rest = None;
        for place in usize::try_from(self.cursor()?).unwrap_or(usize::MAX)..count {
            let principal = principal(stream, place);
            let object = self.directory().object(principal);
            if object.life != life || !self.satisfies(principal, wanted.as_deref()) {
                continue;
            }
            if entries.len() == size {
                rest = u64::try_from(place).ok();
                break;
            }
            entries.push(self.render(principal, &names, None));
        }
        // Counting is an advanced query, and only the first page shows it.
        let is_advanced = self.call.header("consistencylevel") == Some("eventual");
        let counts = self.options.count && is_advanced && self.options.skip_token.is_none();
        let all = counts.then(|| {
            let all = (0..count).map(|place| principal(stream, place));
            let lives = |one: &Principal| self.directory().object(*one).life == life;
            let listed = |one: &Principal| lives(one) && self.satisfies(*one, wanted.as_deref());
            all.filter(listed).count()
        });
        let link = self.next(path, rest);
        Ok(counted_page(&self.context(path), all, &link, &entries))
    }

    fn satisfies(&self, principal: Principal, wanted: Option<&[(String, String)]>) -> bool {
        let Some(pairs) = wanted else {
            return true;
        };
        pairs.iter().any(|(name, value)| {
            let own = if name == "id" {
                Some(self.directory().object(principal).id.to_string())
            } else {
                self.directory().text(principal, name)
            };
            own.is_some_and(|own| own.to_lowercase() == value.to_lowercase())
        })
    }

    pub(super) fn user(&self, id: &str) -> Result<Reply, Problem> {
        self.require(Permission::Users)?;
        let names = self.selected(Stream::Users)?;
        let principal = self.find_user(id)?;
        let context = self.context("users/$entity");
        Ok(text(self.render(
            principal,
            &names,
            Some(("@odata.context", &context)),
        )))
    }

    pub(super) fn manager(&self, id: &str) -> Result<Reply, Problem> {
        self.require(Permission::Users)?;
        let names = self.selected(Stream::Users)?;
        let Principal::User(place) = self.find_user(id)? else {
            return Err(Problem::not_found(id));
        };
        let manager = self.directory().users[place as usize].manager;
        let manager = manager
            .map(Principal::User)
            .filter(|manager| self.directory().object(*manager).is_active())
            .ok_or_else(|| Problem::not_found("manager"))?;
        let kind = Some(("@odata.type", "#microsoft.graph.user"));
        Ok(text(self.render(manager, &names, kind)))
    }

    pub(super) fn find_user(&self, id: &str) -> Result<Principal, Problem> {
        let found = match Uuid::parse_str(id) {
            Ok(id) => self.directory().principal(id),
            Err(_) => (0..self.directory().users.len())
                .map(|place| principal(Stream::Users, place))
                .find(|user| {
                    let name = self.directory().text(*user, "userPrincipalName");
                    name.is_some_and(|name| name.eq_ignore_ascii_case(id))
                }),
        };
        found
            .filter(|found| matches!(found, Principal::User(_)))
            .filter(|found| self.directory().object(*found).is_active())
            .ok_or_else(|| Problem::not_found(id))
    }

    pub(super) fn group(&self, id: &str) -> Result<Reply, Problem> {
        self.require(Permission::Groups)?;
        let names = self.selected(Stream::Groups)?;
        let principal = self.find_group(id)?;
        let context = self.context("groups/$entity");
        Ok(text(self.render(
            principal,
            &names,
            Some(("@odata.context", &context)),
        )))
    }

    pub(super) fn find_group(&self, id: &str) -> Result<Principal, Problem> {
        Uuid::parse_str(id)
            .ok()
            .and_then(|id| self.directory().principal(id))
            .filter(|found| matches!(found, Principal::Group(_)))
            .filter(|found| self.directory().object(*found).is_active())
            .ok_or_else(|| Problem::not_found(id))
    }

    pub(super) fn members(
        &self,
        id: &str,
        cast: Option<&str>,
        transitive: bool,
    ) -> Result<Reply, Problem> {
        self.require(Permission::Groups)?;
        let Principal::Group(place) = self.find_group(id)? else {
            return Err(Problem::not_found(id));
        };
        let place = place as usize;
        let all: Vec<Principal> = if transitive {
            self.directory()
                .transitive_members(place)
                .into_iter()
                .collect()
        } else {
            let members = self.directory().groups[place].members.keys();
            members.copied().collect()
        };
        let names = self.options.select.clone();
        let start = usize::try_from(self.cursor()?).unwrap_or(usize::MAX);
        let size = self.page_size();
        let mut entries = Vec::new();
        let mut rest = None;
        for (place, member) in all.iter().enumerate().skip(start) {
            let (stream, kind) = kind(*member);
            let shown = self.directory().object(*member).is_active()
                && cast.is_none_or(|cast| kind.ends_with(cast));
            if !shown {
                continue;
            }
            if entries.len() == size {
                rest = u64::try_from(place).ok();
                break;
            }
            let names = names.clone().unwrap_or_else(|| defaults(stream));
            entries.push(self.render(*member, &names, Some(("@odata.type", kind))));
        }
        let relation = if transitive {
            "transitiveMembers"
        } else {
            "members"
        };
        let path = match cast {
            Some(cast) => format!("groups/{id}/{relation}/{cast}"),
            None => format!("groups/{id}/{relation}"),
        };
        Ok(page(
            &self.context("directoryObjects"),
            &self.next(&path, rest),
            &entries,
        ))
    }

    pub(super) fn deleted_item(&self, id: &str) -> Result<Reply, Problem> {
        let principal = Uuid::parse_str(id)
            .ok()
            .and_then(|id| self.directory().principal(id))
            .filter(|found| self.directory().object(*found).life == Life::SoftDeleted)
            .ok_or_else(|| Problem::not_found(id))?;
        let (stream, kind) = kind(principal);
        self.require(match stream {
            Stream::Users => Permission::Users,
            Stream::Groups => Permission::Groups,
        })?;
        let names = self.selected(stream)?;
        Ok(text(self.render(
            principal,
            &names,
            Some(("@odata.type", kind)),
        )))
    }

    /// `directoryObjects/getByIds`: whatever is not there is left out without a word.
    pub(super) fn by_ids(&self) -> Result<Reply, Problem> {
        self.require(Permission::Users)?;
        let body: Value = serde_json::from_str(&self.call.body)
            .map_err(|_| Problem::bad_request("Unable to read JSON request payload."))?;
        let ids: Vec<&str> = texts(&body["ids"]);
        if ids.len() > 1_000 {
            return Err(Problem::bad_request("Too many ids: the maximum is 1000."));
        }
        let types = texts(&body["types"]);
        let mut entries = Vec::new();
        for id in ids {
            let found = Uuid::parse_str(id)
                .ok()
                .and_then(|id| self.directory().principal(id));
            let Some(principal) = found else { continue };
            let (stream, kind) = kind(principal);
            let asked = types.is_empty()
                || types.iter().any(|name| {
                    kind.to_lowercase().ends_with(&name.to_lowercase())
                        || name.eq_ignore_ascii_case("directoryObject")
                });
            if asked && self.directory().object(principal).is_active() {
                let names = self
                    .options
                    .select
                    .clone()
                    .unwrap_or_else(|| defaults(stream));
                entries.push(self.render(principal, &names, Some(("@odata.type", kind))));
            }
        }
        Ok(page(
            &self.context("directoryObjects"),
            &Link::None,
            &entries,
        ))
    }

    pub(super) fn organization(&self) -> Result<Reply, Problem> {
        self.require(Permission::Organization)?;
        let domains = self.tenant.domains().into_iter();
        let domains = domains.map(|(name, is_default)| {
            json!({
                "name": name, "isDefault": is_default, "isInitial": name == INITIAL_DOMAIN,
                "type": "Managed", "capabilities": "Email, OfficeCommunicationsOnline",
            })
        });
        let own = json!({
            "id": self.tenant.identity.tenant_id, "deletedDateTime": null, "displayName": "Contoso",
            "tenantType": "AAD", "countryLetterCode": "US", "createdDateTime": "2020-02-01T08:00:00Z",
            "verifiedDomains": domains.collect::<Vec<Value>>(),
        });
        let values = [self.narrow(own).to_string()];
        Ok(page(&self.context("organization"), &Link::None, &values))
    }

    pub(super) fn domains(&self) -> Result<Reply, Problem> {
        self.require(Permission::Domains)?;
        let domains = self.tenant.domains().into_iter();
        let values = domains.map(|(name, is_default)| {
            let value = json!({
                "id": name, "authenticationType": "Managed", "isAdminManaged": true,
                "isDefault": is_default, "isInitial": name == INITIAL_DOMAIN, "isRoot": true,
                "isVerified": true, "supportedServices": ["Email"],
            });
            self.narrow(value).to_string()
        });
        let values: Vec<String> = values.collect();
        Ok(page(&self.context("domains"), &Link::None, &values))
    }

    pub(super) fn context(&self, what: &str) -> String {
        format!("{}/v1.0/$metadata#{what}", self.origin)
    }
}

fn principal(stream: Stream, place: usize) -> Principal {
    let place = u32::try_from(place).expect("places come from u32");
    match stream {
        Stream::Users => Principal::User(place),
        Stream::Groups => Principal::Group(place),
    }
}

pub(super) fn kind(principal: Principal) -> (Stream, &'static str) {
    match principal {
        Principal::User(_) => (Stream::Users, "#microsoft.graph.user"),
        Principal::Group(_) => (Stream::Groups, "#microsoft.graph.group"),
    }
}

pub(super) fn defaults(stream: Stream) -> Vec<String> {
    let names = match stream {
        Stream::Users => USER_DEFAULTS,
        Stream::Groups => GROUP_PROPERTIES,
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}
