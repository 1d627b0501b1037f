//! Who is in scope, and which groups are provisioned as objects.

use crate::config::choice::choose;
use crate::config::file;
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::engine::job::{GroupObjects, Scope, ScopeMode};

pub(super) fn resolve_scope(own: &file::Scope, preset: &file::Scope, log: &mut Log) -> Scope {
    #[derive(Clone, Copy, PartialEq)]
    enum Mode {
        Assigned,
        All,
        Groups,
        Units,
    }
    let words = [
        ("assigned", Mode::Assigned),
        ("all", Mode::All),
        ("groups", Mode::Groups),
        ("administrative_unit", Mode::Units),
    ];
    let mode = own.mode.as_ref().or(preset.mode.as_ref());
    let mode = mode.and_then(|mode| choose(mode, &words, log));
    // A mode that cannot be read contradicts nothing.
    let is_known = mode.is_some() || own.mode.is_none();
    let mode = mode.unwrap_or(Mode::Assigned);
    let names = |list: &Option<Vec<Typed<String>>>, log: &mut Log| {
        names(list.as_deref().unwrap_or_default(), log)
    };
    let groups = names(&own.groups, log);
    let units = names(&own.administrative_units, log);
    for (is_mode, word, key, list, typed) in [
        (
            mode == Mode::Groups,
            "groups",
            "groups",
            &groups,
            &own.groups,
        ),
        (
            mode == Mode::Units,
            "administrative_unit",
            "administrative_units",
            &units,
            &own.administrative_units,
        ),
    ] {
        if is_known && is_mode && list.is_empty() {
            log.problem(own.place.name(key).problem(
                format!("mode = \"{word}\" requires names or ids"),
                format!("add {key} = [\"id or display name\"]"),
            ));
        }
        if is_known && !is_mode && typed.is_some() {
            let what = key.replace('_', " ");
            log.problem(own.place.name(key).key_problem(
                format!("{what} are listed, but the mode is not \"{word}\""),
                format!("write mode = \"{word}\", or remove {key}"),
            ));
        }
    }
    let nested = own.nested_groups.as_ref().or(preset.nested_groups.as_ref());
    let nested_groups = nested.is_some_and(|nested| nested.value);
    if let Some(nested) = own.nested_groups.as_ref().filter(|nested| nested.value)
        && is_known
        && mode == Mode::All
    {
        log.warning(nested.place.key_problem(
            "every user is in scope already, so nested_groups has no effect",
            "remove nested_groups",
        ));
    }
    let default_access = own.exclude_default_access.as_ref();
    if let Some(typed) = default_access.filter(|typed| typed.value)
        && is_known
        && mode != Mode::Assigned
    {
        log.problem(typed.place.key_problem(
            "the Default Access role comes from assignments, which this mode does not read",
            "write mode = \"assigned\", or remove exclude_default_access",
        ));
    }
    let default_access = default_access.or(preset.exclude_default_access.as_ref());
    Scope {
        nested_groups,
        exclude: names(&own.exclude, log),
        group_objects: GroupObjects::InScope,
        exclude_default_access: mode == Mode::Assigned
            && default_access.is_some_and(|typed| typed.value),
        mode: match mode {
            Mode::Assigned => ScopeMode::Assigned,
            Mode::All => ScopeMode::All,
            Mode::Groups => ScopeMode::Groups(groups),
            Mode::Units => ScopeMode::AdministrativeUnits(units),
        },
    }
}

/// Ids and names as they were meant.
fn names(list: &[Typed<String>], log: &mut Log) -> Vec<String> {
    let mut names = Vec::new();
    for name in list {
        if name.value.trim().is_empty() {
            log.problem(
                name.place
                    .problem("empty", "remove it, or write an id or a name"),
            );
        }
        names.push(name.value.trim().to_owned());
    }
    names
}

pub(super) fn resolve_provision(own: &file::Rules, log: &mut Log) -> GroupObjects {
    match &own.provision {
        None => GroupObjects::InScope,
        Some(file::Provision::Word(word)) => {
            // The one word there is; any other is reported.
            choose(word, &[("in-scope", ())], log);
            GroupObjects::InScope
        }
        Some(file::Provision::Named(list)) => {
            if list.is_empty() {
                log.problem(own.place.name("provision").problem(
                    "the list of groups is empty",
                    "add groups by id or display name; or write enabled = false",
                ));
            }
            GroupObjects::Named(names(list, log))
        }
    }
}
