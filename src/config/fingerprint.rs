//! A digest of everything that the result of an evaluation depends on. It is made from words of our
//! own and not from `Debug`, so that a new version of the program alone does not change it.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::settings::Application;
use crate::engine::filter::{ClauseGroup, Filter};
use crate::engine::job::{Actions, Exception, GroupObjects, Job, Rules, Safety, Scope, ScopeMode};
use crate::engine::mapping::{Apply, Mapping, OnEmpty, Source};
use crate::engine::model::{TargetType, Value};

/// Goes up when the same words come to mean something else, so that everything is evaluated again.
/// 2: a pattern in a scoping filter matches the whole value, no longer anywhere in it.
const MEANING: u32 = 2;

/// Hexadecimal, and the same for the same meaning, in whatever order the mappings were typed.
pub(super) fn of(rules: &Job, application: &Application, base_url: &str) -> String {
    let Job {
        name: _, // A job may be renamed.
        users,
        groups,
        scope,
        one_group_each,
        nested_members,
        safety,
        limits: _, // Limits judge a plan; they do not make it.
    } = rules;
    // What is done about drift, and how many members stay, judge what was found.
    let Safety {
        never_disable,
        only_created,
        on_drift: _,
        min_members: _,
        deletes: _,
    } = safety;
    let mut text = format!("{MEANING}\n");
    if *only_created {
        let _ = writeln!(text, "only created");
    }
    if !never_disable.is_empty() {
        let _ = writeln!(text, "never disable {never_disable:?}");
    }
    let (how, who) = match application {
        Application::AppId(id) => ("app", id),
        Application::ServicePrincipalId(id) => ("principal", id),
        Application::DisplayName(name) => ("name", name),
    };
    let _ = writeln!(text, "application {how} {who:?}\ntarget {base_url:?}");
    write_scope(&mut text, scope);
    if *one_group_each {
        // Changes no action, but who asks for warnings is to have them of every user.
        let _ = writeln!(text, "one group each");
    }
    if !nested_members {
        let _ = writeln!(text, "no nested members");
    }
    for (kind, rules) in [("users", users), ("groups", groups)] {
        let _ = writeln!(text, "{kind}");
        write_rules(&mut text, rules);
    }
    hexadecimal_digest(&text)
}

pub(super) fn hexadecimal_digest(text: &str) -> String {
    let mut digest = String::new();
    for byte in Sha256::digest(text) {
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

fn write_scope(text: &mut String, scope: &Scope) {
    let Scope {
        mode,
        nested_groups,
        exclude,
        exclude_default_access,
        group_objects,
    } = scope;
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    let mode = match mode {
        ScopeMode::Assigned => "assigned".to_owned(),
        ScopeMode::All => "all".to_owned(),
        ScopeMode::AdministrativeUnits(units) => format!("units {:?}", sorted(units)),
        ScopeMode::Groups(groups) => format!("groups {:?}", sorted(groups)),
    };
    let exclude = sorted(exclude);
    let _ = writeln!(
        text,
        "scope {mode} nested {nested_groups} exclude {exclude:?} default {exclude_default_access}"
    );
    if let GroupObjects::Named(groups) = group_objects {
        let _ = writeln!(text, "provision {:?}", sorted(groups));
    }
}

fn write_rules(text: &mut String, rules: &Rules) {
    let Rules {
        enabled,
        actions,
        when_out_of_scope,
        exceptions,
        create_blocked,
        delete_after,
        filter,
        mappings,
    } = rules;
    let Actions {
        create,
        update,
        delete,
    } = actions;
    let when = when_out_of_scope.as_str();
    let _ = writeln!(
        text,
        "enabled {enabled} actions {create} {update} {delete} when {when}"
    );
    if let Some(after) = delete_after {
        let _ = writeln!(text, "delete after {}", after.as_secs());
    }
    if *create_blocked {
        let _ = writeln!(text, "create blocked");
    }
    let mut exceptions: Vec<&Exception> = exceptions.iter().collect();
    exceptions.sort_by_key(|one| &one.group);
    for Exception {
        group,
        when_out_of_scope,
    } in exceptions
    {
        let when = when_out_of_scope.as_str();
        let _ = writeln!(text, "exception {group:?} {when}");
    }
    let Filter { groups } = filter;
    for ClauseGroup { name: _, clauses } in groups {
        let _ = writeln!(text, "filter");
        for clause in clauses {
            let _ = writeln!(text, "clause {:?}", clause.to_string());
        }
    }
    let mut lines: Vec<_> = mappings.iter().map(mapping_line).collect();
    lines.sort();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
}

fn mapping_line(mapping: &Mapping) -> String {
    let Mapping {
        target,
        source,
        default,
        matching,
        apply,
        on_empty,
        target_type,
        multi_valued,
        case_exact,
        required,
        on_drift: _, // It judges what was found.
    } = mapping;
    let source = match source {
        Source::Attribute(name) => format!("attribute {name:?}"),
        Source::Constant(value) => format!("constant {}", value_text(value)),
        // The canonical printing: blanks between tokens mean nothing.
        Source::Expression(expression) => format!("expression {:?}", expression.to_string()),
        Source::None => "none".to_owned(),
    };
    let default = default.as_ref().map_or("-".to_owned(), value_text);
    let matching = matching.unwrap_or(0);
    let apply = match apply {
        Apply::Always => "always",
        Apply::OnCreate => "on-create",
    };
    let on_empty = match on_empty {
        OnEmpty::Clear => "clear",
        OnEmpty::Keep => "keep",
        OnEmpty::Default => "default",
        OnEmpty::Fail => "fail",
    };
    let target_type = match target_type {
        TargetType::String => "string",
        TargetType::Boolean => "boolean",
        TargetType::Integer => "integer",
        TargetType::DateTime => "datetime",
        TargetType::Reference => "reference",
        TargetType::Binary => "binary",
        TargetType::Complex => "complex",
    };
    format!(
        "mapping {:?} {source} default {default} match {matching} {apply} {on_empty} {target_type} \
         {multi_valued} {case_exact} {required}",
        target.to_string()
    )
}

pub(super) fn value_text(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Boolean(is) => is.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::List(values) => {
            let values: Vec<_> = values.iter().map(value_text).collect();
            format!("[{}]", values.join(","))
        }
        Value::Object(members) => {
            let members = members.iter();
            let members: Vec<_> = members
                .map(|(name, value)| format!("{name:?}:{}", value_text(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Reference(id) => format!("reference {:?}", id.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::filter::Clause;
    use crate::engine::job::{Limit, Limits, WhenOutOfScope};
    use crate::engine::mapping::Mappings;
    use crate::engine::model::{JobName, ObjectKind};

    #[test]
    fn a_state_from_before_patterns_matched_whole_values_is_evaluated_again() {
        let clause = Clause::new("mail", "REGEX MATCH", Some("a")).unwrap();
        let rules = Rules {
            enabled: true,
            actions: Actions {
                create: true,
                update: true,
                delete: false,
            },
            when_out_of_scope: WhenOutOfScope::Disable,
            exceptions: Vec::new(),
            create_blocked: false,
            delete_after: None,
            filter: Filter {
                groups: vec![ClauseGroup {
                    name: None,
                    clauses: vec![clause],
                }],
            },
            mappings: Mappings::new(ObjectKind::User, Vec::new()),
        };
        let job = Job {
            name: JobName::new("job"),
            users: rules.clone(),
            groups: rules,
            scope: Scope {
                mode: ScopeMode::All,
                nested_groups: false,
                exclude: Vec::new(),
                exclude_default_access: false,
                group_objects: GroupObjects::InScope,
            },
            one_group_each: false,
            nested_members: true,
            safety: Safety::default(),
            limits: Limits {
                max_deletions: Some(Limit::Count(1)),
                max_membership_removals: None,
                max_creations: None,
                min_active: None,
            },
        };
        let kind = "enabled true actions true true false when disable\nfilter\n\
                    clause \"mail REGEX MATCH \\\"a\\\"\"\n";
        let words = format!(
            "application app \"a\"\ntarget \"t\"\n\
             scope all nested false exclude [] default false\nusers\n{kind}groups\n{kind}"
        );
        let found = of(&job, &Application::AppId("a".to_owned()), "t");
        assert_eq!(found, hexadecimal_digest(&format!("2\n{words}")));
        assert_ne!(found, hexadecimal_digest(&format!("1\n{words}")));
    }
}
