//! Finds out what a target takes, by changes of scratch objects that are read back. Each change is tried in
//! the form that is known so far, then in the others.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;

use super::bulk::{InBulk, Part};
use super::dialect::{Dialect, Edit, Shown};
use super::error::Error;
use super::reader::Reader;
use super::request::Request;
use super::writer::Writer;
use super::{resource, whole, wire};
use crate::config::{Bulk, Form, MemberAdd, OpCase, PatchOperations, PatchPath, ValuePaths};
use crate::engine::model::{ObjectKind, TargetId, TargetPath, Value};
use crate::engine::plan::{Change, ElementChange, WriteMode};
use crate::engine::redact::Hidden;

/// Another form to try.
type Alternative = fn(&mut Form);

/// Forms that no answer hints at, in the order in which they are tried.
const ALTERNATIVES: [Alternative; 5] = [
    |form| form.patch_operations = PatchOperations::One,
    |form| form.op_case = OpCase::Capital,
    |form| {
        form.op_case = OpCase::Capital;
        form.patch_operations = PatchOperations::One;
    },
    |form| form.patch_path = PatchPath::Value,
    |form| form.value_paths = ValuePaths::Always,
];

/// What a step showed, for people, and the knobs that it set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) what: String,
    pub(crate) seen: String,
    pub(crate) knobs: Vec<(&'static str, &'static str)>,
}

/// Something that a scratch user gets.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) what: &'static str,
    pub(crate) path: TargetPath,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
    pub(crate) element: ElementChange,
}

/// What became of a scratch object that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    Gone,
    /// The target does not delete such objects.
    Kept,
    NotYet,
}

pub(crate) struct Probe {
    reader: Reader,
    writer: Writer,
    dialect: Dialect,
    pub(crate) findings: Vec<Finding>,
    /// The names of scratch objects that the target does not delete.
    pub(crate) kept: Vec<String>,
    /// What users were created with.
    accepted: BTreeSet<TargetPath>,
}

impl Probe {
    pub(crate) fn new(reader: &Reader, dialect: Dialect) -> Self {
        Self {
            reader: reader.clone(),
            writer: Writer::new(reader),
            dialect,
            findings: Vec::new(),
            kept: Vec::new(),
            accepted: BTreeSet::new(),
        }
    }

    /// What the knobs are by now.
    pub(crate) fn form(&self) -> Form {
        let mut form = *self.dialect.form();
        form.update = self.dialect.update(ObjectKind::User);
        let groups = self.dialect.update(ObjectKind::Group);
        if groups != form.update {
            form.update_groups = match groups {
                crate::config::Update::Patch => crate::config::UpdateGroups::Patch,
                crate::config::Update::Put => crate::config::UpdateGroups::Put,
            };
        }
        form
    }

    fn note(&mut self, what: &str, seen: String, before: Form) {
        let before = before.words();
        let knobs = self.form().words().into_iter();
        let knobs = knobs.filter(|one| !before.contains(one)).collect();
        self.findings.push(Finding {
            what: what.to_owned(),
            seen,
            knobs,
        });
    }

    /// Creates a scratch object; attributes that the target refuses by name are left out.
    pub(crate) async fn create(
        &mut self,
        kind: ObjectKind,
        mut attributes: BTreeMap<TargetPath, Value>,
    ) -> Result<Option<TargetId>, Error> {
        let before = self.form();
        let mut left_out: Vec<String> = Vec::new();
        loop {
            let body = resource::body(
                kind,
                &attributes,
                std::iter::empty(),
                self.dialect.form().manager,
            );
            let media_type = self.dialect.form().content_type.as_str();
            let request = Request::create(kind, wire::bytes(&body)).typed(media_type);
            let error = match self.writer.send(&request, &Hidden::default()).await {
                Ok(sent) => {
                    let mut seen = sent.exchange.to_string();
                    if !left_out.is_empty() {
                        seen = format!("{seen}, without {}", left_out.join(", "));
                    }
                    self.note(&format!("create a {kind}"), seen, before);
                    if kind == ObjectKind::User {
                        self.accepted.extend(attributes.into_keys());
                    }
                    return Ok(sent.id);
                }
                Err(error) => error,
            };
            if let Some((next, _)) = self.dialect.after_edit(kind, None, &error) {
                self.dialect = next;
                continue;
            }
            let named: Vec<TargetPath> = attributes
                .keys()
                .filter(|path| path.attribute() != "userName" && error.names(path))
                .cloned()
                .collect();
            if named.is_empty() {
                self.note(&format!("create a {kind}"), error.failure().message, before);
                // It may exist anyway, and is looked for by its name.
                return if error.unconfirmed() {
                    Ok(None)
                } else {
                    Err(error)
                };
            }
            for path in named {
                attributes.remove(&path);
                left_out.push(path.to_string());
            }
        }
    }

    /// Changes a scratch user in one way.
    pub(crate) async fn change(&mut self, id: &TargetId, step: &Step) -> bool {
        let change = Change {
            path: step.path.clone(),
            old: step.old.clone(),
            new: step.new.clone(),
            element: step.element,
            written: WriteMode::Whole,
        };
        let changes = [change];
        self.edit(step.what, ObjectKind::User, id, &Edit::Values(&changes))
            .await
    }

    /// Whether a change that was made for another version of a user is refused (`If-Match`, RFC 7644 section
    /// 3.14).
    pub(crate) async fn versions(&mut self, id: &TargetId, step: &Step) {
        let (kind, before) = (ObjectKind::User, self.form());
        let seen = match self.reader.current(kind, id).await {
            Err(error) => error.failure().message,
            Ok(current) if current.version().is_none() => "the target shows none".to_owned(),
            Ok(current) => {
                let changes = [Change {
                    path: step.path.clone(),
                    old: step.new.clone(),
                    new: step.old.clone(),
                    element: step.element,
                    written: WriteMode::Whole,
                }];
                let edit = Edit::Values(&changes);
                let requests = self.dialect.edit_requests(kind, id, &edit, Some(&current));
                match requests.map(|mut requests| requests.pop()) {
                    Ok(Some(request)) => {
                        let other = request.for_version("W/\"entrain-probe\"");
                        match self.writer.send(&other, &Hidden::default()).await {
                            Ok(_) => {
                                "shown, but a change for another version (If-Match) is accepted"
                                    .to_owned()
                            }
                            Err(error) if error.http_status() == Some(412) => {
                                "a change for another version (If-Match) is refused".to_owned()
                            }
                            Err(error) => error.failure().message,
                        }
                    }
                    Ok(None) => return,
                    Err(error) => error.failure().message,
                }
            }
        };
        self.note("versions (ETag)", seen, before);
    }

    /// Creates two users in one request (RFC 7644 section 3.7), and looks whether they exist. `None` for one
    /// that may exist anyway.
    pub(crate) async fn bulk(
        &mut self,
        both: [BTreeMap<TargetPath, Value>; 2],
    ) -> [Option<TargetId>; 2] {
        let kind = ObjectKind::User;
        let parts = both.map(|mut attributes| {
            attributes.retain(|path, _| self.accepted.contains(path));
            let manager = self.dialect.form().manager;
            let body = resource::body(kind, &attributes, std::iter::empty(), manager);
            let media_type = self.dialect.form().content_type.as_str();
            Part {
                request: Request::create(kind, wire::bytes(&body)).typed(media_type),
                hidden: Hidden::default(),
                id: String::new(),
            }
        });
        let [mut one, mut other] = parts;
        "one".clone_into(&mut one.id);
        "other".clone_into(&mut other.id);
        let mut ids = [None, None];
        let words = match self.writer.send_bulk(&[&one, &other]).await {
            InBulk::Each {
                results,
                incomplete,
            } => {
                let mut words = incomplete;
                for (id, result) in ids.iter_mut().zip(results) {
                    match result {
                        Ok(sent) => *id = sent.id,
                        Err(error) => words = words.or(Some(error.failure().message)),
                    }
                }
                for id in &mut ids {
                    let Some(target) = &*id else {
                        continue;
                    };
                    if let Ok(None) = self.reader.read(kind, target, &[], false).await {
                        *id = None;
                        words.get_or_insert_with(|| "accepted without effect".to_owned());
                    }
                }
                words
            }
            InBulk::Lost { results, lied } => {
                let mut errors = results.into_iter().filter_map(Result::err);
                lied.or_else(|| Some(errors.next()?.failure().message))
            }
            InBulk::TooLarge(words) | InBulk::NotTaken(words) => Some(words),
        };
        let word = if words.is_some() { Bulk::Off } else { Bulk::On };
        self.dialect = self.dialect.with(|form| form.bulk = word);
        let seen = words.unwrap_or_else(|| "both exist".to_owned());
        self.findings.push(Finding {
            what: "create two users in one request".to_owned(),
            seen,
            knobs: vec![("bulk", word.as_str())],
        });
        ids
    }

    pub(crate) async fn refer(
        &mut self,
        id: &TargetId,
        path: &TargetPath,
        to: Option<&TargetId>,
    ) -> bool {
        let what = if to.is_some() {
            "set the manager"
        } else {
            "clear the manager"
        };
        self.edit(what, ObjectKind::User, id, &Edit::Reference(path, to))
            .await
    }

    /// Two users into a group, one after the other, and one out of it: the other must stay each time.
    pub(crate) async fn members(&mut self, group: &TargetId, both: [&TargetId; 2]) -> bool {
        let kind = ObjectKind::Group;
        let [leaver, other] = both;
        let first = Edit::AddMembers(vec![leaver]);
        if !self.edit("add a member", kind, group, &first).await
            || !self.add_second(group, both).await
        {
            return false;
        }
        // An empty list may be left out; but a target that showed these two shows members.
        let shown = self.shown_members(group).await;
        let is_shown = shown.is_some_and(|ids| ids.contains(leaver) && ids.contains(other));
        let removal = Edit::RemoveMembers(vec![leaver]);
        let before = self.form();
        let forms: [Alternative; 2] = [
            |_| {},
            |form| {
                form.member_remove = match form.member_remove {
                    crate::config::MemberRemove::Filter => crate::config::MemberRemove::ValueList,
                    crate::config::MemberRemove::ValueList => crate::config::MemberRemove::Filter,
                };
            },
        ];
        let mut seen = String::new();
        for change in forms {
            let known = self.dialect;
            self.dialect = known.with(change);
            let error = self.apply(kind, group, &removal).await.err();
            let words = error.map(|error| error.failure().message);
            let shown = self.shown_members(group).await;
            match shown.or_else(|| is_shown.then(Vec::new)) {
                Some(ids) if !ids.contains(leaver) && ids.contains(other) => {
                    self.note(
                        "take one of two members out",
                        "the other stays".to_owned(),
                        before,
                    );
                    return true;
                }
                Some(ids) if !ids.contains(other) => {
                    "it removes all members".clone_into(&mut seen);
                    let _ = self
                        .apply(kind, group, &Edit::AddMembers(both.to_vec()))
                        .await;
                }
                None if words.is_none() => {
                    let seen = "accepted; members are not shown, so it cannot be verified";
                    self.note("take one of two members out", seen.to_owned(), before);
                    return true;
                }
                Some(_) => seen = words.unwrap_or_else(|| "without effect".to_owned()),
                None => seen = words.unwrap_or_default(),
            }
            self.dialect = known;
        }
        self.note("take one of two members out", seen, before);
        false
    }

    /// Some targets replace the members that were there.
    async fn add_second(&mut self, group: &TargetId, both: [&TargetId; 2]) -> bool {
        let (kind, what) = (ObjectKind::Group, "add a second member");
        let [first, second] = both;
        let addition = Edit::AddMembers(vec![second]);
        let before = self.form();
        let words = match self.apply(kind, group, &addition).await {
            Ok(_) => None,
            Err(error) => Some(error.failure().message),
        };
        let shown = self.shown_members(group).await;
        let (seen, is_done) = match (words, shown) {
            (Some(words), _) => (words, false),
            (None, Some(ids)) if ids.contains(first) => ("the other stays".to_owned(), true),
            (None, Some(ids)) if ids.contains(second) => {
                self.dialect = self.dialect.adding_members_by(MemberAdd::All);
                let both = Edit::AddMembers(both.to_vec());
                let all = self.apply(kind, group, &both).await.err();
                match all.map(|error| error.failure().message) {
                    None => {
                        let seen = "it removes the other, unless both are sent";
                        (seen.to_owned(), true)
                    }
                    Some(words) => (format!("it removes the other; both: {words}"), false),
                }
            }
            (None, Some(_) | None) => {
                let seen = "accepted; members are not shown, so it cannot be verified";
                (seen.to_owned(), true)
            }
        };
        self.note(what, seen, before);
        is_done
    }

    async fn shown_members(&self, group: &TargetId) -> Option<Vec<TargetId>> {
        let read = self.reader.read(ObjectKind::Group, group, &[], true).await;
        read.ok()??.members
    }

    /// Deletes a scratch object.
    pub(crate) async fn delete(&mut self, kind: ObjectKind, id: &TargetId) -> Deleted {
        let before = self.form();
        let Ok(request) = Request::delete(kind, id) else {
            return Deleted::NotYet;
        };
        let sent = self.writer.send(&request, &Hidden::default()).await;
        let still = self.reader.read(kind, id, &[], false).await;
        let (seen, deleted) = match (sent, still) {
            (_, Ok(None)) => ("it is gone".to_owned(), Deleted::Gone),
            (Ok(_), _) => (
                "accepted, but the object still exists: it may be deactivated".to_owned(),
                Deleted::Kept,
            ),
            (Err(error), _) => {
                let is_kept = error.is_method_refused(&Method::DELETE);
                let deleted = if is_kept {
                    Deleted::Kept
                } else {
                    Deleted::NotYet
                };
                (error.failure().message, deleted)
            }
        };
        self.note(&format!("delete a {kind}"), seen, before);
        deleted
    }

    /// Tries a change in the forms that there are, until one has an effect.
    async fn edit(&mut self, what: &str, kind: ObjectKind, id: &TargetId, edit: &Edit<'_>) -> bool {
        let before = self.form();
        let known = self.dialect;
        let mut words = String::new();
        let own: Alternative = |_| {};
        for alternative in std::iter::once(own).chain(ALTERNATIVES) {
            self.dialect = known.with(alternative);
            match self.apply(kind, id, edit).await {
                Ok(seen) => {
                    self.note(what, seen, before);
                    return true;
                }
                Err(error) => {
                    if words.is_empty() {
                        words = error.failure().message;
                    }
                    if !error.refuses_content() {
                        break;
                    }
                }
            }
        }
        self.dialect = known;
        self.note(what, words, before);
        false
    }

    /// Sends an edit, as the answers want it, and looks at what came of it.
    async fn apply(
        &mut self,
        kind: ObjectKind,
        id: &TargetId,
        edit: &Edit<'_>,
    ) -> Result<String, Error> {
        let known = self.dialect;
        let mut first = None;
        loop {
            let error = match self.once(kind, id, edit).await {
                Ok(seen) => return Ok(seen),
                Err(error) => error,
            };
            if let Some((next, _)) = self.dialect.after_edit(kind, Some(edit), &error) {
                self.dialect = next;
                first.get_or_insert(error);
            } else {
                self.dialect = known;
                return Err(first.unwrap_or(error));
            }
        }
    }

    async fn once(
        &self,
        kind: ObjectKind,
        id: &TargetId,
        edit: &Edit<'_>,
    ) -> Result<String, Error> {
        let current = match self.reader.current(kind, id).await {
            Ok(current) if kind == ObjectKind::Group => {
                // A scratch group holds only scratch users.
                Some(current.with_members(&std::collections::BTreeSet::new(), true)?)
            }
            Ok(current) => Some(current),
            Err(_) => None,
        };
        let mut seen = String::new();
        let mut last = None;
        for request in self
            .dialect
            .edit_requests(kind, id, edit, current.as_ref())?
        {
            let sent = self.writer.send(&request, &Hidden::default()).await?;
            seen = sent.exchange.to_string();
            last = Some(sent.exchange);
        }
        let (Ok(after), Some(exchange)) = (self.reader.current(kind, id).await, last) else {
            return Ok(format!("{seen}; it cannot be read"));
        };
        let Shown(resource) = after.shown();
        let undone = whole::undone(kind, &resource, edit);
        let paths: Vec<TargetPath> = undone.paths.into_iter().chain(undone.absent).collect();
        if paths.is_empty() {
            Ok(seen)
        } else {
            Err(Error::NoEffect { exchange, paths })
        }
    }
}
