//! The rules of users or of groups: what may be done with them, and which of them.

use std::time::Duration;

use super::filter::resolve_filter;
use super::length;
use crate::config::choice::choose;
use crate::config::file;
use crate::config::mapping::{self, Base};
use crate::config::problem::Log;
use crate::engine::filter::Filter;
use crate::engine::job::{Actions, Exception, Rules, WhenOutOfScope};
use crate::engine::mapping::Mappings;
use crate::engine::model::ObjectKind;

pub(super) fn resolve_rules(
    kind: ObjectKind,
    own: &file::Rules,
    base: &Base<'_>,
    log: &mut Log,
) -> Rules {
    let preset = base.preset;
    let enabled = own.enabled.as_ref().or(preset.enabled.as_ref());
    let enabled = enabled.is_none_or(|enabled| enabled.value);
    let when = own
        .when_out_of_scope
        .as_ref()
        .or(preset.when_out_of_scope.as_ref());
    let words: &[_] = match kind {
        ObjectKind::User => &[
            ("disable", WhenOutOfScope::Disable),
            ("delete", WhenOutOfScope::Delete),
            ("keep", WhenOutOfScope::Keep),
        ],
        ObjectKind::Group => &[
            ("disable", WhenOutOfScope::Disable),
            ("delete", WhenOutOfScope::Delete),
            ("empty", WhenOutOfScope::Empty),
            ("keep", WhenOutOfScope::Keep),
        ],
    };
    let when_out_of_scope = when
        .and_then(|when| choose(when, words, log))
        .unwrap_or(WhenOutOfScope::Disable);
    let actions = resolve_actions(own, preset, log);
    if let Some(when) = when.filter(|_| enabled)
        && when_out_of_scope == WhenOutOfScope::Delete
        && !actions.delete
    {
        log.problem(when.place.problem(
            "when_out_of_scope is \"delete\", but actions does not contain \"delete\"",
            "add \"delete\" to actions, or write when_out_of_scope = \"disable\" or \"keep\"",
        ));
    }
    let exceptions = exceptions(own, actions, enabled, log);
    let delete_after = delete_after(own, (when_out_of_scope, actions), enabled, log);
    let filters = own.filters.as_ref().or(preset.filters.as_ref());
    let groups = filters.into_iter().flatten();
    let groups = groups
        .map(|group| resolve_filter(kind, group, log))
        .collect();
    let mappings = mapping::resolve(kind, own, base, enabled, log);
    Rules {
        enabled,
        actions,
        when_out_of_scope,
        exceptions,
        create_blocked: own.create_blocked.as_ref().is_some_and(|is| is.value),
        delete_after,
        filter: Filter { groups },
        mappings: Mappings::new(kind, mappings),
    }
}

fn exceptions(own: &file::Rules, actions: Actions, enabled: bool, log: &mut Log) -> Vec<Exception> {
    let words = [
        ("delete", WhenOutOfScope::Delete),
        ("empty", WhenOutOfScope::Empty),
        ("keep", WhenOutOfScope::Keep),
    ];
    let mut exceptions: Vec<Exception> = Vec::new();
    for typed in &own.exceptions {
        let (Some(group), Some(when)) = (&typed.group, &typed.when_out_of_scope) else {
            continue;
        };
        let Some(when_out_of_scope) = choose(when, &words, log) else {
            continue;
        };
        if enabled && when_out_of_scope == WhenOutOfScope::Delete && !actions.delete {
            log.problem(when.place.problem(
                "when_out_of_scope is \"delete\", but actions does not contain \"delete\"",
                "add \"delete\" to actions, or write when_out_of_scope = \"empty\" or \"keep\"",
            ));
        }
        let name = group.value.trim();
        let is_known = |known: &Exception| known.group.to_lowercase() == name.to_lowercase();
        if exceptions.iter().any(is_known) {
            log.problem(
                group
                    .place
                    .problem(format!("{name:?} has two exceptions"), "keep one of them"),
            );
            continue;
        }
        exceptions.push(Exception {
            group: name.to_owned(),
            when_out_of_scope,
        });
    }
    exceptions
}

/// The length of the wait, unless nothing would ever be deleted after it.
fn delete_after(
    own: &file::Rules,
    (when, actions): (WhenOutOfScope, Actions),
    enabled: bool,
    log: &mut Log,
) -> Option<Duration> {
    let typed = own.delete_after.as_ref()?;
    let after = length(typed, log)?;
    let words = match when {
        WhenOutOfScope::Disable if !actions.delete => (
            "delete_after is set, but actions does not contain \"delete\"",
            "add \"delete\" to actions, or remove delete_after",
        ),
        WhenOutOfScope::Disable => return Some(after),
        WhenOutOfScope::Delete => (
            "it has no effect with when_out_of_scope = \"delete\", which deletes immediately",
            "write when_out_of_scope = \"disable\", or remove delete_after",
        ),
        WhenOutOfScope::Keep | WhenOutOfScope::Empty => (
            "it has no effect with when_out_of_scope = \"keep\"",
            "write when_out_of_scope = \"disable\", or remove delete_after",
        ),
    };
    if enabled {
        log.problem(typed.place.problem(words.0, words.1));
    }
    None
}

fn resolve_actions(own: &file::Rules, preset: &file::Rules, log: &mut Log) -> Actions {
    #[derive(Clone, Copy)]
    enum Action {
        Create,
        Update,
        Delete,
    }
    let words = [
        ("create", Action::Create),
        ("update", Action::Update),
        ("delete", Action::Delete),
    ];
    let Some(list) = own.actions.as_ref().or(preset.actions.as_ref()) else {
        return Actions {
            create: true,
            update: true,
            delete: true,
        };
    };
    if list.is_empty() {
        log.problem(own.place.name("actions").problem(
            "no action is allowed",
            "add create, update or delete; or write enabled = false",
        ));
    }
    let mut actions = Actions {
        create: false,
        update: false,
        delete: false,
    };
    for word in list {
        match choose(word, &words, log) {
            Some(Action::Create) => actions.create = true,
            Some(Action::Update) => actions.update = true,
            Some(Action::Delete) => actions.delete = true,
            None => {}
        }
    }
    actions
}
