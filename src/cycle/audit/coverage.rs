//! The objects in scope against the target's list: how many of them each pair of attributes finds, and which
//! of them an account of no user nearly matches.

use std::collections::{BTreeMap, BTreeSet};

use super::super::facts::Facts;
use super::super::index::Index;
use super::super::lookup::named;
use super::super::{Context, Error};
use crate::engine::audit::{Coverage, Likeness, NearMiss, alias};
use crate::engine::mapping::{Input, Source};
use crate::engine::model::{
    Key, ObjectKind, Presence, SourceObject, TargetObject, TargetPath, Value,
};
use crate::engine::plan::Subject;
use crate::engine::scope::{self, Verdict};

/// Objects taken from the state at once.
const CHUNK: usize = 500;

/// Paths by which accounts are commonly matched.
const PATHS: [(ObjectKind, &str); 5] = [
    (ObjectKind::User, "userName"),
    (ObjectKind::User, "externalId"),
    (ObjectKind::User, "emails[type eq \"work\"].value"),
    (ObjectKind::Group, "displayName"),
    (ObjectKind::Group, "externalId"),
];

/// Attributes by which users and groups are commonly matched; those that no mapping reads have no value.
const USER: [&str; 8] = [
    "userPrincipalName",
    "originalUserPrincipalName",
    "mail",
    "mailNickname",
    "employeeId",
    "onPremisesSamAccountName",
    "onPremisesUserPrincipalName",
    "objectId",
];
const GROUP: [&str; 3] = ["displayName", "mailNickname", "objectId"];

/// The paths at which values are counted: those that the job matches by, and the common ones.
pub(super) fn candidate_paths(context: &Context<'_>, kind: ObjectKind) -> Vec<TargetPath> {
    let common = PATHS.into_iter().filter(|(one, _)| *one == kind);
    let mut paths: BTreeSet<TargetPath> = common
        .map(|(_, path)| TargetPath::parse(path).expect("a path of RFC 7643"))
        .collect();
    let mappings = context.job.rules.rules(kind).mappings.iter();
    let matching = mappings.filter(|mapping| mapping.matching.is_some());
    paths.extend(matching.map(|mapping| mapping.target.clone()));
    paths.into_iter().collect()
}

/// The objects in scope, counted and known by their names.
pub(super) struct InScope {
    keys: BTreeSet<Key>,
    pairs: Vec<Coverage>,
    addresses: BTreeMap<String, Key>,
    aliases: BTreeMap<String, Key>,
    display_names: BTreeMap<String, Key>,
    subjects: BTreeMap<Key, (Subject, bool)>,
}

impl InScope {
    pub(super) async fn read(
        context: &Context<'_>,
        kind: ObjectKind,
        list: &Index<'_>,
    ) -> Result<Self, Error> {
        let mut in_scope = Self {
            keys: BTreeSet::new(),
            pairs: pairs(context, kind, list),
            addresses: BTreeMap::new(),
            aliases: BTreeMap::new(),
            display_names: BTreeMap::new(),
            subjects: BTreeMap::new(),
        };
        let mut facts = Facts::new(context);
        let doubts = BTreeMap::new();
        let job = context.job.rules.name.clone();
        let keys = context
            .state(move |store| store.candidates(&job, kind))
            .await?;
        for keys in keys.chunks(CHUNK) {
            let (job, keys) = (context.job.rules.name.clone(), keys.to_vec());
            let loaded = context.state(move |store| store.load(&job, &keys)).await?;
            for loaded in loaded {
                let candidate = facts.candidate(loaded).await?;
                let verdict = scope::verdict(
                    &context.job.rules,
                    &candidate.object,
                    &candidate.grants,
                    candidate.without_effect.as_ref(),
                    &candidate.groups,
                    &doubts,
                );
                if candidate.object.presence == Presence::Present && verdict == Verdict::In {
                    in_scope.add(&candidate.object, candidate.link.is_some(), list)?;
                }
            }
        }
        Ok(in_scope)
    }

    fn add(
        &mut self,
        object: &SourceObject,
        is_linked: bool,
        list: &Index<'_>,
    ) -> Result<(), Error> {
        self.keys.insert(object.key);
        let input = Input::new(object, &[], false);
        for pair in &mut self.pairs {
            pair.of += 1;
            let value = input.value(&pair.attribute);
            let count = value.map_or(Ok(0), |value| list.count(&pair.path, value))?;
            match count {
                0 => {}
                1 => pair.one += 1,
                _ => pair.several += 1,
            }
        }
        let subject = (Subject::of(object), is_linked);
        self.subjects.insert(object.key, subject);
        let text = |name: &str| match input.value(name) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text.to_string()),
            _ => None,
        };
        // One that is not linked yet is the better guess.
        let mut put = |names: fn(&mut Self) -> &mut BTreeMap<String, Key>, name: String| {
            let names = names(self);
            if !is_linked || !names.contains_key(&name) {
                names.insert(name, object.key);
            }
        };
        for name in ["userPrincipalName", "originalUserPrincipalName", "mail"] {
            if let Some(address) = text(name) {
                put(|all| &mut all.aliases, alias(&address));
                put(|all| &mut all.addresses, address.to_lowercase());
            }
        }
        if let Some(name) = text("displayName") {
            put(|all| &mut all.display_names, alias(&name));
        }
        Ok(())
    }

    pub(super) fn count(&self) -> u64 {
        self.keys.len() as u64
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        self.keys.contains(&key)
    }

    /// The pairs that find anything, and those that the job uses; the best first for each path.
    pub(super) fn into_coverage(self) -> Vec<Coverage> {
        let pairs = self.pairs.into_iter();
        let mut pairs: Vec<Coverage> = pairs
            .filter(|pair| pair.is_used || pair.one + pair.several > 0)
            .collect();
        pairs.sort_by(|one, other| {
            let share = |pair: &Coverage| (pair.path.clone(), u64::MAX - pair.one);
            share(one).cmp(&share(other))
        });
        pairs
    }

    /// The object in scope that an account without a user resembles most.
    pub(super) fn nearest(&self, object: &TargetObject) -> Option<NearMiss> {
        let text = |path: &TargetPath| match object.attributes.get(path) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text.to_string()),
            _ => None,
        };
        let user_name = text(&named("userName"));
        let work = TargetPath::parse("emails[type eq \"work\"].value").ok();
        let addresses: Vec<String> = user_name
            .into_iter()
            .chain(work.as_ref().and_then(text))
            .collect();
        let found = |by: Likeness| match by {
            Likeness::Address => addresses
                .iter()
                .find_map(|address| self.addresses.get(&address.to_lowercase())),
            Likeness::Alias => addresses
                .iter()
                .find_map(|address| self.aliases.get(&alias(address))),
            Likeness::DisplayName => {
                text(&named("displayName")).and_then(|name| self.display_names.get(&alias(&name)))
            }
        };
        let likenesses = [Likeness::Address, Likeness::Alias, Likeness::DisplayName];
        likenesses.into_iter().find_map(|by| {
            let (subject, is_linked) = self.subjects.get(found(by)?)?.clone();
            Some(NearMiss {
                subject,
                is_linked,
                by,
            })
        })
    }
}

/// Each path that the target shows, with each attribute that may find objects there.
fn pairs(context: &Context<'_>, kind: ObjectKind, list: &Index<'_>) -> Vec<Coverage> {
    let mappings = &context.job.rules.rules(kind).mappings;
    let shown = list.shown();
    let common: &[&str] = match kind {
        ObjectKind::User => &USER,
        ObjectKind::Group => &GROUP,
    };
    let mut pairs = Vec::new();
    for path in candidate_paths(context, kind) {
        let mut own = mappings.iter().filter(|mapping| mapping.target == path);
        let used = own.find(|mapping| mapping.matching.is_some());
        let used = used.and_then(|mapping| match &mapping.source {
            Source::Attribute(name) => Some(name.clone()),
            Source::Constant(_) | Source::Expression(_) | Source::None => None,
        });
        if !shown.contains(&path) && used.is_none() {
            continue;
        }
        let others = common.iter().map(|name| (*name).to_owned());
        let names: BTreeSet<String> = others.chain(used.clone()).collect();
        pairs.extend(names.into_iter().map(|attribute| Coverage {
            path: path.clone(),
            is_used: used.as_ref() == Some(&attribute),
            attribute,
            one: 0,
            several: 0,
            of: 0,
        }));
    }
    pairs
}
