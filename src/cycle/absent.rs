//! A second look for objects that a search did not find, before they are taken for absent (safety.md §1): one
//! empty answer may be that of a stale replica, a cache or a search index that is being rebuilt.

use super::index::Index;
use super::lookup::{no_holder_gives_up, one_by_one, paths};
use super::{Context, Error};
use crate::engine::model::{MatchKey, ObjectKind};
use crate::engine::plan::Found;

/// The target's list, where it costs no more than another search for each: it is answered in another way than
/// a search. `None`: searching again is all that is left.
pub(super) async fn list<'a>(
    context: &'a Context<'a>,
    kind: ObjectKind,
    wanted: &[&[MatchKey]],
) -> Result<Option<Index<'a>>, Error> {
    let paths = paths(context, kind, wanted);
    let list = match context.reader.first_page(kind, &paths).await {
        Ok(list) if list.pages_left() <= wanted.len() as u64 => list,
        Err(error) if error.is_stop() => return Err(error.into()),
        Ok(_) | Err(_) => return Ok(None),
    };
    match Index::read(context, list, kind, wanted).await {
        Ok(list) => Ok(Some(list)),
        Err(Error::Target(error)) if !error.is_stop() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the second look finds for each set of keys.
pub(super) async fn look(
    context: &Context<'_>,
    kind: ObjectKind,
    wanted: &[&[MatchKey]],
) -> Result<Vec<Found>, Error> {
    let list = match list(context, kind, wanted).await? {
        Some(list) => list,
        None => match one_by_one(context, kind, wanted, &no_holder_gives_up).await? {
            Some(found) => return Ok(found),
            None => Index::whole(context, kind, wanted).await?,
        },
    };
    let found = wanted
        .iter()
        .map(|keys| list.find(keys, &no_holder_gives_up));
    found.collect()
}
