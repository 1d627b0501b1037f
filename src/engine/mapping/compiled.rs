//! A job's mappings of one kind of object, with everything worked out once that depends on no object:
//! where each value comes from, the form of values at each path, and the order of the paths.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use super::form::Form;
use super::{Mapping, Source};
use crate::engine::model::schema;
use crate::engine::model::source::{self, IS_SOFT_DELETED, ORIGINAL_USER_PRINCIPAL_NAME};
use crate::engine::model::{Attributes, ObjectKind, TargetPath, Value};

/// Mappings in the order of the preset, one per target path.
#[derive(Clone, Debug)]
pub(crate) struct Mappings {
    kind: ObjectKind,
    list: Vec<Mapping>,
    /// What was worked out of each mapping, in the order of the target paths.
    rules: Vec<Rule>,
    /// The names of the properties that [`Read::Property`] reads, in order.
    properties: Vec<String>,
    fold_case: Arc<BTreeSet<TargetPath>>,
}

/// What depends on a mapping and on no object.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// The mapping's place in the list.
    pub(super) place: usize,
    pub(super) read: Read,
    pub(super) form: Form,
    /// The default in the form that is sent.
    pub(super) default: Option<Value>,
    pub(super) selects_unique: bool,
    pub(super) only_adds: bool,
    /// The mapping carries the state "can no longer use the application".
    pub(super) reads_soft_deleted: bool,
}

/// Where the value of a mapping comes from.
#[derive(Clone, Debug)]
pub(super) enum Read {
    SoftDeleted,
    Id,
    PrincipalName {
        property: usize,
    },
    /// A property as it is, or one element of it.
    Property {
        property: usize,
        element: Option<usize>,
    },
    /// A name that reaches inside of a property.
    Inside(String),
    /// The mapping's constant or expression, or nothing.
    Source,
}

impl Mappings {
    pub(crate) fn new(kind: ObjectKind, list: Vec<Mapping>) -> Self {
        let mut mappings = Self {
            kind,
            list,
            rules: Vec::new(),
            properties: Vec::new(),
            fold_case: Arc::default(),
        };
        mappings.compile();
        mappings
    }

    fn compile(&mut self) {
        let list = &self.list;
        let names = list.iter().filter_map(|mapping| match &mapping.source {
            Source::Attribute(name) => property_of(name).map(|(name, _)| name),
            Source::Constant(_) | Source::Expression(_) | Source::None => None,
        });
        let names: BTreeSet<String> = names.collect();
        self.properties = names.into_iter().collect();
        let mut order: Vec<usize> = (0..list.len()).collect();
        order.sort_by(|&one, &other| list[one].target.cmp(&list[other].target));
        let rules = order.into_iter();
        self.rules = rules
            .map(|place| Rule::of(self.kind, &self.properties, place, &list[place]))
            .collect();
        let fold_case = list.iter().filter(|mapping| !mapping.case_exact);
        self.fold_case = Arc::new(fold_case.map(|mapping| mapping.target.clone()).collect());
    }

    /// Drops mappings.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Mapping) -> bool) {
        self.list.retain(keep);
        self.compile();
    }

    /// Changes the mappings of a test's job.
    #[cfg(test)]
    pub(crate) fn change<T>(&mut self, change: impl FnOnce(&mut Vec<Mapping>) -> T) -> T {
        let changed = change(&mut self.list);
        self.compile();
        changed
    }

    /// Whether a mapping chooses a value that no object of the target has.
    pub(crate) fn select_unique(&self) -> bool {
        self.rules.iter().any(|rule| rule.selects_unique)
    }

    /// Whether a mapping carries the state "can no longer use the application" to the target.
    pub(crate) fn carry_state(&self) -> bool {
        self.rules.iter().any(|rule| rule.reads_soft_deleted)
    }

    /// The same of the mapping of one path.
    pub(crate) fn carries_state(&self, path: &TargetPath) -> bool {
        self.rule(path).is_some_and(|rule| rule.reads_soft_deleted)
    }

    /// Whether an object may be sent without the attribute when the target refuses it: never what disables,
    /// and never what a create cannot be without.
    pub(crate) fn may_be_left_out(&self, path: &TargetPath, of_create: bool) -> bool {
        if path.is_active() || self.carries_state(path) {
            return false;
        }
        let is_required = schema::definition(self.kind, path).is_some_and(|known| known.required);
        let mut own = self.list.iter().filter(|mapping| mapping.target == *path);
        !of_create
            || !is_required && own.all(|mapping| mapping.matching.is_none() && !mapping.required)
    }

    pub(super) fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Each mapping with what was worked out of it, in the order of the target paths.
    pub(super) fn rules(&self) -> impl ExactSizeIterator<Item = (&Mapping, &Rule)> {
        self.rules.iter().map(|rule| (&self.list[rule.place], rule))
    }

    pub(super) fn rule(&self, path: &TargetPath) -> Option<&Rule> {
        let found = self
            .rules
            .binary_search_by(|rule| self.list[rule.place].target.cmp(path));
        found.ok().map(|found| &self.rules[found])
    }

    pub(super) fn fold_case(&self) -> Arc<BTreeSet<TargetPath>> {
        Arc::clone(&self.fold_case)
    }

    /// The values of the properties, each at its place, in one pass over the attributes: both are in
    /// the order of their names.
    pub(super) fn read<'o>(&self, attributes: &'o Attributes) -> Vec<Option<&'o Value>> {
        let mut values = vec![None; self.properties.len()];
        let mut wanted = self.properties.iter().zip(&mut values);
        let Some(mut next) = wanted.next() else {
            return values;
        };
        for (name, value) in attributes.iter() {
            let mut order = next.0.as_str().cmp(name);
            while order == Ordering::Less {
                let Some(following) = wanted.next() else {
                    return values;
                };
                next = following;
                order = next.0.as_str().cmp(name);
            }
            if order == Ordering::Equal {
                *next.1 = Some(value);
            }
        }
        values
    }
}

impl Deref for Mappings {
    type Target = [Mapping];

    fn deref(&self) -> &[Mapping] {
        &self.list
    }
}

impl<'m> IntoIterator for &'m Mappings {
    type Item = &'m Mapping;
    type IntoIter = std::slice::Iter<'m, Mapping>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl Rule {
    fn of(kind: ObjectKind, properties: &[String], place: usize, mapping: &Mapping) -> Self {
        let expression = match &mapping.source {
            Source::Expression(expression) => Some(expression),
            Source::Attribute(_) | Source::Constant(_) | Source::None => None,
        };
        let read = match &mapping.source {
            Source::Attribute(name) => Read::of(kind, properties, name),
            Source::Constant(_) | Source::Expression(_) | Source::None => Read::Source,
        };
        let target = &mapping.target;
        let only_adds = mapping.only_adds();
        let form = Form::of(kind, mapping, only_adds);
        let default = mapping.default.clone();
        Self {
            place,
            default: default.and_then(|default| form.normalize(target, default)),
            form,
            selects_unique: expression.is_some_and(|expression| expression.selects_unique()),
            only_adds,
            reads_soft_deleted: matches!(read, Read::SoftDeleted)
                || expression
                    .is_some_and(|expression| expression.attributes().contains(IS_SOFT_DELETED)),
            read,
        }
    }
}

impl Read {
    fn of(kind: ObjectKind, properties: &[String], name: &str) -> Self {
        match (name, property_of(name)) {
            (IS_SOFT_DELETED, _) => Self::SoftDeleted,
            ("id" | "objectId", _) => Self::Id,
            (_, None) => Self::Inside(source::graph_name(name).into_owned()),
            (_, Some((property, element))) => {
                // `properties` was made of the same names.
                let property = properties.partition_point(|known| *known < property);
                if name == "userPrincipalName" && kind == ObjectKind::User {
                    Self::PrincipalName { property }
                } else {
                    Self::Property { property, element }
                }
            }
        }
    }
}

/// The property that a name reads as a whole or by one index; `None` for a name that reaches further
/// inside.
fn property_of(name: &str) -> Option<(String, Option<usize>)> {
    if name == ORIGINAL_USER_PRINCIPAL_NAME {
        return Some(("userPrincipalName".to_owned(), None));
    }
    let name = source::graph_name(name);
    let (whole, element) = match source::split_index(&name) {
        Some((whole, element)) => (whole, Some(element)),
        None => (name.as_ref(), None),
    };
    let is_plain = !whole.contains(['.', '[', ']']);
    is_plain.then(|| (whole.to_owned(), element))
}
