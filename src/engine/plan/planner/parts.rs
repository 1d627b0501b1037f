//! Small questions of the planner about one object: what it must not send, what it looks at and does not
//! keep, and how it is distinguished from others.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Candidate;
use crate::engine::mapping::Mappings;
use crate::engine::model::{MatchKey, ObjectKind, TargetPath, Value};
use crate::engine::plan::{Change, WhyOut, unit};

/// The changes that the target refused before, and the others.
pub(super) fn withheld_apart(
    candidate: &Candidate,
    changes: Vec<Change>,
) -> (Vec<Change>, Vec<Change>) {
    let withheld = &candidate.withheld;
    changes
        .into_iter()
        .partition(|change| withheld.contains(&unit(change)) || withheld.contains(&change.path))
}

/// Takes out the attributes of which mappings write single elements: they are looked at, and not kept.
pub(in crate::engine::plan) fn whole_lists(
    mappings: &Mappings,
    current: &mut BTreeMap<TargetPath, Value>,
) -> BTreeMap<String, Value> {
    let mut lists = BTreeMap::new();
    for path in mappings.iter().filter_map(|mapping| mapping.target.list()) {
        if mappings.iter().all(|mapping| mapping.target != path)
            && let Some(list) = current.remove(&path)
        {
            lists.insert(path.attribute().to_owned(), list);
        }
    }
    lists
}

/// Whether such objects are the rest of the tenant, which only buries what matters. Of groups that are
/// not security-enabled the group itself is shown, and not each of its members.
pub(super) fn is_stranger(kind: ObjectKind, why: &WhyOut) -> bool {
    match why {
        WhyOut::NotAssigned | WhyOut::NotInUnit => true,
        WhyOut::NotSecurityEnabled | WhyOut::SecurityNotRead => kind == ObjectKind::User,
        WhyOut::NotNamed
        | WhyOut::DefaultAccessOnly
        | WhyOut::Excluded
        | WhyOut::Filter(_)
        | WhyOut::KindDisabled => false,
    }
}

/// Distinguishes the matching values of a million creates in sixteen bytes each; case does not count.
pub(super) fn fingerprint(kind: ObjectKind, key: &MatchKey) -> u128 {
    let text = match &key.value {
        Value::Text(text) => text.to_lowercase(),
        other => format!("{other:?}"),
    };
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, kind, &key.path, &text).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
