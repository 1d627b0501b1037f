//! How one target takes its changes: an action as the request that makes it. Pure, so that a plan can
//! list what will be sent.

#[cfg(test)]
mod tests;

use super::error::{About, Error};
use super::request::Request;
use super::whole::{self, Current};
use super::{patch, resource, wire};
use std::collections::BTreeSet;

use reqwest::Method;

use crate::config::{
    self, Bulk, Clear, ContentType, Extensions, Form, GroupCreate, Manager, MemberAdd,
    MemberRemove, PatchOperations, SubAttributes, Update, UpdateGroups, ValuePaths,
};
use crate::engine::capabilities::Learned;
use crate::engine::model::{ObjectKind, TargetId, TargetPath, Value};
use crate::engine::plan::{Action, Change, Operation, Pointer};

/// Before the form in the name of a way: members are added, others stay then, and members are taken out.
const IN: &str = "members in ";
const KEPT: &str = "others kept ";
const OUT: &str = "members out ";
/// Before that in which an account is disabled.
const OFF: &str = "disabled by ";

/// The same action always becomes the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    member_chunk: usize,
    form: Form,
    /// Resources of these kinds are replaced as a whole.
    users: Update,
    groups: Update,
    /// For users and for groups: the other of PATCH and PUT was refused.
    refused: [bool; 2],
}

/// A knob that an answer taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lesson {
    pub(crate) knob: &'static str,
    pub(crate) word: &'static str,
    pub(crate) certainty: Certainty,
}

/// When a lesson is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// Once the target takes the request in that form.
    Guess,
    /// Once another request is refused, too: a single refusal may be a gateway's.
    Repeated,
    Certain,
}

impl Lesson {
    fn of(certainty: Certainty, knob: &'static str, word: &'static str) -> Self {
        Self {
            knob,
            word,
            certainty,
        }
    }

    fn guess(knob: &'static str, word: &'static str) -> Self {
        Self::of(Certainty::Guess, knob, word)
    }
}

impl Dialect {
    pub(crate) fn new(settings: &config::DialectSettings) -> Self {
        let form = settings.knobs.form();
        Self {
            member_chunk: settings.member_chunk.max(1),
            form,
            users: form.update,
            groups: match form.update_groups {
                UpdateGroups::Same => form.update,
                UpdateGroups::Patch => Update::Patch,
                UpdateGroups::Put => Update::Put,
            },
            refused: [false; 2],
        }
    }

    /// Another form for a target that refused this one, and what was learned of it; `None` where the error
    /// is no sign of that, or no form is left.
    ///
    /// | the target's answer | from now on |
    /// |---|---|
    /// | 405 or 501 to PATCH, or to PUT | the other of the two; for this change alone the first time |
    /// | 415 | plain JSON |
    /// | 400 that does not take the path, to a change of an element or of a part | the whole attribute |
    /// | success without effect | the whole attribute, another way to clear, then PUT |
    ///
    /// 428 to PATCH is no sign: what it requires (`If-Match`), a PUT would need too.
    pub(crate) fn after(self, action: &Action, error: &Error) -> Option<(Self, Lesson)> {
        let edit = Edit::of(&action.operation);
        self.after_edit(action.subject.kind, edit.as_ref(), error)
    }

    pub(super) fn after_edit(
        self,
        kind: ObjectKind,
        edit: Option<&Edit<'_>>,
        error: &Error,
    ) -> Option<(Self, Lesson)> {
        let mut next = self;
        let (update, refused, name) = match kind {
            ObjectKind::User => (&mut next.users, &mut next.refused[0], "update"),
            ObjectKind::Group => (&mut next.groups, &mut next.refused[1], "update_groups"),
        };
        if error.is_method_refused(&Method::PATCH) && !*refused {
            (*update, *refused) = (Update::Put, true);
            return Some((
                next,
                Lesson::of(Certainty::Repeated, name, Update::Put.as_str()),
            ));
        }
        if error.is_method_refused(&Method::PUT) && !*refused {
            (*update, *refused) = (Update::Patch, true);
            return Some((
                next,
                Lesson::of(Certainty::Repeated, name, Update::Patch.as_str()),
            ));
        }
        if error.is_type_refused() && self.form.content_type == ContentType::Scim {
            next.form.content_type = ContentType::Json;
            let lesson = Lesson::of(
                Certainty::Certain,
                "content_type",
                ContentType::Json.as_str(),
            );
            return Some((next, lesson));
        }
        let edit = edit?;
        if *update == Update::Put {
            return None;
        }
        let is_about = |what: fn(&Change) -> bool| match edit {
            Edit::Values(changes) => changes.iter().any(what),
            Edit::Reference(..)
            | Edit::AddReference(..)
            | Edit::AddMembers(_)
            | Edit::RemoveMembers(_) => false,
        };
        let is_cleared = match edit {
            Edit::Values(changes) => changes.iter().any(|change| change.new.is_none()),
            Edit::Reference(_, to) => to.is_none(),
            Edit::AddReference(..) | Edit::AddMembers(_) | Edit::RemoveMembers(_) => false,
        };
        let form = &mut next.form;
        if !(error.is_path_refused() || error.is_without_effect()) {
            let lesson = (is_cleared && error.is_operation_refused()).then(|| cleared(form))??;
            return Some((next, lesson));
        }
        let lesson = if is_about(|change| change.path.selector().is_some())
            && form.value_paths != ValuePaths::Whole
        {
            form.value_paths = ValuePaths::Whole;
            Lesson::guess("value_paths", form.value_paths.as_str())
        } else if is_about(|change| change.path.sub_attribute().is_some())
            && form.sub_attributes == SubAttributes::Path
        {
            form.sub_attributes = SubAttributes::Whole;
            Lesson::guess("sub_attributes", form.sub_attributes.as_str())
        } else if is_about(|change| change.path.schema().is_some())
            && form.extensions == Extensions::Path
        {
            form.extensions = Extensions::Object;
            Lesson::guess("extensions", form.extensions.as_str())
        } else if let Some(lesson) = is_cleared.then(|| cleared(form)).flatten() {
            lesson
        } else if matches!(edit, Edit::Reference(_, Some(_)) | Edit::AddReference(..))
            && form.manager == Manager::Object
        {
            form.manager = Manager::Text;
            Lesson::guess("manager", form.manager.as_str())
        } else if error.is_without_effect() && !*refused {
            *update = Update::Put;
            Lesson::guess(name, Update::Put.as_str())
        } else {
            return None;
        };
        Some((next, lesson))
    }

    /// The same with a resource of this kind replaced as a whole.
    #[cfg(test)]
    fn with_put(mut self, kind: ObjectKind) -> Self {
        match kind {
            ObjectKind::User => self.users = Update::Put,
            ObjectKind::Group => self.groups = Update::Put,
        }
        self
    }

    pub(crate) fn update(&self, kind: ObjectKind) -> Update {
        match kind {
            ObjectKind::User => self.users,
            ObjectKind::Group => self.groups,
        }
    }

    /// Whether the request is built from the resource as it is now, so that it must be read first.
    pub(crate) fn needs_current(&self, action: &Action) -> bool {
        let kind = action.subject.kind;
        match (Edit::of(&action.operation), self.update(kind)) {
            (Some(_), Update::Put) => true,
            (Some(Edit::Values(changes)), Update::Patch) => {
                patch::needs_current(&self.form, kind, changes)
            }
            (Some(Edit::AddMembers(_)), Update::Patch) => self.form.member_add == MemberAdd::All,
            (
                None | Some(Edit::Reference(..) | Edit::AddReference(..) | Edit::RemoveMembers(_)),
                _,
            ) => false,
        }
    }

    /// Whether the target is known to take several requests in one.
    pub(crate) fn is_bulk(&self) -> bool {
        self.form.bulk == Bulk::On
    }

    /// How many members one request carries at most. A group that is replaced as a whole is sent whole.
    pub(crate) fn member_chunk(&self) -> usize {
        match self.groups {
            Update::Put => usize::MAX,
            Update::Patch => self.member_chunk,
        }
    }

    /// The requests that carry out the action, in order; as a rule one. None: there is nothing to send,
    /// because nothing is to change, the resource does not exist yet, or nothing that it refers to exists
    /// yet. References and members without a target id are left out.
    ///
    /// `current` is the resource as just read; it is used only where [`Self::needs_current`] says so.
    pub(crate) fn requests(
        &self,
        action: &Action,
        current: Option<&Current>,
    ) -> Result<Vec<Request>, Error> {
        let requests = self.untyped(action, current)?.into_iter();
        let media_type = self.form.content_type.as_str();
        Ok(requests.map(|one| one.typed(media_type)).collect())
    }

    fn untyped(&self, action: &Action, current: Option<&Current>) -> Result<Vec<Request>, Error> {
        let kind = action.subject.kind;
        if let Operation::Create {
            attributes,
            references,
            keys: _,
            via: _,
        } = &action.operation
        {
            let references = references
                .iter()
                .filter_map(|(path, new)| Some((path, new.target.as_ref()?)));
            let body = resource::body(kind, attributes, references, self.form.manager);
            return Ok(vec![Request::create(kind, wire::bytes(&body))]);
        }
        let Some(id) = &action.target else {
            return Ok(Vec::new());
        };
        if let Operation::Delete { .. } = &action.operation {
            return Ok(vec![Request::delete(kind, id)?]);
        }
        let Some(edit) = Edit::of(&action.operation) else {
            return Ok(Vec::new());
        };
        self.edited(kind, id, &edit, current)
    }

    /// The requests of an edit; likewise.
    pub(super) fn edit_requests(
        &self,
        kind: ObjectKind,
        id: &TargetId,
        edit: &Edit<'_>,
        current: Option<&Current>,
    ) -> Result<Vec<Request>, Error> {
        let requests = self.edited(kind, id, edit, current)?.into_iter();
        let media_type = self.form.content_type.as_str();
        Ok(requests.map(|one| one.typed(media_type)).collect())
    }

    pub(super) fn form(&self) -> &Form {
        &self.form
    }

    /// The same with other knobs, for a target that shows nothing of what it wants.
    #[must_use]
    pub(super) fn with(mut self, change: impl FnOnce(&mut Form)) -> Self {
        change(&mut self.form);
        self
    }

    fn edited(
        &self,
        kind: ObjectKind,
        id: &TargetId,
        edit: &Edit<'_>,
        current: Option<&Current>,
    ) -> Result<Vec<Request>, Error> {
        if self.update(kind) == Update::Put {
            let current = current.ok_or(Error::NotRead)?;
            let body = whole::edited(kind, current, edit, self.form.manager)?;
            return Ok(vec![Request::replace(
                kind,
                id,
                wire::bytes(&body),
                current.version(),
            )?]);
        }
        let operations = patch::operations(kind, edit, &self.form, current)?;
        let about = match edit {
            Edit::AddMembers(_) => About::AddedMembers,
            Edit::Values(_)
            | Edit::Reference(..)
            | Edit::AddReference(..)
            | Edit::RemoveMembers(_) => About::Object,
        };
        let at_once = match self.form.patch_operations {
            PatchOperations::Together => operations.len().max(1),
            PatchOperations::One => 1,
        };
        let requests = operations.chunks(at_once);
        requests
            .map(|some| Request::patch(kind, id, wire::patch(some), about))
            .collect()
    }

    /// What of an action a resource shows not to be done; the resource was read or returned after the
    /// request.
    pub(crate) fn undone(action: &Action, shown: &Shown) -> Undone {
        match Edit::of(&action.operation) {
            Some(edit) => whole::undone(action.subject.kind, &shown.0, &edit),
            None => Undone::default(),
        }
    }

    /// The way in which members are taken out of groups.
    pub(crate) fn removal(&self) -> String {
        let how = match self.groups {
            Update::Put => Update::Put.as_str(),
            Update::Patch => self.form.member_remove.as_str(),
        };
        format!("{OUT}{how}")
    }

    /// What it shows of a target that a way was seen to work, where it is about members.
    pub(crate) fn taught_by(way: &str) -> Option<Learned> {
        if way.starts_with(IN) {
            Some(Learned::AdditionsWork)
        } else if way.starts_with(KEPT) {
            Some(Learned::OthersStay)
        } else {
            let form = way.strip_prefix(OUT)?.to_owned();
            Some(Learned::RemovalsWork { form })
        }
    }

    /// The way in which members are added to a group that has others; `None`: all of them are sent.
    pub(crate) fn addition(&self) -> Option<String> {
        match (self.groups, self.form.member_add) {
            (Update::Patch, MemberAdd::New) => {
                Some(format!("{KEPT}{}", self.form.patch_path.as_str()))
            }
            (Update::Put, _) | (Update::Patch, MemberAdd::All) => None,
        }
    }

    #[must_use]
    pub(crate) fn adding_members_by(self, form: MemberAdd) -> Self {
        self.with(|own| own.member_add = form)
    }

    /// Whether a group is created with one of its members, because the target takes none without.
    pub(crate) fn creates_with_member(&self) -> bool {
        self.form.group_create == GroupCreate::WithMember
    }

    pub(crate) fn member_remove(&self) -> MemberRemove {
        self.form.member_remove
    }

    #[must_use]
    pub(crate) fn removing_members_by(self, form: MemberRemove) -> Self {
        self.with(|own| own.member_remove = form)
    }

    /// In which ways the target is made to change something by this action, each of which is read back once.
    /// One for each attribute, as some targets take a few without effect.
    pub(crate) fn ways(&self, action: &Action) -> BTreeSet<String> {
        let kind = action.subject.kind;
        let update = self.update(kind);
        let is_patch = update == Update::Patch;
        let form = &self.form;
        let way = |what: &str, path: &TargetPath, word: &str| match update {
            Update::Patch => format!("{kind} {what} {path} {word} {}", form.patch_path.as_str()),
            Update::Put => format!("{kind} put {path}"),
        };
        let mut ways: BTreeSet<String> = match Edit::of(&action.operation) {
            Some(Edit::Values(changes)) => changes
                .iter()
                .map(|change| {
                    let path = &change.path;
                    if change.new.is_none() {
                        way("clear", path, form.clear.as_str())
                    } else if path.selector().is_some() {
                        way("element", path, form.value_paths.as_str())
                    } else if path.schema().is_some() {
                        way("extension", path, form.extensions.as_str())
                    } else if path.sub_attribute().is_some() {
                        way("sub-attribute", path, form.sub_attributes.as_str())
                    } else {
                        way("attribute", path, form.booleans.as_str())
                    }
                })
                .collect(),
            Some(Edit::Reference(path, Some(_)) | Edit::AddReference(path, _)) => {
                BTreeSet::from([way("reference", path, form.manager.as_str())])
            }
            Some(Edit::Reference(path, None)) => {
                BTreeSet::from([way("cleared reference", path, form.clear.as_str())])
            }
            Some(Edit::AddMembers(_)) if is_patch => {
                BTreeSet::from([format!("{IN}{}", form.patch_path.as_str())])
            }
            Some(Edit::AddMembers(_) | Edit::RemoveMembers(_)) if !is_patch => {
                BTreeSet::from([format!("{kind} put members")])
            }
            // Members are read back by the code that knows which there were.
            None | Some(Edit::AddMembers(_) | Edit::RemoveMembers(_)) => BTreeSet::new(),
        };
        if takes_access(&action.operation) && !ways.is_empty() {
            ways.insert(format!("{OFF}{}", update.as_str()));
        }
        ways
    }

    /// Whether what was seen of this way counts for one cycle only: whether a user lost access is looked at anew.
    pub(crate) fn is_seen_each_cycle(way: &str) -> bool {
        way.starts_with(OFF)
    }
}

/// The next way to clear a value; `None` after the last.
fn cleared(form: &mut Form) -> Option<Lesson> {
    form.clear = match form.clear {
        Clear::Remove => Clear::Null,
        Clear::Null => Clear::Empty,
        Clear::Empty => return None,
    };
    Some(Lesson::guess("clear", form.clear.as_str()))
}

fn takes_access(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Disable { .. } | Operation::HandOver(_)
    )
}

/// A resource as the target returned it after a write, or showed it then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown(pub(super) wire::Resource);

impl Shown {
    pub(crate) fn value(&self, kind: ObjectKind, path: &TargetPath) -> Option<Value> {
        resource::value(kind, &self.0, path)
    }

    /// The texts that it shows at other paths.
    pub(crate) fn other_texts(&self, path: &TargetPath) -> Vec<&str> {
        whole::other_texts(&self.0, path)
    }
}

/// What a resource shows not to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Undone {
    /// Paths that show something else than was sent, and no other value of ours.
    pub(crate) paths: Vec<TargetPath>,
    /// Paths that show nothing, though something was sent. Some targets do not show everything.
    pub(crate) absent: Vec<TargetPath>,
}

/// What is done to a resource that exists and goes on existing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit<'a> {
    Values(&'a [Change]),
    Reference(&'a TargetPath, Option<&'a TargetId>),
    /// Where none is.
    AddReference(&'a TargetPath, &'a TargetId),
    /// Neither is ever empty: a `remove` of `members` with an empty list would take out everyone.
    AddMembers(Vec<&'a TargetId>),
    RemoveMembers(Vec<&'a TargetId>),
}

impl<'a> Edit<'a> {
    /// `None`: nothing is left to be done, or it is no edit.
    fn of(operation: &'a Operation) -> Option<Self> {
        match operation {
            Operation::Create { .. } | Operation::Delete { .. } => None,
            Operation::Adopt { changes, .. }
            | Operation::Update { changes }
            | Operation::Enable { changes }
            | Operation::Disable { changes, .. } => {
                (!changes.is_empty()).then_some(Self::Values(changes))
            }
            // What follows are requests of their own.
            Operation::HandOver(hand) => {
                (!hand.disable.is_empty()).then_some(Self::Values(&hand.disable))
            }
            Operation::SetReference { path, old: _, new } => Some(match new {
                Pointer::Cleared(_) => Self::Reference(path, None),
                Pointer::To(new) => Self::Reference(path, Some(new.target.as_ref()?)),
                Pointer::Added(new) => Self::AddReference(path, new.target.as_ref()?),
            }),
            Operation::AddMembers { members } => {
                let ids = members.iter().filter_map(|member| member.target.as_ref());
                let ids: Vec<_> = ids.collect();
                (!ids.is_empty()).then_some(Self::AddMembers(ids))
            }
            Operation::RemoveMembers { members, .. } => {
                let ids = members.iter().filter_map(|member| member.target.as_ref());
                let ids: Vec<_> = ids.collect();
                (!ids.is_empty()).then_some(Self::RemoveMembers(ids))
            }
        }
    }
}
