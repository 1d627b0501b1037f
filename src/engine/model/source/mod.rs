//! The attributes that a mapping or a scoping filter may read: the properties of users and groups
//! that Microsoft Graph's delta query returns, the names that Entra computes, and the portal's older
//! names. Which are not usable, and why, stands here too.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::custom_security::PROPERTY as CUSTOM_SECURITY_ATTRIBUTES;
use super::{CustomSecurityAttribute, ObjectKind};

/// What a source attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceType {
    Text,
    Boolean,
    /// Text in ISO 8601 form.
    DateTime,
    /// Another source object.
    Reference,
    /// An object with members, such as one element of `assignedLicenses`.
    Object,
    /// The application's roles that a user holds; only the role functions take it.
    Roles,
    /// A directory extension or a custom security attribute: what it holds is known to the tenant only.
    Any,
}

impl SourceType {
    /// What a person calls a value of this type.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Boolean => "a Boolean",
            Self::DateTime => "a date",
            Self::Reference => "a reference to another object",
            Self::Object => "an object with members",
            Self::Roles => "a list of roles",
            Self::Any => "any value",
        }
    }
}

impl SourceAttribute {
    /// What a person calls what the attribute holds.
    pub(crate) fn word(&self) -> &'static str {
        if !self.multi_valued {
            return self.source_type.word();
        }
        match self.source_type {
            Text => "a list of texts",
            Boolean => "a list of Booleans",
            DateTime => "a list of dates",
            Reference => "a list of references to other objects",
            Object => "a list of objects with members",
            Roles => "a list of roles",
            Any => "a list of values",
        }
    }
}

/// One readable attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceAttribute {
    /// As [`super::Attributes::value`] and the engine's computed names know it.
    pub(crate) name: String,
    pub(crate) source_type: SourceType,
    pub(crate) multi_valued: bool,
    /// What must be asked from Graph, in `$select`, to know it.
    pub(crate) selects: Vec<String>,
}

/// Why a name cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("there is no source attribute of this name")]
    Unknown,
    #[error("this attribute cannot be read: {0}")]
    NotReadable(&'static str),
    #[error("{object} has no member of this name; it has {members}")]
    NotAMember {
        object: &'static str,
        members: String,
    },
    #[error("its form is customSecurityAttributes.Set.Attribute")]
    NotASetAndAttribute,
    #[error("{0} has one value and takes no index")]
    NotIndexed(String),
}

struct Row {
    name: &'static str,
    source_type: SourceType,
    multi_valued: bool,
}

const fn one(name: &'static str, source_type: SourceType) -> Row {
    Row {
        name,
        source_type,
        multi_valued: false,
    }
}

const fn many(name: &'static str, source_type: SourceType) -> Row {
    Row {
        name,
        source_type,
        multi_valued: true,
    }
}

use SourceType::{Any, Boolean, DateTime, Object, Reference, Roles, Text};

/// Graph v1.0, resource type `user`: what users/delta returns when it is selected.
const USER: &[Row] = &[
    one("id", Text),
    one("accountEnabled", Boolean),
    one("userPrincipalName", Text),
    one("displayName", Text),
    one("givenName", Text),
    one("surname", Text),
    one("jobTitle", Text),
    one("mail", Text),
    one("mailNickname", Text),
    many("otherMails", Text),
    many("proxyAddresses", Text),
    many("businessPhones", Text),
    one("mobilePhone", Text),
    one("faxNumber", Text),
    one("officeLocation", Text),
    one("streetAddress", Text),
    one("city", Text),
    one("state", Text),
    one("postalCode", Text),
    one("country", Text),
    one("usageLocation", Text),
    one("preferredLanguage", Text),
    one("department", Text),
    one("companyName", Text),
    one("employeeId", Text),
    one("employeeType", Text),
    one("employeeHireDate", DateTime),
    one("employeeLeaveDateTime", DateTime),
    one("employeeOrgData", Object),
    one("userType", Text),
    one("externalUserState", Text),
    one("externalUserStateChangeDateTime", DateTime),
    one("creationType", Text),
    one("createdDateTime", DateTime),
    one("deletedDateTime", DateTime),
    one("ageGroup", Text),
    one("consentProvidedForMinor", Text),
    one("legalAgeGroupClassification", Text),
    many("identities", Object),
    many("imAddresses", Text),
    one("onPremisesSyncEnabled", Boolean),
    one("onPremisesImmutableId", Text),
    one("onPremisesSamAccountName", Text),
    one("onPremisesDomainName", Text),
    one("onPremisesDistinguishedName", Text),
    one("onPremisesUserPrincipalName", Text),
    one("onPremisesSecurityIdentifier", Text),
    one("onPremisesLastSyncDateTime", DateTime),
    one("onPremisesExtensionAttributes", Object),
    many("assignedLicenses", Object),
    many("assignedPlans", Object),
    many("licenseAssignmentStates", Object),
    many("provisionedPlans", Object),
    one("passwordPolicies", Text),
    one("lastPasswordChangeDateTime", DateTime),
    one("securityIdentifier", Text),
    one("preferredDataLocation", Text),
    one("showInAddressList", Boolean),
    one("isResourceAccount", Boolean),
    one("isManagementRestricted", Boolean),
    one("manager", Reference),
];

/// Graph v1.0, resource type `group`: what groups/delta returns when it is selected.
const GROUP: &[Row] = &[
    one("id", Text),
    one("displayName", Text),
    one("description", Text),
    one("mail", Text),
    one("mailNickname", Text),
    one("mailEnabled", Boolean),
    one("securityEnabled", Boolean),
    many("groupTypes", Text),
    one("membershipRule", Text),
    one("membershipRuleProcessingState", Text),
    one("visibility", Text),
    one("uniqueName", Text),
    one("securityIdentifier", Text),
    one("isAssignableToRole", Boolean),
    one("classification", Text),
    one("createdDateTime", DateTime),
    one("deletedDateTime", DateTime),
    one("renewedDateTime", DateTime),
    one("expirationDateTime", DateTime),
    many("proxyAddresses", Text),
    one("onPremisesSyncEnabled", Boolean),
    one("onPremisesSamAccountName", Text),
    one("onPremisesDomainName", Text),
    one("onPremisesNetBiosName", Text),
    one("onPremisesSecurityIdentifier", Text),
    one("onPremisesLastSyncDateTime", DateTime),
    one("onPremisesExtensionAttributes", Object),
    one("preferredLanguage", Text),
    one("preferredDataLocation", Text),
    one("theme", Text),
    many("resourceProvisioningOptions", Text),
    many("members", Reference),
];

/// Names that the engine computes, with the Graph property that each needs.
const COMPUTED_USER: &[(Row, Option<&str>)] = &[
    (one(IS_SOFT_DELETED, Boolean), Some("accountEnabled")),
    (many(APP_ROLE_ASSIGNMENTS, Roles), None),
    // The home principal name of a guest is written inside the one the guest has here.
    (
        one(ORIGINAL_USER_PRINCIPAL_NAME, Text),
        Some("userPrincipalName"),
    ),
];

const COMPUTED_GROUP: &[(Row, Option<&str>)] = &[(one(IS_SOFT_DELETED, Boolean), None)];

/// True when the object is out of scope, in the recycle bin, or blocked from signing in.
pub(crate) const IS_SOFT_DELETED: &str = "IsSoftDeleted";
/// The application's roles that the user holds.
pub(crate) const APP_ROLE_ASSIGNMENTS: &str = "appRoleAssignments";
pub(crate) const ORIGINAL_USER_PRINCIPAL_NAME: &str = "originalUserPrincipalName";
/// Names and ids of the groups that the object is in; for scoping filters only.
pub(crate) const MEMBER_OF: &str = "memberOf";

/// The members of the complex properties that a dotted name reaches into.
const EMPLOYEE_ORG_DATA: &[&str] = &["division", "costCenter"];
const EXTENSION_ATTRIBUTES: &[&str] = &[
    "extensionAttribute1",
    "extensionAttribute2",
    "extensionAttribute3",
    "extensionAttribute4",
    "extensionAttribute5",
    "extensionAttribute6",
    "extensionAttribute7",
    "extensionAttribute8",
    "extensionAttribute9",
    "extensionAttribute10",
    "extensionAttribute11",
    "extensionAttribute12",
    "extensionAttribute13",
    "extensionAttribute14",
    "extensionAttribute15",
];

/// The names that Entra's provisioning schema uses, where Graph has others.
const PORTAL_NAMES: &[(&str, &str)] = &[
    ("objectId", "id"),
    ("telephoneNumber", "businessPhones[0]"),
    ("mobile", "mobilePhone"),
    ("facsimileTelephoneNumber", "faxNumber"),
    ("physicalDeliveryOfficeName", "officeLocation"),
    ("dirSyncEnabled", "onPremisesSyncEnabled"),
    ("immutableId", "onPremisesImmutableId"),
    ("sipProxyAddress", "imAddresses"),
];

const SHAREPOINT: &str = "it is kept in SharePoint, and delta queries do not return it";
const EXCHANGE: &str = "it is kept in Exchange, and delta queries do not return it";

const NOT_READABLE_USER: &[(&str, &str)] = &[
    ("signInActivity", "delta queries refuse it"),
    ("aboutMe", SHAREPOINT),
    ("birthday", SHAREPOINT),
    ("hireDate", "it is kept in SharePoint; use employeeHireDate"),
    ("interests", SHAREPOINT),
    ("mySite", SHAREPOINT),
    ("pastProjects", SHAREPOINT),
    ("preferredName", SHAREPOINT),
    ("responsibilities", SHAREPOINT),
    ("schools", SHAREPOINT),
    ("skills", SHAREPOINT),
    ("mailboxSettings", EXCHANGE),
    ("print", "delta queries do not return it"),
    ("photo", "photos are not provisioned"),
    ("passwordProfile", "passwords are not provisioned"),
    (
        MEMBER_OF,
        "memberships are provisioned with the groups, through their members",
    ),
];

const SINGLE_READ_ONLY: &str = "only a read of the single group returns it, not the delta query";

const NOT_READABLE_GROUP: &[(&str, &str)] = &[
    ("allowExternalSenders", SINGLE_READ_ONLY),
    ("autoSubscribeNewMembers", SINGLE_READ_ONLY),
    ("hideFromAddressLists", SINGLE_READ_ONLY),
    ("hideFromOutlookClients", SINGLE_READ_ONLY),
    ("isSubscribedByMail", SINGLE_READ_ONLY),
    ("unseenCount", SINGLE_READ_ONLY),
    ("accessType", SINGLE_READ_ONLY),
    ("isArchived", SINGLE_READ_ONLY),
    ("owners", "owners are not provisioned"),
    (
        CUSTOM_SECURITY_ATTRIBUTES,
        "users have custom security attributes, groups do not",
    ),
];

/// The name as it is spelled, for one that differs in case alone: Entra's directory does not care about
/// case. Names that only the tenant knows, such as those of directory extensions, stay as they are.
pub(crate) fn spelled(kind: ObjectKind, name: &str) -> Cow<'_, str> {
    let (whole, index) = match name.find('[') {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    let is = |known: &&str| known.eq_ignore_ascii_case(whole);
    let known = names(kind).chain([MEMBER_OF]).find(is);
    let known = known.map(str::to_owned).or_else(|| {
        let (object, member) = whole.split_once('.')?;
        let object = names(kind).find(|known| known.eq_ignore_ascii_case(object))?;
        let members = members(object)?;
        let member = members
            .iter()
            .find(|known| known.eq_ignore_ascii_case(member))?;
        Some(format!("{object}.{member}"))
    });
    match known {
        Some(known) if known != whole => Cow::Owned(known + index),
        Some(_) | None => Cow::Borrowed(name),
    }
}

/// The members of a complex property that a dotted name reaches into.
fn members(property: &str) -> Option<&'static [&'static str]> {
    match property {
        "employeeOrgData" => Some(EMPLOYEE_ORG_DATA),
        "onPremisesExtensionAttributes" => Some(EXTENSION_ATTRIBUTES),
        _ => None,
    }
}

/// What is known of an attribute by its Graph name, computed name or portal name, which may reach
/// inside: `employeeOrgData.division`, `otherMails[0]`. Case does not count.
pub(crate) fn attribute(kind: ObjectKind, name: &str) -> Result<SourceAttribute, Unusable> {
    let name = &*spelled(kind, name);
    let (rows, computed, not_readable) = match kind {
        ObjectKind::User => (USER, COMPUTED_USER, NOT_READABLE_USER),
        ObjectKind::Group => (GROUP, COMPUTED_GROUP, NOT_READABLE_GROUP),
    };
    if let Some((row, needs)) = computed.iter().find(|(row, _)| row.name == name) {
        return Ok(SourceAttribute {
            name: name.to_owned(),
            source_type: row.source_type,
            multi_valued: row.multi_valued,
            selects: needs.iter().map(|&needed| needed.to_owned()).collect(),
        });
    }
    let name = graph_name(name);
    let (whole, index) = match split_index(&name) {
        Some((whole, _)) => (whole, true),
        None => (name.as_ref(), false),
    };
    let (first, member) = match whole.split_once('.') {
        Some((first, member)) => (first, Some(member)),
        None => (whole, None),
    };
    let found = |source_type, multi_valued: bool| {
        if index && !multi_valued {
            return Err(Unusable::NotIndexed(whole.to_owned()));
        }
        Ok(SourceAttribute {
            name: name.clone().into_owned(),
            source_type,
            multi_valued: multi_valued && !index,
            selects: vec![first.to_owned()],
        })
    };
    let is_first = |name: &str| name.eq_ignore_ascii_case(first);
    if let Some((_, why)) = not_readable.iter().find(|(name, _)| is_first(name)) {
        return Err(Unusable::NotReadable(why));
    }
    if first.eq_ignore_ascii_case(CUSTOM_SECURITY_ATTRIBUTES) && kind == ObjectKind::User {
        return match CustomSecurityAttribute::parse(whole) {
            // The delta query, of which `selects` speaks, does not return it.
            Some(_) => found(Any, index).map(|attribute| SourceAttribute {
                selects: Vec::new(),
                ..attribute
            }),
            None => Err(Unusable::NotASetAndAttribute),
        };
    }
    if is_directory_extension(first) && member.is_none() {
        return found(Any, index);
    }
    let row = rows
        .iter()
        .find(|row| row.name == first)
        .ok_or(Unusable::Unknown)?;
    let Some(member) = member else {
        return found(row.source_type, row.multi_valued);
    };
    let members = members(row.name).ok_or(Unusable::Unknown)?;
    if members.contains(&member) {
        found(Text, false)
    } else {
        Err(Unusable::NotAMember {
            object: row.name,
            members: match row.name {
                "onPremisesExtensionAttributes" => {
                    "extensionAttribute1 to extensionAttribute15".to_owned()
                }
                _ => members.join(", "),
            },
        })
    }
}

/// Like [`attribute`], for a scoping filter: it also reads what the engine knows of an object's roles
/// and groups, as plain values.
pub(crate) fn filter_attribute(kind: ObjectKind, name: &str) -> Result<SourceAttribute, Unusable> {
    let name = &*spelled(kind, name);
    if [APP_ROLE_ASSIGNMENTS, MEMBER_OF].contains(&name) {
        return Ok(SourceAttribute {
            name: name.to_owned(),
            source_type: Text,
            multi_valued: true,
            selects: Vec::new(),
        });
    }
    attribute(kind, name)
}

/// The custom security attribute that a name reads, with an index or without.
pub(crate) fn custom_security_attribute(name: &str) -> Option<CustomSecurityAttribute> {
    let whole = split_index(name).map_or(name, |(whole, _)| whole);
    CustomSecurityAttribute::parse(whole)
}

/// The name under which the value is found in [`super::Attributes`], for any name that
/// [`attribute`] accepts: `telephoneNumber` is `businessPhones[0]`. Other names stay as they are.
pub(crate) fn graph_name(name: &str) -> Cow<'_, str> {
    if let Some((_, graph)) = PORTAL_NAMES.iter().find(|(portal, _)| *portal == name) {
        return Cow::Borrowed(graph);
    }
    if EXTENSION_ATTRIBUTES.contains(&name) {
        return Cow::Owned(format!("onPremisesExtensionAttributes.{name}"));
    }
    Cow::Borrowed(name)
}

/// Whether a value of one of two attributes may reveal the other's: they are one property, under
/// whatever name, or a part of it, or computed from it. Names of custom security attributes differ
/// from one another by more than their case.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    let (one, other) = (property(one), property(other));
    let is_inside = |part: &str, whole: &str| {
        part.strip_prefix(whole)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    is_inside(&one, &other) || is_inside(&other, &one)
}

/// What an attribute is read from: without an index, and in lower case.
fn property(name: &str) -> String {
    let name = graph_name(name);
    let whole = split_index(&name).map_or(name.as_ref(), |(whole, _)| whole);
    let read = match whole {
        ORIGINAL_USER_PRINCIPAL_NAME => "userPrincipalName",
        _ => whole,
    };
    read.to_lowercase()
}

/// The name that Entra's provisioning schema uses for a Graph property: the reverse of
/// [`graph_name`]. Other names stay as they are.
pub(crate) fn portal_name(name: &str) -> &str {
    if let Some((portal, _)) = PORTAL_NAMES.iter().find(|(_, graph)| *graph == name) {
        return portal;
    }
    match name.strip_prefix("onPremisesExtensionAttributes.") {
        Some(member) if EXTENSION_ATTRIBUTES.contains(&member) => member,
        Some(_) | None => name,
    }
}

/// Every name without index, for the nearest-name hint of an unknown one.
pub(crate) fn names(kind: ObjectKind) -> impl Iterator<Item = &'static str> {
    let (rows, computed) = match kind {
        ObjectKind::User => (USER, COMPUTED_USER),
        ObjectKind::Group => (GROUP, COMPUTED_GROUP),
    };
    let portal: &[_] = match kind {
        ObjectKind::User => PORTAL_NAMES,
        ObjectKind::Group => &PORTAL_NAMES[..1],
    };
    let members: &[_] = match kind {
        ObjectKind::User => &["employeeOrgData.division", "employeeOrgData.costCenter"],
        ObjectKind::Group => &[],
    };
    rows.iter()
        .map(|row| row.name)
        .chain(computed.iter().map(|(row, _)| row.name))
        .chain(portal.iter().map(|(name, _)| *name))
        .chain(members.iter().copied())
        .chain(EXTENSION_ATTRIBUTES.iter().copied())
}

/// `businessPhones[0]` as its list and its index, counted from 0.
pub(crate) fn split_index(name: &str) -> Option<(&str, usize)> {
    let (whole, index) = name.strip_suffix(']')?.rsplit_once('[')?;
    Some((whole, index.parse().ok()?))
}

/// `extension_{application id without dashes}_{name}`.
fn is_directory_extension(name: &str) -> bool {
    let Some((app, rest)) = name
        .strip_prefix("extension_")
        .and_then(|rest| rest.split_once('_'))
    else {
        return false;
    };
    app.len() == 32
        && app.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !rest.is_empty()
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
