//! Looks for unlinked objects in the target, or for values that one may have, in the cheaper of two
//! ways: one filter query for each, or one pass over the target's list, which then answers for all that
//! follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;

use super::index::Index;
use super::{Context, Error, absent, members};
use crate::engine::mapping::{self, Mapping, Mappings};
use crate::engine::model::{
    MatchKey, ObjectKind, TargetId, TargetObject, TargetPath, TargetType, Value,
};
use crate::engine::plan::{Found, Pending, Planner};
use crate::engine::summary::Progress;
use crate::scim;

/// Up to this many objects, their own queries are not worth comparing with a list.
const FEW: u64 = 5;

/// Answers the look-ups of one kind of object in one cycle.
pub(super) struct Finder<'a> {
    context: &'a Context<'a>,
    kind: ObjectKind,
    list: Option<Arc<Index<'a>>>,
    /// Objects that were looked for by queries so far: with them a list becomes worth its price.
    queried: u64,
    /// Why the target has no such resources at all.
    no_route: Option<String>,
}

/// An account in the target's list.
pub(super) struct Account {
    pub(super) id: TargetId,
    pub(super) name: String,
    pub(super) is_active: bool,
}

impl<'a> Finder<'a> {
    /// With the list, where it was read already.
    pub(super) fn new(
        context: &'a Context<'a>,
        kind: ObjectKind,
        list: Option<Arc<Index<'a>>>,
    ) -> Self {
        Self {
            context,
            kind,
            list,
            queried: 0,
            no_route: None,
        }
    }

    pub(super) fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Whether no further request is needed to answer, so that there is no point in waiting for more.
    pub(super) fn answers_at_once(&self) -> bool {
        self.list.is_some() || self.no_route.is_some()
    }

    /// Reads the target's whole list, which then answers all look-ups. Where it cannot be read, queries do.
    pub(super) async fn read_list(&mut self) -> Result<(), Error> {
        let (context, kind) = (self.context, self.kind);
        let mut paths = paths(context, kind, &[]);
        paths.extend(["userName", "active"].map(named));
        let read = async {
            let list = context.reader.first_page(kind, &paths).await?;
            Index::read(context, list, kind, &[]).await
        };
        match read.await {
            Ok(list) => self.list = Some(Arc::new(list)),
            Err(Error::Target(error)) if !error.is_stop() => tracing::warn!(
                job = %context.job.rules.name, %kind, %error,
                "the target's list cannot be read, so accounts without a user in scope are not known"
            ),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Every account in the list, if it was read.
    pub(super) fn accounts(&self) -> Option<impl Iterator<Item = Result<Account, Error>>> {
        let list = self.list.as_ref()?;
        let user_name = named("userName");
        let is_hidden = self.context.redactions.hides(self.kind, &user_name);
        Some(list.objects().map(move |object| {
            let object = object?;
            let name = match object.attributes.get(&user_name) {
                Some(Value::Text(name)) if !is_hidden => name.to_string(),
                _ => String::new(),
            };
            Ok(Account {
                is_active: is_active(&object),
                id: object.id,
                name,
            })
        }))
    }

    /// Whether the list was read, and is empty.
    pub(super) fn is_list_empty(&self) -> bool {
        self.list.as_ref().is_some_and(|list| list.is_empty())
    }

    /// Looks for a user by addresses of old times. A target that takes no filter by addresses is listed.
    pub(super) async fn find_by_addresses(&mut self, addresses: &[String]) -> Result<Found, Error> {
        let mappings = &self.context.job.rules.rules(self.kind).mappings;
        let keys: Vec<MatchKey> = address_paths(mappings)
            .flat_map(|path| {
                addresses.iter().map(move |address| MatchKey {
                    path: path.clone(),
                    value: Value::text(address.clone()),
                })
            })
            .collect();
        if self.list.is_none() {
            let paths = paths(self.context, self.kind, &[]);
            match by_queries(self.context, self.kind, &keys, &paths, &no_holder_gives_up).await {
                Err(error) if error.is_filter_unsupported() => self.read_list().await?,
                found => return Ok(found?),
            }
        }
        match &self.list {
            Some(list) => list.find(&keys, &no_holder_gives_up),
            None => Ok(Found::Failed(
                "the target can neither be searched by old addresses nor listed".to_owned(),
            )),
        }
    }

    /// Looks for each by its keys, in matching precedence: the first key with exactly one hit wins. The
    /// planner is passed which of the values the target has among which it may choose.
    pub(super) async fn find(
        &mut self,
        pending: &[Pending],
        planner: &mut Planner<'_>,
    ) -> Result<Vec<Found>, Error> {
        let keys: Vec<&[MatchKey]> = pending.iter().map(Pending::keys).collect();
        let kind = self.kind;
        let is_given_up =
            |key: &MatchKey, target: &TargetId| planner.is_given_up(kind, key, target);
        let mut found = self.find_each(&keys, &is_given_up).await?;
        self.look_for_holders(&mut found).await?;
        self.look_for_taken_values(pending, &mut found, planner)
            .await?;
        Ok(found)
    }

    /// Looks for each by its keys; what is found and linked already is no answer.
    pub(super) async fn look_up(&mut self, keys: &[&[MatchKey]]) -> Result<Vec<Found>, Error> {
        let found = self.find_each(keys, &no_holder_gives_up).await?;
        self.completed(found).await
    }

    /// The same for objects that were not found, before they are taken for absent.
    pub(super) async fn look_again(&self, keys: &[&[MatchKey]]) -> Result<Vec<Found>, Error> {
        let found = absent::look(self.context, self.kind, keys).await?;
        self.completed(found).await
    }

    async fn completed(&self, mut found: Vec<Found>) -> Result<Vec<Found>, Error> {
        self.look_for_holders(&mut found).await?;
        if self.kind == ObjectKind::Group {
            for one in &mut found {
                let members = members::read(self.context, one).await?;
                if let (Some(members), Found::One { object, .. }) = (members, one) {
                    object.members = Some(members);
                }
            }
        }
        Ok(found)
    }

    async fn look_for_holders(&self, found: &mut [Found]) -> Result<(), Error> {
        let targets: Vec<TargetId> = found
            .iter()
            .filter_map(|one| match one {
                Found::One { object, .. } => Some(object.id.clone()),
                Found::None
                | Found::Several { .. }
                | Found::OldAddress { .. }
                | Found::Failed(_) => None,
            })
            .collect();
        if targets.is_empty() {
            return Ok(());
        }
        let (job, kind) = (self.context.job.rules.name.clone(), self.kind);
        let holders = self
            .context
            .state(move |store| store.holders(&job, kind, &targets))
            .await?;
        for one in found {
            if let Found::One {
                object, linked_by, ..
            } = one
            {
                *linked_by = holders.get(&object.id).copied();
            }
        }
        Ok(())
    }

    /// Where the target does not answer, the objects that may choose the value wait: a guess could give a
    /// value twice.
    async fn look_for_taken_values(
        &mut self,
        pending: &[Pending],
        found: &mut [Found],
        planner: &mut Planner<'_>,
    ) -> Result<(), Error> {
        let mut choosers: BTreeMap<&MatchKey, Vec<usize>> = BTreeMap::new();
        for (place, one) in pending.iter().enumerate() {
            if found[place] == Found::None {
                for value in one.unique_values() {
                    choosers.entry(value).or_default().push(place);
                }
            }
        }
        if choosers.is_empty() {
            return Ok(());
        }
        let values: Vec<&[MatchKey]> = choosers
            .keys()
            .map(|value| std::slice::from_ref(*value))
            .collect();
        let answers = match self.find_all(&values, &no_holder_gives_up).await {
            Err(Error::Target(error)) if self.context.concerns_one_object(&error).await => {
                let words = error.failure().message;
                vec![Found::Failed(words); values.len()]
            }
            answers => answers?,
        };
        for ((value, places), answer) in choosers.into_iter().zip(answers) {
            match answer {
                Found::One { .. } | Found::Several { .. } | Found::OldAddress { .. } => {
                    planner.note_taken(self.kind, value);
                }
                Found::Failed(words) => {
                    for place in places {
                        found[place] = Found::Failed(words.clone());
                    }
                }
                Found::None => {}
            }
        }
        Ok(())
    }

    /// One answer for each set of keys; also where the target has no such resources.
    async fn find_each(
        &mut self,
        wanted: &[&[MatchKey]],
        is_given_up: GivenUp<'_>,
    ) -> Result<Vec<Found>, Error> {
        match self.find_all(wanted, is_given_up).await {
            Err(Error::Target(error)) if self.kind == ObjectKind::Group && error.has_no_route() => {
                // Users can be provisioned anyway, and each group says what to do.
                self.no_route = Some(format!(
                    "the target has no groups ({}): set jobs.groups.enabled = false",
                    error.failure().message
                ));
                self.find_all(wanted, is_given_up).await
            }
            found => found,
        }
    }

    /// One answer for each set of keys.
    async fn find_all(
        &mut self,
        wanted: &[&[MatchKey]],
        is_given_up: GivenUp<'_>,
    ) -> Result<Vec<Found>, Error> {
        if let Some(words) = &self.no_route {
            return Ok(vec![Found::Failed(words.clone()); wanted.len()]);
        }
        if let Some(list) = &self.list {
            let found = wanted.iter().map(|keys| list.find(keys, is_given_up));
            return found.collect();
        }
        let (context, kind) = (self.context, self.kind);
        let can_filter = wanted
            .iter()
            .copied()
            .flatten()
            .all(|key| context.reader.can_filter(kind, &key.path));
        let queries = self.queried + wanted.len() as u64;
        if can_filter
            && queries <= FEW
            && let Some(found) = one_by_one(context, kind, wanted, is_given_up).await?
        {
            self.queried = queries;
            return Ok(found);
        }
        let paths = paths(context, kind, wanted);
        let list = context.reader.first_page(kind, &paths).await?;
        // A list costs a request for each page; a query for each object costs at least one.
        if can_filter
            && list.pages_left() > queries
            && let Some(found) = one_by_one(context, kind, wanted, is_given_up).await?
        {
            self.queried = queries;
            return Ok(found);
        }
        match Index::read(context, list, kind, wanted).await {
            Ok(list) => {
                let list = self.list.insert(Arc::new(list));
                let found = wanted.iter().map(|keys| list.find(keys, is_given_up));
                found.collect()
            }
            Err(Error::Target(error @ scim::Error::ListIncomplete { .. })) if can_filter => {
                tracing::warn!(
                    job = %context.job.rules.name, %kind, %error,
                    "the target's list is not complete: looking up each object separately"
                );
                let found = one_by_one(context, kind, wanted, is_given_up).await?;
                found.ok_or_else(|| error.into())
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether an account can be used, as far as it shows.
pub(super) fn is_active(object: &TargetObject) -> bool {
    match object.attributes.get(&named("active")) {
        Some(Value::Boolean(active)) => *active,
        Some(Value::Text(text)) => !text.eq_ignore_ascii_case("false"),
        _ => true,
    }
}

/// Every path whose current value the planner wants to see.
pub(super) fn paths(
    context: &Context<'_>,
    kind: ObjectKind,
    wanted: &[&[MatchKey]],
) -> Vec<TargetPath> {
    let mappings = &context.job.rules.rules(kind).mappings;
    let mapped = mappings.iter().map(|mapping| mapping.target.clone());
    // Also whole, because an element may be there without what selects it.
    let mapped = mapped.chain(mappings.iter().filter_map(|mapping| mapping.target.list()));
    let keys = wanted.iter().copied().flatten().map(|key| key.path.clone());
    let paths: BTreeSet<TargetPath> = mapped.chain(keys).collect();
    paths
        .into_iter()
        .filter(|path| !path.is_members())
        .collect()
}

/// Whether the plan takes the value of a key from a target object: it is not a hit then.
pub(super) type GivenUp<'g> = &'g dyn Fn(&MatchKey, &TargetId) -> bool;

pub(super) fn no_holder_gives_up(_: &MatchKey, _: &TargetId) -> bool {
    false
}

/// `None`: the target cannot answer such queries, so only its list can answer.
pub(super) async fn one_by_one(
    context: &Context<'_>,
    kind: ObjectKind,
    wanted: &[&[MatchKey]],
    is_given_up: GivenUp<'_>,
) -> Result<Option<Vec<Found>>, Error> {
    let total = wanted.len() as u64;
    let paths = &paths(context, kind, wanted);
    let mut lookups =
        futures::stream::iter(wanted.iter().enumerate().map(|(place, keys)| async move {
            let found = by_queries(context, kind, keys, paths, is_given_up).await;
            (place, found)
        }))
        .buffer_unordered(context.job.target.concurrency);
    let mut found = vec![Found::None; wanted.len()];
    let mut done = 0;
    while let Some((place, answer)) = lookups.next().await {
        done += 1;
        context
            .progress
            .send_replace(Progress::Matching { done, total });
        match answer {
            Ok(answer) => found[place] = answer,
            Err(error) if error.is_filter_unsupported() => {
                let words = error.failure().message;
                tracing::info!(
                    job = %context.job.rules.name, %kind, words,
                    "the target does not support the look-up: reading its list instead"
                );
                return Ok(None);
            }
            // Refused like a route that is not there, while the list is answered: it is the filter.
            Err(error) if error.has_no_route() && context.reader.answers(kind).await.is_ok() => {
                let words = error.failure().message;
                tracing::info!(
                    job = %context.job.rules.name, %kind, words,
                    "the target refuses the look-up: reading its list instead"
                );
                return Ok(None);
            }
            Err(error) if !error.has_no_route() && context.concerns_one_object(&error).await => {
                found[place] = Found::Failed(error.failure().message);
            }
            // Nothing more will work, or a stop was requested: the cycle ends here.
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(found))
}

pub(super) async fn by_queries(
    context: &Context<'_>,
    kind: ObjectKind,
    keys: &[MatchKey],
    paths: &[TargetPath],
    is_given_up: GivenUp<'_>,
) -> Result<Found, scim::Error> {
    let hidden = context.redactions.hidden_in_keys(kind, keys);
    let reader = context.reader.hiding(hidden);
    let mappings = &context.job.rules.rules(kind).mappings;
    for key in keys {
        let Some(wanted) = searched(mappings, &key.path, &key.value) else {
            continue;
        };
        let is_wanted =
            |shown: &Value| searched(mappings, &key.path, shown).as_ref() == Some(&wanted);
        let mut hits = reader.find(kind, key, is_wanted, paths).await?;
        hits.retain(|hit| !is_given_up(key, &hit.id));
        if let Some(found) = judge(key, hits) {
            return Ok(found);
        }
    }
    Ok(Found::None)
}

pub(super) fn judge(key: &MatchKey, mut hits: Vec<TargetObject>) -> Option<Found> {
    let last = hits.pop()?;
    if hits.is_empty() {
        return Some(Found::One {
            key: key.clone(),
            object: last,
            linked_by: None,
        });
    }
    hits.push(last);
    Some(Found::Several {
        key: key.clone(),
        targets: hits.into_iter().map(|hit| hit.id).collect(),
    })
}

/// The mapped paths at which a target may have an address of a user.
pub(super) fn address_paths(mappings: &Mappings) -> impl Iterator<Item = &TargetPath> {
    let holds_address = |mapping: &&Mapping| {
        let path = &mapping.target;
        let is_address = path.attribute() == "userName"
            || (path.attribute() == "emails" && path.sub_attribute() == Some("value"));
        mapping.target_type == TargetType::String && (is_address || mapping.matching.is_some())
    };
    let mappings = mappings.iter().filter(holds_address);
    mappings.map(|mapping| &mapping.target)
}

pub(super) fn named(attribute: &str) -> TargetPath {
    TargetPath::parse(attribute).expect("an attribute of RFC 7643")
}

/// Whether what is shown at a path means the value.
pub(super) fn is_same(
    context: &Context<'_>,
    kind: ObjectKind,
    path: &TargetPath,
    value: &Value,
    shown: Option<&Value>,
) -> bool {
    let mappings = &context.job.rules.rules(kind).mappings;
    let wanted = searched(mappings, path, value);
    wanted.is_some() && wanted == shown.and_then(|shown| searched(mappings, path, shown))
}

/// The value in the one form that what the mappings make and what the target shows have
/// in common; `None` for a value that carries nothing.
pub(super) fn searched(mappings: &Mappings, path: &TargetPath, value: &Value) -> Option<Value> {
    mapping::searched(mappings, path, value.clone())
}
