//! Rounds of the delta queries over all users and all groups.

use std::sync::Arc;

use super::pages::Pages;
use super::unseen::Unseen;
use super::{Tenant, Want, managers, members};
use crate::cycle::Error;
use crate::cycle::source::selected;
use crate::engine::model::{Complete, ObjectKind};
use crate::engine::plan::{self, Count};
use crate::engine::summary::Progress;
use crate::graph::{self, At, Expired, Link};
use crate::store::{PageLink, Since};

/// Rounds begun at most, where the service forgets its own links.
pub(super) const MAX_BEGINNINGS: u32 = 3;

impl Tenant {
    /// Follows users and groups to their ends; with how many requests it took where only what changed was read.
    pub(super) async fn follow_both(
        &self,
        wants: &[&Want],
    ) -> Result<(plan::Reading, Option<u64>), Error> {
        let mut read = Count::default();
        let mut requests = Some(0);
        let users = self
            .try_to_follow(ObjectKind::User, wants, &mut read, &mut requests)
            .await?;
        let groups = self
            .try_to_follow(ObjectKind::Group, wants, &mut read, &mut requests)
            .await?;
        Ok((users.and(groups), requests))
    }

    /// An error that ends no cycle is why the reading is not complete.
    pub(super) async fn try_to_follow(
        &self,
        kind: ObjectKind,
        wants: &[&Want],
        read: &mut Count,
        requests: &mut Option<u64>,
    ) -> Result<plan::Reading, Error> {
        match self.follow(kind, wants, read, requests).await {
            Ok(seen) => Ok(plan::Reading::Complete(seen)),
            Err(error) if ends_the_cycle(&error) || self.stop.is_cancelled() => Err(error),
            Err(error) => {
                *requests = None;
                Ok(self.incomplete_by(&format!("{kind}s"), &error))
            }
        }
    }

    /// Follows the stream of one kind of object from its watermark to the next. Pages are committed in
    /// order with the link behind them, while the next one is read. The pages of what changed are added to
    /// `requests`; it becomes `None` where all is read.
    pub(super) async fn follow(
        &self,
        kind: ObjectKind,
        wants: &[&Want],
        read: &mut Count,
        requests: &mut Option<u64>,
    ) -> Result<Complete<()>, Error> {
        let (store, stream) = (&self.store, self.stream(kind));
        let select = selected(&self.config.jobs, kind);
        let mut beginnings = 1;
        let mut since = store.begin_round(stream, &select.join(","))?;
        if matches!(&since, Since::Watermark(link) if link == graph::LISTED) {
            store.read_anew(stream)?;
            since = store.begin_round(stream, &select.join(","))?;
        }
        let mut pages = Pages::new(Arc::clone(store), stream);
        let mut unseen = Unseen::default();
        let mut is_stored = since != Since::Beginning;
        loop {
            let at = match &since {
                Since::Watermark(link) => At::Link(link),
                Since::Beginning => At::Beginning { select: &select },
            };
            let page = match self.graph.fetch_page(kind, at).await {
                Ok(page) => page,
                Err(error) => {
                    pages.commit((self.now)()).await?;
                    pages.committed().await?;
                    // Where an earlier cycle stopped at a link that leads nowhere, the round begins again.
                    let stuck = || error.leads_nowhere(beginnings).filter(|_| is_stored);
                    let expired = error.expired().or_else(stuck);
                    let Some(expired) = expired.filter(|_| beginnings < MAX_BEGINNINGS) else {
                        return Err(error.into());
                    };
                    tracing::warn!(%kind, %error, "reading the source from the beginning");
                    match expired {
                        Expired::Page => store.rewind_round(stream)?,
                        Expired::Watermark => store.forget_watermark(stream)?,
                    }
                    beginnings += 1;
                    since = store.begin_round(stream, &select.join(","))?;
                    is_stored &= since != Since::Beginning;
                    continue;
                }
            };
            is_stored = false;
            if since == Since::Beginning {
                unseen = Unseen::of(&select);
                *requests = None;
            }
            *requests = requests.map(|pages| pages + 1);
            unseen.see(&page.changes);
            let entries = page.changes.len() as u64;
            match kind {
                ObjectKind::User => read.users += entries,
                ObjectKind::Group => read.groups += entries,
            }
            for want in wants {
                want.progress.send_replace(Progress::Reading(*read));
            }
            match page.link {
                Link::Next(next) => {
                    pages.add(page.changes, PageLink::Next(next.clone()));
                    since = Since::Watermark(next);
                    if pages.are_many() {
                        pages.commit((self.now)()).await?;
                    }
                }
                Link::Delta(delta) => {
                    let seen = delta.seen();
                    pages.add(page.changes, PageLink::Delta(delta));
                    pages.commit((self.now)()).await?;
                    pages.committed().await?;
                    unseen.report(kind, "of the tenant");
                    let (state, now) = ((store, self.number), (self.now)());
                    match kind {
                        ObjectKind::User => managers::look_up(&self.graph, state, now).await?,
                        ObjectKind::Group => members::look_up(&self.graph, state, now).await?,
                    }
                    return Ok(seen);
                }
            }
        }
    }
}

/// Whether reading on makes no sense: the state cannot be written, the sign-in is refused, or a snapshot
/// was made for other jobs.
pub(super) fn ends_the_cycle(error: &Error) -> bool {
    matches!(
        error,
        Error::Store(_)
            | Error::Graph(
                graph::Error::NotInSnapshot { .. }
                    | graph::Error::TokenRefused { .. }
                    | graph::Error::TokenUnanswered { .. }
                    | graph::Error::TokenMalformed { .. }
            )
    )
}
