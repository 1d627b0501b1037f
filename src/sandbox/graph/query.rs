//! The query options of a request, the names that may stand in them, and the tokens in links.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::super::reply::Call;
use super::super::tenant::Stream;
use super::answer::Problem;

/// Options of the query string, with or without the dollar sign.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) select: Option<Vec<String>>,
    pub(super) top: Option<usize>,
    pub(super) filter: Option<String>,
    pub(super) expand: Option<String>,
    pub(super) orderby: Option<String>,
    pub(super) count: bool,
    pub(super) skip_token: Option<String>,
    pub(super) delta_token: Option<String>,
}

impl Options {
    pub(super) fn parse(call: &Call) -> Result<Self, Problem> {
        let mut options = Self::default();
        for (name, value) in call.parameters() {
            let name = name.trim_start_matches('$').to_ascii_lowercase();
            match name.as_str() {
                "select" => {
                    let names = value.split(',').map(|name| name.trim().to_owned());
                    options.select = Some(names.filter(|name| !name.is_empty()).collect());
                }
                "top" => {
                    let top = value.parse().ok().filter(|top| (1..=999).contains(top));
                    let invalid = || {
                        Problem::bad_request(format!(
                            "Invalid page size specified: '{value}'. Must be between 1 and 999 inclusive."
                        ))
                    };
                    options.top = Some(top.ok_or_else(invalid)?);
                }
                "filter" => options.filter = Some(value),
                "expand" => options.expand = Some(value),
                "orderby" => options.orderby = Some(value),
                "count" => options.count = value == "true",
                "skiptoken" => options.skip_token = Some(value),
                "deltatoken" => options.delta_token = Some(value),
                _ => {}
            }
        }
        Ok(options)
    }
}

/// `name eq 'value' or name eq 'value' …` as pairs; anything else is refused.
pub(super) fn equalities(filter: &str) -> Result<Vec<(String, String)>, Problem> {
    let invalid = || Problem::bad_request("Invalid filter clause");
    let mut pairs = Vec::new();
    let mut rest = filter.trim();
    loop {
        let (name, tail) = rest.split_once(' ').ok_or_else(invalid)?;
        let tail = tail.trim_start().strip_prefix("eq ").ok_or_else(invalid)?;
        let (value, tail) = quoted(tail.trim_start()).ok_or_else(invalid)?;
        pairs.push((name.to_owned(), value));
        let tail = tail.trim_start();
        if tail.is_empty() {
            return Ok(pairs);
        }
        rest = tail.strip_prefix("or ").ok_or_else(invalid)?.trim_start();
    }
}

/// A literal in single quotes, in which a doubled quote is one, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('\'')?;
    let mut value = String::new();
    let mut chars = inner.char_indices().peekable();
    while let Some((place, letter)) = chars.next() {
        if letter != '\'' {
            value.push(letter);
        } else if chars.peek().is_some_and(|(_, next)| *next == '\'') {
            chars.next();
            value.push('\'');
        } else {
            return Some((value, &inner[place + 1..]));
        }
    }
    None
}

/// What a user shows without `$select`.
pub(super) const USER_DEFAULTS: &[&str] = &[
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

const USER_PROPERTIES: &[&str] = &[
    "accountEnabled",
    "ageGroup",
    "assignedLicenses",
    "assignedPlans",
    "city",
    "companyName",
    "consentProvidedForMinor",
    "country",
    "createdDateTime",
    "creationType",
    "deletedDateTime",
    "department",
    "employeeHireDate",
    "employeeId",
    "employeeLeaveDateTime",
    "employeeOrgData",
    "employeeType",
    "externalUserState",
    "externalUserStateChangeDateTime",
    "faxNumber",
    "id",
    "identities",
    "imAddresses",
    "isManagementRestricted",
    "isResourceAccount",
    "lastPasswordChangeDateTime",
    "legalAgeGroupClassification",
    "licenseAssignmentStates",
    "mailNickname",
    "onPremisesDistinguishedName",
    "onPremisesDomainName",
    "onPremisesExtensionAttributes",
    "onPremisesImmutableId",
    "onPremisesLastSyncDateTime",
    "onPremisesSamAccountName",
    "onPremisesSecurityIdentifier",
    "onPremisesSyncEnabled",
    "onPremisesUserPrincipalName",
    "otherMails",
    "passwordPolicies",
    "postalCode",
    "preferredDataLocation",
    "provisionedPlans",
    "proxyAddresses",
    "securityIdentifier",
    "showInAddressList",
    "state",
    "streetAddress",
    "usageLocation",
    "userType",
];

/// Outside the directory's own store: readable one by one, refused in delta.
const USER_UNTRACKED: &[&str] = &[
    "signInActivity",
    "aboutMe",
    "birthday",
    "hireDate",
    "interests",
    "mySite",
    "pastProjects",
    "preferredName",
    "responsibilities",
    "schools",
    "skills",
    "mailboxSettings",
    "print",
    "customSecurityAttributes",
];

pub(super) const GROUP_PROPERTIES: &[&str] = &[
    "classification",
    "createdDateTime",
    "deletedDateTime",
    "description",
    "displayName",
    "expirationDateTime",
    "groupTypes",
    "id",
    "isAssignableToRole",
    "mail",
    "mailEnabled",
    "mailNickname",
    "membershipRule",
    "membershipRuleProcessingState",
    "onPremisesDomainName",
    "onPremisesExtensionAttributes",
    "onPremisesLastSyncDateTime",
    "onPremisesNetBiosName",
    "onPremisesSamAccountName",
    "onPremisesSecurityIdentifier",
    "onPremisesSyncEnabled",
    "preferredDataLocation",
    "preferredLanguage",
    "proxyAddresses",
    "renewedDateTime",
    "resourceProvisioningOptions",
    "securityEnabled",
    "securityIdentifier",
    "theme",
    "uniqueName",
    "visibility",
];

const GROUP_UNTRACKED: &[&str] = &[
    "accessType",
    "allowExternalSenders",
    "autoSubscribeNewMembers",
    "hideFromAddressLists",
    "hideFromOutlookClients",
    "isArchived",
    "isSubscribedByMail",
    "unseenCount",
];

/// Refuses names that the type does not have, and in delta those that it does not track.
pub(super) fn check_select(stream: Stream, names: &[String], delta: bool) -> Result<(), Problem> {
    let (kind, known, untracked, relation) = match stream {
        Stream::Users => ("user", USER_PROPERTIES, USER_UNTRACKED, "manager"),
        Stream::Groups => ("group", GROUP_PROPERTIES, GROUP_UNTRACKED, "members"),
    };
    let refused: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| delta && untracked.contains(name))
        .collect();
    if !refused.is_empty() {
        return Err(Problem::new(
            400,
            "BadRequest",
            format!(
                "Invalid request for delta query: for this entity set, $expand/$select is not supported for the following properties: {}",
                refused.join(", ")
            ),
        ));
    }
    let is_known = |name: &str| {
        known.contains(&name)
            || (stream == Stream::Users && USER_DEFAULTS.contains(&name))
            || untracked.contains(&name)
            || name == relation
            || name.starts_with("extension_")
    };
    let unknown = names.iter().find(|name| !is_known(name));
    match unknown {
        None => Ok(()),
        Some(name) => Err(Problem::new(
            400,
            "BadRequest",
            format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type 'microsoft.graph.{kind}'."
            ),
        )),
    }
}

/// A link's token: JSON that clients must not interpret.
pub(super) fn seal(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

pub(super) fn unseal(token: &str) -> Result<Value, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| {
            Problem::bad_request("Badly formed token. The token in the link is invalid.")
        })
}
