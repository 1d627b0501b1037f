//! Fills a directory from a seed: the same seed and size give the same tenant, byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::application::{
    Application, PrincipalType, ROLE_AUDITOR, ROLE_DEFAULT_ACCESS, ROLE_MSIAM_ACCESS, ROLE_USER,
};
use super::directory::{Directory, Principal, random_id};
use super::names::{CULTURES, Culture, DEPARTMENTS, GROUP_WORDS, JOB_TITLES, PARTNERS};

/// The verified domain of the tenant.
pub(crate) const DOMAIN: &str = "contoso.com";
/// The domain the tenant was born with.
pub(crate) const INITIAL_DOMAIN: &str = "contoso.onmicrosoft.com";

/// One in so many users belongs to no group.
const LONER_EVERY: usize = 10;
/// How many reports a manager has, which makes a tree of five to seven levels for most sizes.
const REPORTS_PER_MANAGER: usize = 6;

/// How large a tenant is and how much of it is assigned to the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    pub users: usize,
    pub groups: usize,
    /// Direct memberships, about.
    pub memberships: usize,
    /// The share of the groups that is assigned, in percent.
    pub assigned_groups_percent: usize,
    /// Users without any group who are left unassigned; all others without a group are assigned directly.
    pub unassigned_users: usize,
}

impl Size {
    pub fn new(users: usize, groups: usize, memberships: usize) -> Self {
        Self {
            users,
            groups,
            memberships,
            assigned_groups_percent: 100,
            unassigned_users: 5,
        }
    }
}

impl Default for Size {
    fn default() -> Self {
        Self::new(200, 20, 1_000)
    }
}

/// The ids by which a client finds its way in.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) tenant_id: Uuid,
    pub(crate) client_id: Uuid,
    pub(crate) client_secret: String,
}

pub(super) fn generate(seed: u64, size: &Size) -> (Identity, Directory) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let identity = Identity {
        tenant_id: random_id(&mut rng),
        client_id: random_id(&mut rng),
        client_secret: format!("sbx~{}", random_id(&mut rng).simple()),
    };
    let application = Application::new(
        random_id(&mut rng),
        random_id(&mut rng),
        identity.tenant_id,
        "Wingtip Training",
    );
    let mut directory = Directory::new(application, rng.fork());
    add_users(&mut directory, size, &mut rng);
    add_managers(&mut directory);
    add_groups(&mut directory, size);
    add_members(&mut directory, size, &mut rng);
    assign(&mut directory, size, &mut rng);
    (identity, directory)
}

fn add_users(directory: &mut Directory, size: &Size, rng: &mut fastrand::Rng) {
    let mut aliases = Aliases::default();
    for number in 0..size.users {
        let properties = user(number, &mut aliases, rng);
        directory.add_user(properties);
    }
}

/// Hands out each alias once: a number makes the next of the same name unique.
#[derive(Default)]
struct Aliases {
    taken: BTreeSet<String>,
    last: BTreeMap<String, usize>,
}

impl Aliases {
    fn take(&mut self, wanted: String) -> String {
        if self.taken.insert(wanted.clone()) {
            return wanted;
        }
        let last = self.last.entry(wanted.clone()).or_insert(1);
        loop {
            *last += 1;
            let alias = format!("{wanted}{last}");
            if self.taken.insert(alias.clone()) {
                return alias;
            }
        }
    }
}

fn user(number: usize, aliases: &mut Aliases, rng: &mut fastrand::Rng) -> Map<String, Value> {
    let culture = &CULTURES[rng.usize(..CULTURES.len())];
    let given = culture.given[rng.usize(..culture.given.len())];
    let family = culture.family[rng.usize(..culture.family.len())];
    let alias = aliases.take(format!("{}.{}", given.1, family.1));
    let display_name = if culture.family_first {
        format!("{} {}", family.0, given.0)
    } else {
        format!("{} {}", given.0, family.0)
    };
    let mut user = Map::new();
    let mut set = |name: &str, value: Value| {
        user.insert(name.to_owned(), value);
    };
    set("displayName", json!(display_name));
    set("createdDateTime", json!("2025-10-01T07:30:00Z"));
    set("mailNickname", json!(alias.replace('\'', "")));
    set("employeeId", json!(format!("E{:06}", number + 1)));
    if number % 31 == 17 {
        guest(&mut user, number, &alias, culture);
        return user;
    }
    set("givenName", json!(given.0));
    set("surname", json!(family.0));
    let principal_name = format!("{alias}@{DOMAIN}");
    set("userPrincipalName", json!(principal_name));
    let mail = mail(number, &alias);
    let proxies: Vec<String> = mail
        .iter()
        .map(|mail| format!("SMTP:{mail}"))
        .chain([format!("smtp:{alias}@{INITIAL_DOMAIN}")])
        .collect();
    set("mail", json!(mail));
    set("proxyAddresses", json!(proxies));
    set("otherMails", json!([]));
    set("accountEnabled", json!(number % 23 != 11));
    set("userType", json!("Member"));
    set(
        "department",
        json!(DEPARTMENTS[rng.usize(..DEPARTMENTS.len())]),
    );
    set("jobTitle", json!(JOB_TITLES[rng.usize(..JOB_TITLES.len())]));
    set("companyName", json!("Contoso Ltd."));
    place(&mut user, number, culture, rng);
    user
}

/// Some have no mailbox, and some addresses have what only a careful client gets right.
fn mail(number: usize, alias: &str) -> Option<String> {
    match number {
        _ if number % 19 == 7 => None,
        _ if number % 97 == 13 => Some(format!("{alias}+hr@{DOMAIN}")),
        _ if number % 211 == 29 => Some(format!("\"{alias} office\"@{DOMAIN}")),
        _ => Some(format!("{alias}@{DOMAIN}")),
    }
}

fn place(user: &mut Map<String, Value>, number: usize, culture: &Culture, rng: &mut fastrand::Rng) {
    let mut set = |name: &str, value: Value| {
        user.insert(name.to_owned(), value);
    };
    set("usageLocation", json!(culture.country_code));
    set("preferredLanguage", json!(culture.language));
    set("city", json!(culture.city));
    set("country", json!(culture.country));
    set(
        "streetAddress",
        json!(format!("{} {}", culture.street, rng.u32(1..200))),
    );
    set(
        "postalCode",
        json!(format!("{:05}", rng.u32(10_000..99_999))),
    );
    set(
        "officeLocation",
        json!(format!("{}/{}", rng.u32(1..9), rng.u32(100..999))),
    );
    let phone = format!("{} {:04}", culture.dial, rng.u32(..10_000));
    set("businessPhones", json!([phone]));
    // Never set for some, set and emptied for others: absent and null are not the same.
    if !number.is_multiple_of(3) {
        set(
            "mobilePhone",
            json!(format!("{} 9{:03}", culture.dial, number % 1000)),
        );
    } else if number.is_multiple_of(2) {
        set("mobilePhone", Value::Null);
    }
    if number % 5 < 2 {
        set("onPremisesSyncEnabled", json!(true));
        set(
            "onPremisesExtensionAttributes",
            json!({
                "extensionAttribute1": format!("CC-{}", rng.u32(100..120)),
                "extensionAttribute7": if number.is_multiple_of(10) { json!("eligible") } else { Value::Null },
            }),
        );
    } else {
        set("onPremisesExtensionAttributes", json!({}));
    }
    set(
        "employeeType",
        json!(if number % 12 == 5 {
            "Contractor"
        } else {
            "Employee"
        }),
    );
}

fn guest(user: &mut Map<String, Value>, number: usize, alias: &str, culture: &Culture) {
    let partner = PARTNERS[number % PARTNERS.len()];
    let alias = alias.replace('\'', "");
    let mail = format!("{alias}@{partner}");
    let name = format!("{alias}_{partner}#EXT#@{INITIAL_DOMAIN}");
    let mut set = |name: &str, value: Value| {
        user.insert(name.to_owned(), value);
    };
    set("userPrincipalName", json!(name));
    set(
        "mail",
        if number.is_multiple_of(2) {
            Value::Null
        } else {
            json!(mail)
        },
    );
    set("otherMails", json!([mail]));
    set("accountEnabled", json!(true));
    set("userType", json!("Guest"));
    set("creationType", json!("Invitation"));
    set(
        "externalUserState",
        json!(if number % 4 == 1 {
            "PendingAcceptance"
        } else {
            "Accepted"
        }),
    );
    set("preferredLanguage", json!(culture.language));
}

/// A tree: user n reports to user (n - 1) / 6. The first has no manager, and a few are forgotten.
fn add_managers(directory: &mut Directory) {
    for place in 1..directory.users.len() {
        if place % 29 != 3 {
            let manager = (place - 1) / REPORTS_PER_MANAGER;
            directory.users[place].manager = u32::try_from(manager).ok();
        }
    }
}

fn add_groups(directory: &mut Directory, size: &Size) {
    for number in 0..size.groups {
        let name = group_name(number);
        let unified = number == 2;
        let dynamic = number == 1;
        let mut types = Vec::new();
        if unified {
            types.push("Unified");
        }
        if dynamic {
            types.push("DynamicMembership");
        }
        let mut group = Map::new();
        let mut set = |name: &str, value: Value| {
            group.insert(name.to_owned(), value);
        };
        set("displayName", json!(name));
        set("mailNickname", json!(format!("group-{:05}", number + 1)));
        set("createdDateTime", json!("2025-10-01T07:00:00Z"));
        set("mailEnabled", json!(unified));
        // All groups are assigned, and an assignment counts only for these.
        set("securityEnabled", json!(true));
        set("groupTypes", json!(types));
        set("proxyAddresses", json!([]));
        if number % 4 != 3 {
            set("description", json!(format!("Everyone in {name}")));
        }
        if unified {
            set("mail", json!(format!("group-{:05}@{DOMAIN}", number + 1)));
            set("visibility", json!("Private"));
        }
        if dynamic {
            set(
                "membershipRule",
                json!("user.department -eq \"Engineering\""),
            );
            set("membershipRuleProcessingState", json!("On"));
        }
        directory.add_group(group);
    }
}

fn group_name(number: usize) -> String {
    match number {
        0 => "All Employees".to_owned(),
        1 => "Engineering (dynamic)".to_owned(),
        2 => "Company Choir".to_owned(),
        _ => {
            let word = GROUP_WORDS[(number - 3) % GROUP_WORDS.len()];
            match (number - 3) / GROUP_WORDS.len() {
                0 => word.to_owned(),
                round => format!("{word} {}", round + 1),
            }
        }
    }
}

/// Few large groups and many small ones; the last is empty, and some hold another group.
fn add_members(directory: &mut Directory, size: &Size, rng: &mut fastrand::Rng) {
    let joiners = joiners(size.users);
    let filled = size.groups.saturating_sub(1);
    let weights: usize = (1..=filled).map(|rank| 1_000_000 / rank).sum();
    for number in 0..filled {
        let share = size.memberships * (1_000_000 / (number + 1)) / weights.max(1);
        let count = share.max(1).min(joiners.len());
        let mut members: BTreeSet<Principal> = sample(&joiners, count, rng);
        // Upwards only, so that the nesting has no circle.
        if number % 50 == 7 && number + 1 < filled {
            members.insert(Principal::Group(u32::try_from(number + 1).unwrap_or(0)));
        }
        directory.groups[number].members = members.into_iter().map(|member| (member, 0)).collect();
    }
}

fn joiners(users: usize) -> Vec<u32> {
    (0..users)
        .filter(|place| !is_loner(*place))
        .filter_map(|place| u32::try_from(place).ok())
        .collect()
}

fn is_loner(place: usize) -> bool {
    place % LONER_EVERY == LONER_EVERY - 1
}

fn sample(from: &[u32], count: usize, rng: &mut fastrand::Rng) -> BTreeSet<Principal> {
    if count * 2 > from.len() {
        let mut shuffled = from.to_vec();
        rng.shuffle(&mut shuffled);
        shuffled.truncate(count);
        return shuffled.into_iter().map(Principal::User).collect();
    }
    let mut chosen = BTreeSet::new();
    while chosen.len() < count {
        chosen.insert(Principal::User(from[rng.usize(..from.len())]));
    }
    chosen
}

fn assign(directory: &mut Directory, size: &Size, rng: &mut fastrand::Rng) {
    let mut grouped = BTreeSet::new();
    for place in 0..directory.groups.len() {
        let members = directory.groups[place].members.keys().copied();
        grouped.extend(members);
        if place * 100 < directory.groups.len() * size.assigned_groups_percent {
            let role = if place % 9 == 4 {
                ROLE_AUDITOR
            } else {
                ROLE_USER
            };
            assign_one(directory, Principal::Group(id32(place)), role);
        }
    }
    let alone: Vec<u32> = (0..directory.users.len())
        .map(id32)
        .filter(|place| !grouped.contains(&Principal::User(*place)))
        .collect();
    let assigned = alone.len().saturating_sub(size.unassigned_users);
    for (number, place) in alone[..assigned].iter().enumerate() {
        let user = Principal::User(*place);
        let role = match number % 20 {
            3 => ROLE_DEFAULT_ACCESS,
            8 => ROLE_MSIAM_ACCESS,
            _ => ROLE_USER,
        };
        assign_one(directory, user, role);
        if number % 15 == 6 {
            assign_one(directory, user, ROLE_AUDITOR);
        }
    }
    for name in ["ci-automation", "nightly-report"] {
        let id = random_id(rng);
        directory.application.assign(
            id,
            PrincipalType::ServicePrincipal,
            name.to_owned(),
            ROLE_DEFAULT_ACCESS,
        );
    }
}

/// Records an assignment under the name the principal has now; later renames leave it stale.
pub(super) fn assign_one(directory: &mut Directory, principal: Principal, role: Uuid) -> String {
    let kind = match principal {
        Principal::User(_) => PrincipalType::User,
        Principal::Group(_) => PrincipalType::Group,
    };
    let id = directory.object(principal).id;
    let name = directory.text(principal, "displayName").unwrap_or_default();
    directory.application.assign(id, kind, name, role)
}

fn id32(place: usize) -> u32 {
    u32::try_from(place).expect("a directory has fewer than four billion objects")
}
