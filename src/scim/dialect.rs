//! How one target takes its changes: an action as the request that makes it. Pure, so that a plan can
//! list what will be sent.

use super::error::{About, Error};
use super::request::Request;
use super::whole::{self, Current};
use super::{patch, resource, wire};
use reqwest::Method;

use crate::config::{self, ContentType, Form, Update, UpdateGroups};
use crate::engine::model::{ObjectKind, TargetId, TargetPath};
use crate::engine::plan::{Action, Change, Operation, Pointer};

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
}

impl Lesson {
    fn new(knob: &'static str, word: &'static str) -> Self {
        Self { knob, word }
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
    /// | 405 or 501 to PATCH, or to PUT | the other of the two |
    /// | 415 | plain JSON |
    ///
    /// 428 to PATCH is no sign: what it requires (`If-Match`), a PUT would need too.
    pub(crate) fn after(self, kind: ObjectKind, error: &Error) -> Option<(Self, Lesson)> {
        let mut next = self;
        let (update, refused, name) = match kind {
            ObjectKind::User => (&mut next.users, &mut next.refused[0], "update"),
            ObjectKind::Group => (&mut next.groups, &mut next.refused[1], "update_groups"),
        };
        let lesson = if error.is_method_refused(&Method::PATCH) && !*refused {
            (*update, *refused) = (Update::Put, true);
            Lesson::new(name, Update::Put.as_str())
        } else if error.is_method_refused(&Method::PUT) && !*refused {
            (*update, *refused) = (Update::Patch, true);
            Lesson::new(name, Update::Patch.as_str())
        } else if error.is_type_refused() && self.form.content_type == ContentType::Scim {
            next.form.content_type = ContentType::Json;
            Lesson::new("content_type", ContentType::Json.as_str())
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
        match &action.operation {
            Operation::Create { .. } | Operation::Delete { .. } => false,
            Operation::Adopt { changes, .. }
            | Operation::Update { changes }
            | Operation::Enable { changes }
            | Operation::Disable { changes, .. } => {
                !changes.is_empty() && self.update(action.subject.kind) == Update::Put
            }
            Operation::HandOver(hand) => {
                !hand.disable.is_empty() && self.update(action.subject.kind) == Update::Put
            }
            Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. }
            | Operation::SetReference { .. } => self.update(action.subject.kind) == Update::Put,
        }
    }

    /// How many members one request carries at most. A group that is replaced as a whole is sent whole.
    pub(crate) fn member_chunk(&self) -> usize {
        match self.groups {
            Update::Put => usize::MAX,
            Update::Patch => self.member_chunk,
        }
    }

    /// The request that carries out the action. `None`: there is nothing to send, because nothing is to
    /// change, the resource does not exist yet, or nothing that it refers to exists yet. References and
    /// members without a target id are left out.
    ///
    /// `current` is the resource as just read; it is used only where [`Self::needs_current`] says so.
    pub(crate) fn request(
        &self,
        action: &Action,
        current: Option<&Current>,
    ) -> Result<Option<Request>, Error> {
        let request = self.untyped(action, current)?;
        Ok(request.map(|request| request.typed(self.form.content_type.as_str())))
    }

    fn untyped(
        &self,
        action: &Action,
        current: Option<&Current>,
    ) -> Result<Option<Request>, Error> {
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
            let body = resource::body(kind, attributes, references);
            return Ok(Some(Request::create(kind, wire::bytes(&body))));
        }
        let Some(id) = &action.target else {
            return Ok(None);
        };
        if let Operation::Delete { .. } = &action.operation {
            return Request::delete(kind, id).map(Some);
        }
        let Some(edit) = Edit::of(&action.operation) else {
            return Ok(None);
        };
        if self.update(kind) == Update::Put {
            let current = current.ok_or(Error::NotRead)?;
            let body = whole::edited(kind, current, &edit)?;
            return Request::replace(kind, id, wire::bytes(&body)).map(Some);
        }
        let operations = patch::operations(kind, &edit, self.form.member_remove);
        if operations.is_empty() {
            return Ok(None);
        }
        let about = match edit {
            Edit::AddMembers(_) => About::AddedMembers,
            Edit::Values(_)
            | Edit::Reference(..)
            | Edit::AddReference(..)
            | Edit::RemoveMembers(_) => About::Object,
        };
        Request::patch(kind, id, wire::patch(&operations), about).map(Some)
    }
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;
    use crate::config::{Filterable, Knobs};
    use crate::engine::model::{Complete, Key, SourceId, Value};
    use crate::engine::plan::{ElementChange, Proof, Referenced, Subject, WhyRemoved, WriteMode};

    const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";

    fn dialect() -> Dialect {
        Dialect::new(&config::DialectSettings {
            filterable: Filterable::default(),
            member_chunk: 2,
            page_size: Some(10),
            knobs: Knobs::default(),
        })
    }

    fn action(kind: ObjectKind, target: Option<&str>, operation: Operation) -> Action {
        Action {
            subject: Subject {
                kind,
                key: Key::default(),
                id: SourceId::new("s"),
                label: "label".to_owned(),
            },
            target: target.map(TargetId::new),
            operation,
        }
    }

    fn new(target: Option<&str>) -> Referenced {
        Referenced {
            key: Key::new(1),
            target: target.map(TargetId::new),
        }
    }

    fn add(members: &[Option<&str>]) -> Action {
        let members = members.iter().copied().map(new).collect();
        let operation = Operation::AddMembers { members };
        action(ObjectKind::Group, Some("g/1"), operation)
    }

    fn remove(members: &[&str]) -> Action {
        let members = members.iter().map(|id| new(Some(id))).collect();
        let proof = proof();
        let operation = Operation::RemoveMembers { members, proof };
        action(ObjectKind::Group, Some("g/1"), operation)
    }

    fn rename(kind: ObjectKind) -> Action {
        let changes = vec![Change {
            path: TargetPath::parse("displayName").unwrap(),
            old: Some(Value::text("old")),
            new: Some(Value::text("new")),
            element: ElementChange::None,
            written: WriteMode::Whole,
        }];
        action(kind, Some("g/1"), Operation::Update { changes })
    }

    fn proof() -> Proof {
        Proof::of_reading(&Complete::after_last_page(()))
    }

    fn set_manager(new: Option<Referenced>) -> Action {
        let path = TargetPath::parse(MANAGER).unwrap();
        let new = new.map_or(Pointer::Cleared(proof()), Pointer::To);
        let operation = Operation::SetReference {
            path,
            old: None,
            new,
        };
        action(ObjectKind::User, Some("u1"), operation)
    }

    fn create(manager: Option<&str>) -> Action {
        let name = TargetPath::parse("userName").unwrap();
        let operation = Operation::Create {
            attributes: BTreeMap::from([(name, Value::text("anna"))]),
            references: vec![(TargetPath::parse(MANAGER).unwrap(), new(manager))],
            keys: Vec::new(),
            via: Vec::new(),
        };
        action(ObjectKind::User, None, operation)
    }

    fn line(action: &Action) -> String {
        match dialect().request(action, None).unwrap() {
            Some(Request {
                method, path, body, ..
            }) => {
                let body = String::from_utf8(body.unwrap_or_else(|| vec![b'-'])).unwrap();
                let body = body.replace("urn:ietf:params:scim:", "");
                format!("{method} {path} {body}")
            }
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn an_action_is_one_request() {
        let why = WhyRemoved::Deleted;
        let actions = [
            create(Some("m1")),
            create(None),
            rename(ObjectKind::Group),
            set_manager(Some(new(Some("m1")))),
            set_manager(None),
            add(&[Some("a"), None, Some("b")]),
            remove(&["a"]),
            action(
                ObjectKind::User,
                Some("u1"),
                Operation::Delete {
                    why,
                    proof: proof(),
                },
            ),
        ];
        insta::assert_snapshot!(actions.each_ref().map(line).join("\n"), @r#"
        POST /Users {"schemas":["schemas:core:2.0:User","schemas:extension:enterprise:2.0:User"],"schemas:extension:enterprise:2.0:User":{"manager":{"value":"m1"}},"userName":"anna"}
        POST /Users {"schemas":["schemas:core:2.0:User"],"userName":"anna"}
        PATCH /Groups/g%2F1 {"schemas":["api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"displayName","value":"new"}]}
        PATCH /Users/u1 {"schemas":["api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"schemas:extension:enterprise:2.0:User:manager","value":{"value":"m1"}}]}
        PATCH /Users/u1 {"schemas":["api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"schemas:extension:enterprise:2.0:User:manager"}]}
        PATCH /Groups/g%2F1 {"schemas":["api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":"a"},{"value":"b"}]}]}
        PATCH /Groups/g%2F1 {"schemas":["api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"members[value eq \"a\"]"}]}
        DELETE /Users/u1 -
        "#);
    }

    #[test]
    fn what_is_left_of_nothing_is_not_sent() {
        let update = Operation::Update {
            changes: Vec::new(),
        };
        for action in [
            add(&[]),
            add(&[None]),
            remove(&[]),
            set_manager(Some(new(None))),
            action(ObjectKind::User, Some("u1"), update),
            Action {
                target: None,
                ..rename(ObjectKind::User)
            },
        ] {
            assert_eq!(dialect().request(&action, None).unwrap(), None);
            let put = dialect()
                .with_put(ObjectKind::User)
                .with_put(ObjectKind::Group);
            assert_eq!(put.request(&action, None).unwrap(), None);
        }
    }

    #[test]
    fn members_are_sent_in_chunks_but_by_put_at_once() {
        assert_eq!(dialect().member_chunk(), 2);
        assert_eq!(dialect().with_put(ObjectKind::User).member_chunk(), 2);
        let put = dialect().with_put(ObjectKind::Group);
        assert_eq!(put.member_chunk(), usize::MAX);
    }

    #[test]
    fn a_put_needs_the_resource_as_it_is() {
        let put = dialect().with_put(ObjectKind::Group);
        assert!(put.needs_current(&rename(ObjectKind::Group)));
        assert!(!put.needs_current(&rename(ObjectKind::User)));
        assert!(!put.needs_current(&create(None)));
        let request = put.request(&rename(ObjectKind::Group), None);
        assert!(matches!(request, Err(Error::NotRead)));

        let group = json!({"id": "g/1", "displayName": "old", "members": [{"value": "a"}]});
        let current = Current::new(group.as_object().unwrap().clone(), true);
        let request = put.request(&rename(ObjectKind::Group), Some(&current));
        assert!(matches!(request, Err(Error::MembersUnknown(_))));
        let known = BTreeSet::from([TargetId::new("a")]);
        let current = current.with_members(&known, false).unwrap();
        let request = put.request(&rename(ObjectKind::Group), Some(&current));
        let request = request.unwrap().unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("PUT", "/Groups/g%2F1")
        );
    }
}
