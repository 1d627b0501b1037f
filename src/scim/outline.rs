//! What is read of any answer of a target, in a few words: for `fuzz`, so that nothing that a target sends makes
//! a reader panic or hang.

use super::message::ServerMessage;
use super::wire::{ErrorBody, List, Listed, Reply};
use super::{bulk, discovery, resource};
use crate::engine::model::{ObjectKind, TargetPath};
use crate::engine::redact::Hidden;

const PATHS: [&str; 4] = [
    "userName",
    "name.givenName",
    "emails[type eq \"work\"].value",
    "members",
];

/// Reads a body in each way in which answers are read.
pub(crate) fn outline(body: &[u8]) -> String {
    let paths: Vec<TargetPath> = PATHS
        .iter()
        .filter_map(|path| TargetPath::parse(path).ok())
        .collect();
    let shown = |listed: Listed| {
        let members = listed.members.as_ref().map(|all| all.len().min(3));
        let object = resource::target_object(ObjectKind::User, listed, &paths, true);
        (members, object.map(|object| object.attributes.len()))
    };
    let list = List::read(body).map(|list| {
        let is_counted = list.total.is_some();
        let first = list.resources.len().min(3);
        let shown: Vec<_> = list.resources.into_iter().take(3).map(shown).collect();
        (is_counted, first, list.next.is_some(), shown)
    });
    let one = Listed::read(body).map(shown);
    let reply = Reply::read(body);
    let ErrorBody {
        is_error, status, ..
    } = ErrorBody::read(body);
    let message = ServerMessage::read(body, &["s3cr3t"], &Hidden::default());
    let words = message.text.as_deref().unwrap_or_default();
    assert!(!words.contains("s3cr3t"), "a secret is shown: {words}");
    let operations = bulk::operations(body).map(|all| all.len().min(3));
    let reported = discovery::capabilities(&String::from_utf8_lossy(body));
    format!(
        "{list:?} {one:?} {} {} {is_error} {status:?} {operations:?} {:?}",
        reply.is_error,
        reply.id.is_some(),
        (reported.patch, reported.bulk, reported.filter)
    )
}
