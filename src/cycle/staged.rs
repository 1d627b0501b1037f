//! Accounts that were disabled because their users left, and whose time has come to be deleted (safety.md, 2):
//! by our clock and by Graph's, and only where a read shows that they are still disabled.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;

use super::gone::{self, Missing, Whereabouts};
use super::plan::Whom;
use super::{Context, Error};
use crate::engine::mapping;
use crate::engine::model::{Key, Link, ObjectKind, TargetObject};
use crate::engine::plan::{Ripe, Warning};
use crate::scim;
use crate::store::{Clocks, Loaded};

impl Context<'_> {
    /// What time it is, by our clock and by Graph's.
    pub(super) fn clocks(&self) -> Clocks {
        Clocks {
            now: (self.agent.now)(),
            source: self
                .sources
                .tenants
                .iter()
                .filter_map(|one| one.graph.date())
                .min(),
        }
    }

    /// Whether deletes may be sent now.
    pub(super) fn may_delete(&self) -> bool {
        let window = self.job.rules.safety.deletes.as_ref();
        window.is_none_or(|window| window.is_open((self.agent.now)()))
    }
}

/// Users whose accounts are due to be deleted, and a warning where that cannot be said.
pub(super) async fn due(
    context: &Context<'_>,
    whom: &Whom,
) -> Result<(BTreeSet<Key>, Option<Warning>), Error> {
    let after = context.job.rules.users.stages();
    let clocks = context.clocks();
    let job = context.job.rules.name.clone();
    let Some(source) = clocks.source else {
        return Ok((BTreeSet::new(), None));
    };
    let noted = job.clone();
    context
        .state(move |store| store.note_delete_after(&noted, after, source))
        .await?;
    if matches!(whom, Whom::Leavers(_) | Whom::Waiting(_) | Whom::Retries(_)) {
        return Ok((BTreeSet::new(), None));
    }
    if let Some(ahead) = clocks.differ() {
        return Ok((BTreeSet::new(), Some(Warning::ClocksDiffer { ahead })));
    }
    if after.is_none() {
        return Ok((BTreeSet::new(), None));
    }
    let time = clocks.earlier();
    let keys = context
        .state(move |store| store.due_to_be_deleted(&job, time))
        .await?;
    Ok((keys.into_iter().collect(), None))
}

/// Reads those of these objects that are due.
pub(super) async fn look(
    context: &Context<'_>,
    loaded: &[Loaded],
    due: &BTreeSet<Key>,
) -> Result<BTreeMap<Key, Ripe>, Error> {
    let due = loaded.iter().filter(|one| due.contains(&one.object.key));
    let due = due.filter_map(|one| Some((one.object.key, one.link.as_ref()?)));
    let paths = context.mapped_paths(ObjectKind::User);
    let (paths, reader) = (&paths, &context.reader);
    let mut reads = futures::stream::iter(due)
        .map(|(key, link)| async move {
            let read = reader.read(ObjectKind::User, &link.target, paths, false);
            (key, link, read.await)
        })
        .buffer_unordered(context.job.target.concurrency);
    let mut looks = BTreeMap::new();
    while let Some((key, link, read)) = reads.next().await {
        let ripe = judge(context, key, link, read).await?;
        if ripe == Ripe::Enabled {
            let job = context.job.rules.name.clone();
            context
                .state(move |store| store.note_enabled_since(&job, key))
                .await?;
        }
        looks.insert(key, ripe);
    }
    Ok(looks)
}

async fn judge(
    context: &Context<'_>,
    key: Key,
    link: &Link,
    read: Result<Option<TargetObject>, scim::Error>,
) -> Result<Ripe, Error> {
    let kind = ObjectKind::User;
    let missing = Missing {
        kind,
        key,
        link,
        is_deleted: false,
    };
    match read {
        Ok(Some(object)) => Ok(shown(context, link, object)),
        Ok(None) => match gone::look(context, missing, &[]).await {
            // The delete finds out again, and ends the link.
            Ok(Whereabouts::Gone | Whereabouts::Hidden) => Ok(Ripe::Disabled),
            Ok(Whereabouts::There) => Ok(Ripe::Unread(format!(
                "the target answers 404 for {}, but a look-up finds the account",
                link.target
            ))),
            Err(Error::Target(error)) if context.concerns_one_object(&error).await => {
                Ok(Ripe::Unread(error.failure().message))
            }
            Err(error) => Err(error),
        },
        Err(error) if context.concerns_one_object(&error).await => {
            Ok(Ripe::Unread(error.failure().message))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether what the target shows is the account that we disabled, as we left it.
fn shown(context: &Context<'_>, link: &Link, object: TargetObject) -> Ripe {
    let mappings = &context.job.rules.users.mappings;
    let mut shown = object.attributes;
    mapping::normalize(mappings, &mut shown);
    if !gone::agrees(context, ObjectKind::User, link, &shown) {
        let words = "the account has a different matching value from the one that was disabled";
        return Ripe::Unread(words.to_owned());
    }
    let mut state = link
        .sent
        .iter()
        .filter(|(path, _)| path.is_active() || mappings.carries_state(path))
        .peekable();
    if state.peek().is_none() {
        return Ripe::Unread("the request that disabled the account is not on record".to_owned());
    }
    let mut is_shown = true;
    for (path, sent) in state {
        match shown.get(path) {
            Some(value) if value == sent => {}
            Some(_) => return Ripe::Enabled,
            None => is_shown = false,
        }
    }
    if is_shown {
        Ripe::Disabled
    } else {
        Ripe::Unread("the target does not show whether the account is still disabled".to_owned())
    }
}
