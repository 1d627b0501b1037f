//! Why an object is in scope, removed or skipped.

use super::{clean, key, name, number, quoted, verb_word};
use crate::engine::filter::ClauseFailure;
use crate::engine::mapping::AttributeError;
use crate::engine::model::{Key, ObjectKind, TargetId, Via};
use crate::engine::plan::{
    Referenced, RemovalClass, Skipped, Why, WhyLeft, WhyMember, WhyOut, WhyRemoved,
};
use crate::engine::record::Reason;
use crate::engine::redact::{REDACTED, Shown};
use crate::report::view::Names;

/// What follows "because".
pub(crate) fn why_removed(why: &WhyRemoved, kind: ObjectKind) -> String {
    match why {
        WhyRemoved::OutOfScope(out) => why_out(out, kind),
        WhyRemoved::Blocked => "sign-in is blocked".to_owned(),
        WhyRemoved::Mapping => "the mapping of active requires it".to_owned(),
        WhyRemoved::SoftDeleted => "it is in the tenant's recycle bin".to_owned(),
        WhyRemoved::Deleted => "it was deleted in the tenant".to_owned(),
        WhyRemoved::Missing => "it is no longer in the tenant".to_owned(),
    }
}

/// Why one member leaves a group that stays.
pub(crate) fn why_member(why: WhyMember) -> &'static str {
    match why {
        WhyMember::NotMember => "no longer a member in Entra",
        WhyMember::OutOfScope => "still a member in Entra, but no longer in scope",
        WhyMember::HandedOver => "its account is handed over to another user",
    }
}

/// The same of several, after "because".
fn why_members(why: WhyMember) -> &'static str {
    match why {
        WhyMember::NotMember => "they are no longer members of the group in Entra",
        WhyMember::OutOfScope => "they are still members in Entra, but no longer in scope",
        WhyMember::HandedOver => "the account is handed over to another user",
    }
}

/// They left for more than one reason.
const EACH: &str = "they left for different reasons";

/// Why these members leave a group of this kind; `None` where that is not on record.
pub(crate) fn why_left(why: &WhyLeft, members: &[Referenced], kind: ObjectKind) -> Option<String> {
    if let Some(why) = why.of_group() {
        return Some(why_removed(why, kind));
    }
    let reasons = why.reasons(members);
    let first = reasons.first()?;
    let words = if reasons.len() > 1 {
        EACH
    } else {
        why_members(*first)
    };
    Some(words.to_owned())
}

/// What follows "because" in the log.
pub(crate) fn reason(reason: &Reason, kind: ObjectKind, names: Names<'_>) -> String {
    match reason {
        Reason::Removed(removed) => why_removed(removed, kind),
        Reason::Left(left) => why_members(*left).to_owned(),
        Reason::LeftEach => EACH.to_owned(),
        Reason::Member => "it is a member of the group in Entra".to_owned(),
        Reason::Skipped(skipped) => why(skipped, kind, names),
    }
}

pub(crate) fn why_out(why: &WhyOut, kind: ObjectKind) -> String {
    match why {
        WhyOut::NotAssigned => {
            "it is not assigned, neither directly nor through a group".to_owned()
        }
        WhyOut::NotInUnit => {
            "it is in none of the administrative units of scope.administrative_units".to_owned()
        }
        WhyOut::NotSecurityEnabled => match kind {
            ObjectKind::User => {
                "the assigned groups that it is in are not security-enabled".to_owned()
            }
            ObjectKind::Group => "it is assigned but not security-enabled".to_owned(),
        },
        WhyOut::SecurityNotRead => match kind {
            ObjectKind::User => {
                "whether the assigned groups that it is in are security-enabled was not read"
                    .to_owned()
            }
            ObjectKind::Group => {
                "it is assigned, but whether it is security-enabled was not read".to_owned()
            }
        },
        WhyOut::NotNamed => "it is not named in groups.provision".to_owned(),
        WhyOut::DefaultAccessOnly => "it holds no role but Default Access".to_owned(),
        WhyOut::Excluded => "it is named in scope.exclude".to_owned(),
        WhyOut::Filter(failures) => {
            let failures: Vec<_> = failures.iter().map(clause_failure).collect();
            failures.join("; ")
        }
        WhyOut::KindDisabled => format!("the job does not provision {kind}s"),
    }
}

/// What brings an object into scope; names are as the source has them.
pub(crate) fn via(via: &Via) -> String {
    match via {
        Via::Direct => "assigned directly".to_owned(),
        Via::Named => "named in the configuration".to_owned(),
        Via::Everyone => "everyone is in scope".to_owned(),
        Via::Groups(path) => path.join(" > "),
        Via::Unit(name) => format!("in the administrative unit {name}"),
    }
}

/// A sentence for one filter, because each could have let the object pass.
fn clause_failure(failure: &ClauseFailure) -> String {
    let ClauseFailure {
        number,
        name,
        attribute: _,
        clause,
        value,
    } = failure;
    let filter = match name {
        Some(name) => format!("the scoping filter \"{}\"", clean(name)),
        None => format!("scoping filter {number}"),
    };
    let found = match value {
        Some(value) if value == REDACTED => format!("the value is {REDACTED}"),
        Some(value) => format!("the value is {}", quoted(value)),
        None => "it has no value".to_owned(),
    };
    format!("it does not pass {filter}: {}, but {found}", clean(clause))
}

/// Why nothing is planned for an object, for the state's record and where two plans are compared.
pub(crate) fn not_planned(skipped: &Shown<'_, Skipped>, names: Names<'_>) -> String {
    let Skipped {
        subject,
        why: reason,
    } = &**skipped;
    why(reason, subject.kind, names)
}

/// A person who may have the same name as the one whom the sentence is about.
fn holder(key: Key, names: Names<'_>) -> String {
    let (id, label) = names.referenced(key);
    if id == label || id.is_empty() {
        name(&label)
    } else {
        format!("{} ({})", name(&label), clean(&id))
    }
}

/// What links an account to the user whose it is.
fn relink(kind: ObjectKind, target: &TargetId) -> String {
    match kind {
        ObjectKind::User => format!(
            "; if it is the account of this user, run: entrain links relink JOB USER {}",
            clean(target.as_str())
        ),
        ObjectKind::Group => String::new(),
    }
}

/// Why an object is skipped: a plain sentence without a full stop.
pub(crate) fn why(why: &Why, kind: ObjectKind, names: Names<'_>) -> String {
    match why {
        Why::OutOfScope(out) => why_out(out, kind),
        Why::BlockedNotCreated => {
            "sign-in is blocked and it does not exist in the target, so it is not created".to_owned()
        }
        Why::NoMatchingValue => {
            "every matching attribute is empty in the source, so it cannot be looked up in the target"
                .to_owned()
        }
        Why::NoMember => {
            "the target does not accept groups without members (group_create), and none of its members is \
             there yet"
                .to_owned()
        }
        Why::IgnoredByMapping => {
            "an expression skips it (IgnoreObjectFlow)".to_owned()
        }
        Why::Ambiguous { key: wanted, targets } => {
            let ids: Vec<_> = targets.iter().map(|id| clean(id.as_str())).collect();
            format!(
                "{} objects in the target have {}: ids {}; only one may",
                number(targets.len() as u64),
                key(wanted, names),
                ids.join(", ")
            )
        }
        Why::OldAddress { key: wanted, target } => {
            let id = clean(target.as_str());
            format!(
                "an account in the target has an old address of this user ({}, id {id}), so it is not created; if \
                 it is the same person: entrain links relink JOB USER {id}; if not: entrain links relink JOB \
                 USER --new",
                key(wanted, names),
            )
        }
        Why::Taken { key: wanted, target, by } => format!(
            "the target object that has {} (id {}) is linked to {} already{}",
            key(wanted, names),
            clean(target.as_str()),
            holder(*by, names),
            relink(kind, target)
        ),
        Why::DuplicateSource { key: wanted, other } => format!(
            "{} has {} too, but it must be unique in the target: change one of them, or match by \
             another attribute",
            holder(*other, names),
            key(wanted, names)
        ),
        Why::NameKept { by } => format!(
            "its name in the target still belongs to {}, whose removal is held or postponed (entrain status)",
            clean(&names.label(*by))
        ),
        Why::MappingFailed(errors) => {
            let errors: Vec<_> = errors
                .iter()
                .map(|AttributeError { target, message }| format!("{target}: {}", clean(message)))
                .collect();
            format!("its mapping failed: {}", errors.join("; "))
        }
        Why::NotAllowed(verb) => format!("the job's actions do not allow to {}", verb_word(*verb)),
        Why::NeverDisabled => {
            "it would lose its access, but keeps it because of safety.never_disable".to_owned()
        }
        Why::NotCreatedHere => {
            "it would be removed, but it was in the target before, and safety.only_created keeps such objects"
                .to_owned()
        }
        Why::Kept(removed) => format!(
            "it would be removed, because {}, but when_out_of_scope is \"keep\"",
            why_removed(removed, kind)
        ),
        Why::CannotDisable(removed) => format!(
            "it should be disabled, because {}, but no mapping writes that to the target: map \
             IsSoftDeleted to active, or set when_out_of_scope = \"delete\"",
            why_removed(removed, kind)
        ),
        Why::IncompleteRead(removed) => format!(
            "it would be removed, because {}, but the scope is not certain",
            why_removed(removed, kind)
        ),
        Why::FirstCycle(class) => format!(
            "{}, but only after one cycle of the job has completed",
            match class {
                RemovalClass::Membership => "members would be removed from it",
                RemovalClass::Certain | RemovalClass::User | RemovalClass::Group =>
                    "it would be removed",
            }
        ),
        Why::DeletesWait => {
            "it will be deleted when deletes are sent again (safety.deletes)".to_owned()
        }
        Why::EnabledSince => {
            "it was disabled and would be deleted now (delete_after), but it was enabled in the target \
             since then, so it is not deleted"
                .to_owned()
        }
        Why::LookupFailed(words) => format!("the look-up in the target failed: {}", clean(words)),
    }
}
