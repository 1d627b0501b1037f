//! Links that are formerly ours: each is read before it is used.

use super::{CHUNK, Context, Error, Results, Verified, confirm, match_again};
use crate::engine::model::Key;

/// Before a look for leavers is planned: the links of these users that are formerly ours, and nothing else, however
/// many there are. The next cycle verifies the target.
pub(in crate::cycle) async fn verify_some<'a>(
    context: &'a Context<'a>,
    cycle: i64,
    users: &[Key],
) -> Result<Verified<'a>, Error> {
    context.cycle.get_or_init(|| cycle);
    let job = context.job.rules.name.clone();
    let former = context.state(move |store| store.former_links(&job)).await?;
    let users = users.iter().copied();
    let theirs: Vec<Key> = users
        .filter(|key| former.binary_search(key).is_ok())
        .collect();
    let mut verified = Verified::default();
    verify(context, &theirs, &mut verified).await?;
    Ok(verified)
}

pub(super) async fn verify(
    context: &Context<'_>,
    former: &[Key],
    verified: &mut Verified<'_>,
) -> Result<Results, Error> {
    let mut results = Results::default();
    for keys in former.chunks(CHUNK) {
        results.compare(context, keys).await?;
    }
    for (key, (kind, object)) in std::mem::take(&mut results.shown) {
        confirm(context, key, kind, object).await?;
    }
    // Of those that a person reset nothing more has to be decided.
    verified.warnings = match_again(context, &results.wrong, None).await?;
    verified.waiting = std::mem::take(&mut results.unread);
    Ok(results)
}
