//! Names of source attributes: the schema uses those of the older directory API, entrain those of
//! Microsoft Graph.

use crate::engine::model::ObjectKind;
use crate::engine::model::source::{self, Unusable};

/// Names of Entra's own directory in a schema; the product was renamed, and both occur.
const SOURCE_DIRECTORIES: [&str; 2] = ["Azure Active Directory", "Microsoft Entra ID"];

/// The one that is written: exports and templates that are documented all have it.
pub(super) const SOURCE_DIRECTORY: &str = SOURCE_DIRECTORIES[0];

/// Directory names that were renamed in Graph, and that the configuration does not know.
const OLDER_NAMES: &[(&str, &str)] = &[
    ("lastDirSyncTime", "onPremisesLastSyncDateTime"),
    ("userState", "externalUserState"),
    ("userStateChangedOn", "externalUserStateChangeDateTime"),
];

/// The longest name of an attribute that is worth looking at.
pub(super) const MAX_LENGTH: usize = 256;

pub(super) fn is_source_directory(name: &str) -> bool {
    let name = name.trim();
    SOURCE_DIRECTORIES
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

/// The kind of object of that name in the source directory.
pub(super) fn kind(object: &str) -> Option<ObjectKind> {
    match object.trim().to_ascii_lowercase().as_str() {
        "user" => Some(ObjectKind::User),
        "group" => Some(ObjectKind::Group),
        _ => None,
    }
}

/// Graph's name for an attribute of the directory. A name that means nothing stays as it is, for the
/// check to tell.
pub(super) fn to_graph(kind: ObjectKind, name: &str) -> String {
    let usable = |name: &str| source::attribute(kind, name) != Err(Unusable::Unknown);
    if name.len() > MAX_LENGTH {
        return name.to_owned();
    }
    if let Some(name) = custom_security_attribute(name) {
        return name;
    }
    // The directory does not care about case, and so its exports need not.
    if usable(name) {
        return source::graph_name(&source::spelled(kind, name)).into_owned();
    }
    let mut older = OLDER_NAMES.iter();
    match older.find(|(older, _)| older.eq_ignore_ascii_case(name)) {
        Some((_, graph)) => (*graph).to_owned(),
        None => name.to_owned(),
    }
}

/// Provisioning from HR systems writes `CustomSecurityAttributes.Set_Attribute` ("Provision custom
/// security attributes from HR sources"). With more than one `_` it is ambiguous where the set ends.
fn custom_security_attribute(name: &str) -> Option<String> {
    let (property, rest) = name.split_once('.')?;
    let (set, attribute) = rest.split_once('_')?;
    let is_one = property.eq_ignore_ascii_case("customSecurityAttributes")
        && ![set, attribute]
            .iter()
            .any(|part| part.contains(['_', '.']));
    is_one.then(|| format!("customSecurityAttributes.{set}.{attribute}"))
}

/// The directory's name for a property of Graph.
pub(super) fn to_directory(name: &str) -> &str {
    source::portal_name(name)
}

/// Whether the directory's schema can say it: one element of a list, and a member of an object, have
/// no name there.
pub(super) fn is_plain(directory_name: &str) -> bool {
    !directory_name.contains(['.', '[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_graphs_here_and_the_directorys_there() {
        for (directory, graph) in [
            ("objectId", "id"),
            ("mobile", "mobilePhone"),
            ("telephoneNumber", "businessPhones[0]"),
            ("dirSyncEnabled", "onPremisesSyncEnabled"),
            (
                "extensionAttribute7",
                "onPremisesExtensionAttributes.extensionAttribute7",
            ),
            ("mail", "mail"),
            ("IsSoftDeleted", "IsSoftDeleted"),
        ] {
            assert_eq!(to_graph(ObjectKind::User, directory), graph);
            assert_eq!(to_directory(graph), directory);
        }
        for (directory, graph) in [
            ("MailNickName", "mailNickname"),
            (
                "CustomSecurityAttributes.HR_PayGrade",
                "customSecurityAttributes.HR.PayGrade",
            ),
            (
                "CustomSecurityAttributes.HR_Pay_Grade",
                "CustomSecurityAttributes.HR_Pay_Grade",
            ),
        ] {
            assert_eq!(to_graph(ObjectKind::User, directory), graph);
        }
        assert_eq!(to_graph(ObjectKind::User, "shoeSize"), "shoeSize");
    }
}
