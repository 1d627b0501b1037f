//! Finds the object of the state that a person means: by its id, principal name, address or name.

use super::usage::Usage;
use crate::engine::model::{ObjectKind, SourceId, SourceObject, nearest};
use crate::store::Store;

/// The id of the one object that the text means, where it means one.
pub(super) fn id(store: &Store, text: &str) -> Result<Option<SourceId>, crate::store::Error> {
    let mut found = Vec::new();
    for kind in ObjectKind::ALL {
        found.extend(store.find_any(kind, text)?);
    }
    let object = <[SourceObject; 1]>::try_from(found).ok();
    Ok(object.map(|[object]| object.id))
}

/// The one object that the text means; an error names the nearest, or all that it may mean.
pub(super) fn object(store: &Store, text: &str) -> anyhow::Result<SourceObject> {
    let mut found = Vec::new();
    for kind in ObjectKind::ALL {
        found.extend(store.find_any(kind, text)?);
    }
    match <[SourceObject; 1]>::try_from(found) {
        Ok([object]) => Ok(object),
        Err(found) if found.is_empty() => Err(Usage(unknown(store, text)?).into()),
        Err(found) => {
            let named = found.iter();
            let named: Vec<String> = named
                .map(|one| format!("{} {} ({})", one.kind, one.label(), one.id))
                .collect();
            Err(Usage(format!(
                "several objects are named {text:?}: give the id of one: {}",
                named.join(", ")
            ))
            .into())
        }
    }
}

pub(super) fn unknown(store: &Store, text: &str) -> anyhow::Result<String> {
    let mut names = Vec::new();
    for kind in ObjectKind::ALL {
        names.extend(store.names_of(kind)?);
    }
    let hint = match nearest(text, names.iter().map(String::as_str)) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None if store.reads_in_scope_anywhere()? => {
            "only what is in scope is read (read = \"in_scope\", or chosen as the cheaper strategy): it is not in scope, or check the spelling"
                .to_owned()
        }
        None => "run a cycle first, or check the spelling".to_owned(),
    };
    Ok(format!("the state has no user or group {text:?}: {hint}"))
}
