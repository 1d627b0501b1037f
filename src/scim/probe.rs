//! Finds out what a target takes, by changes of scratch objects that are read back. Each change is tried in
//! the form that is known so far, then in the others.

use std::collections::BTreeMap;

use super::dialect::{Dialect, Edit, Shown};
use super::error::Error;
use super::reader::Reader;
use super::request::Request;
use super::writer::Writer;
use super::{resource, whole, wire};
use crate::config::{Form, OpCase, PatchOperations, PatchPath, ValuePaths};
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

pub(crate) struct Probe {
    reader: Reader,
    writer: Writer,
    dialect: Dialect,
    pub(crate) findings: Vec<Finding>,
}

impl Probe {
    pub(crate) fn new(reader: &Reader, dialect: Dialect) -> Self {
        Self {
            reader: reader.clone(),
            writer: Writer::new(reader),
            dialect,
            findings: Vec::new(),
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

    /// Two users into a group, and one out of it: the other must stay.
    pub(crate) async fn members(&mut self, group: &TargetId, both: [&TargetId; 2]) -> bool {
        let kind = ObjectKind::Group;
        let [leaver, other] = both;
        if !self
            .edit("add members", kind, group, &Edit::AddMembers(both.to_vec()))
            .await
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
                    "it takes out everyone".clone_into(&mut seen);
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

    async fn shown_members(&self, group: &TargetId) -> Option<Vec<TargetId>> {
        let read = self.reader.read(ObjectKind::Group, group, &[], true).await;
        read.ok()??.members
    }

    /// Deletes a scratch object. `false`: it is still there.
    pub(crate) async fn delete(&mut self, kind: ObjectKind, id: &TargetId) -> bool {
        let before = self.form();
        let Ok(request) = Request::delete(kind, id) else {
            return false;
        };
        let sent = self.writer.send(&request, &Hidden::default()).await;
        let still = self.reader.read(kind, id, &[], false).await;
        let (seen, is_gone) = match (sent, still) {
            (_, Ok(None)) => ("it is gone".to_owned(), true),
            (Ok(_), _) => (
                "accepted, but the object still exists: it may be deactivated".to_owned(),
                true,
            ),
            (Err(error), _) => (error.failure().message, false),
        };
        self.note(&format!("delete a {kind}"), seen, before);
        is_gone
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
