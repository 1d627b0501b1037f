//! Sentences about names in a job's scope that do not mean exactly one object.

use std::collections::BTreeMap;

use super::sentence::clean;
use crate::engine::names::{Misnamed, Naming};

/// What is wrong with a name of the scope, and what follows from it.
pub(crate) fn misnamed(misnamed: &Misnamed) -> String {
    let Misnamed {
        list,
        name,
        found,
        nearest: _,
    } = misnamed;
    let start = format!("{} names \"{}\"", list.key(), clean(name));
    match (list, found.as_slice()) {
        (
            Naming::ScopeGroups
            | Naming::Provision
            | Naming::Filter(_)
            | Naming::MinMembers
            | Naming::Exceptions,
            [],
        ) => {
            format!("{start}, but no group has this id or display name")
        }
        (Naming::ScopeUnits, []) => {
            format!("{start}, but no administrative unit has this id or display name")
        }
        (Naming::ScopeUnits, several) => {
            let ids: Vec<_> = several.iter().map(ToString::to_string).collect();
            format!(
                "{start}, which is the name of several administrative units; all of them are used: {}",
                ids.join(", ")
            )
        }
        (Naming::Exclude, []) => format!(
            "{start}, but no user or group has this id or name, so nothing is excluded by it"
        ),
        (Naming::NeverDisable, []) => format!(
            "{start}, but no user or group has this id, address or name: the object that was meant is not \
             protected"
        ),
        (
            Naming::ScopeGroups
            | Naming::Provision
            | Naming::Exclude
            | Naming::Filter(_)
            | Naming::NeverDisable
            | Naming::MinMembers
            | Naming::Exceptions,
            several,
        ) => {
            let ids: Vec<_> = several.iter().map(ToString::to_string).collect();
            format!(
                "{start}, which is the name of several groups; all of them are used: {}",
                ids.join(", ")
            )
        }
    }
}

/// What to do about it.
pub(crate) fn misnamed_remedy(misnamed: &Misnamed) -> String {
    let Misnamed {
        list,
        name: _,
        found,
        nearest,
    } = misnamed;
    let meant: Vec<_> = nearest
        .iter()
        .map(|name| format!("\"{}\"", clean(name)))
        .collect();
    let meant = match meant.as_slice() {
        [] => String::new(),
        meant => format!("did you mean {}? ", meant.join(" or ")),
    };
    match (list, found.is_empty()) {
        (
            Naming::ScopeGroups
            | Naming::Provision
            | Naming::Filter(_)
            | Naming::MinMembers
            | Naming::Exceptions,
            true,
        ) => format!(
            "{meant}correct it, or remove it from the list; an id stays valid when a group is renamed"
        ),
        (Naming::ScopeUnits, true) => format!(
            "{meant}correct it, or remove it from the list; an id stays valid when a unit is renamed"
        ),
        (Naming::ScopeUnits, false) => "use the id of one unit".to_owned(),
        (Naming::Exclude | Naming::NeverDisable, true) => {
            format!("{meant}correct it, or remove it from the list")
        }
        (
            Naming::ScopeGroups
            | Naming::Provision
            | Naming::Exclude
            | Naming::Filter(_)
            | Naming::NeverDisable
            | Naming::MinMembers
            | Naming::Exceptions,
            false,
        ) => "use the id of one group".to_owned(),
    }
}

/// Why it is not certain who is in scope, for each list of which a name leaves it open.
pub(crate) fn doubts(names: &[Misnamed]) -> BTreeMap<Naming, String> {
    let mut doubts: BTreeMap<Naming, Vec<String>> = BTreeMap::new();
    for one in names.iter().filter(|one| one.casts_doubt_on_removals()) {
        let told = format!("{} ({})", misnamed(one), misnamed_remedy(one));
        doubts.entry(one.list).or_default().push(told);
    }
    let doubts = doubts.into_iter();
    doubts.map(|(list, told)| (list, told.join("; "))).collect()
}

/// Whether the reason why removals wait does not name it already.
pub(crate) fn is_news(misnamed: &Misnamed) -> bool {
    !misnamed.casts_doubt_on_removals()
}
