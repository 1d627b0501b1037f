//! A small world for the planner: people and groups, what the target was told of them, and the plan
//! that follows, one line an action.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;

use crate::engine::expr::{AppRole, Expression};
use crate::engine::filter::Filter;
use crate::engine::guard::{self, Approvals, Review};
use crate::engine::job::{
    Actions, GroupObjects, Job, Limit, Limits, Rules, Scope, ScopeMode, WhenOutOfScope,
};
use crate::engine::mapping::{Apply, Environment, Mapping, Mappings, OnEmpty, Source};
use crate::engine::model::{
    Attributes, Grant, Intent, JobName, Key, Link, MatchKey, ObjectKind, Presence, SourceId,
    SourceObject, TargetId, TargetObject, TargetPath, Value, Via, schema,
};
use crate::engine::names::Naming;
use crate::engine::plan::{
    Action, Candidate, Change, Count, Found, Member, Membership, Operation, Plan, Planned, Planner,
    Skipped, Subject, Warning,
};
use crate::engine::scope;

pub(super) struct World {
    pub(super) job: Job,
    pub(super) objects: BTreeMap<SourceId, Person>,
    pub(super) incomplete: Option<String>,
    /// Values that strangers in the target have.
    pub(super) taken: BTreeSet<Value>,
    /// Lists of names of which one means nothing.
    pub(super) doubts: BTreeSet<Naming>,
}

/// One user or group with everything around it.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) object: SourceObject,
    pub(super) assigned: bool,
    /// The roles that come with the assignment, by their value.
    pub(super) roles: Vec<String>,
    pub(super) link: Option<Link>,
    pub(super) intent: Option<Intent>,
    pub(super) found: Found,
    pub(super) members: BTreeSet<SourceId>,
    pub(super) sent_members: BTreeMap<SourceId, TargetId>,
}

pub(super) fn path(text: &str) -> TargetPath {
    TargetPath::parse(text).unwrap()
}

pub(super) fn mapping(kind: ObjectKind, target: &str, source: Source) -> Mapping {
    let target = path(target);
    let definition = schema::definition(kind, &target).unwrap();
    Mapping {
        source,
        default: None,
        matching: None,
        apply: Apply::Always,
        on_empty: OnEmpty::Clear,
        target_type: definition.target_type,
        multi_valued: definition.multi_valued,
        case_exact: definition.case_exact,
        required: definition.required,
        target,
    }
}

pub(super) fn attribute(name: &str) -> Source {
    Source::Attribute(name.to_owned())
}

fn rules(kind: ObjectKind, mappings: Vec<Mapping>) -> Rules {
    Rules {
        enabled: true,
        actions: Actions {
            create: true,
            update: true,
            delete: true,
        },
        when_out_of_scope: WhenOutOfScope::Disable,
        filter: Filter::default(),
        mappings: Mappings::new(kind, mappings),
    }
}

impl World {
    pub(super) fn new() -> Self {
        let active = r#"Switch([IsSoftDeleted], , "False", "True", "True", "False")"#;
        let active = Source::Expression(Box::new(Expression::compile(active).unwrap()));
        let user = |target: &str, source| mapping(ObjectKind::User, target, source);
        let mut users = vec![
            user("userName", attribute("userPrincipalName")),
            user("active", active),
            user("displayName", attribute("displayName")),
            user("emails[type eq \"work\"].value", attribute("mail")),
            user(
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
                attribute("manager"),
            ),
        ];
        users[0].matching = Some(1);
        let group = |target: &str, source| mapping(ObjectKind::Group, target, source);
        let mut groups = vec![
            group("displayName", attribute("displayName")),
            group("members", attribute("members")),
        ];
        groups[0].matching = Some(1);
        Self {
            job: Job {
                name: JobName::new("demo"),
                users: rules(ObjectKind::User, users),
                groups: rules(ObjectKind::Group, groups),
                scope: Scope {
                    mode: ScopeMode::Assigned,
                    nested_groups: false,
                    exclude: Vec::new(),
                    exclude_default_access: false,
                    group_objects: GroupObjects::InScope,
                },
                one_group_each: false,
                limits: Limits {
                    max_deletions: Limit::Count(500),
                },
            },
            objects: BTreeMap::new(),
            incomplete: None,
            taken: BTreeSet::new(),
            doubts: BTreeSet::new(),
        }
    }

    fn put(&mut self, kind: ObjectKind, id: &str, attributes: &[(&str, Value)]) {
        let mut values = Attributes::default();
        for (name, value) in attributes {
            values.set(*name, value.clone());
        }
        let person = Person {
            object: SourceObject {
                key: Key::default(),
                kind,
                id: SourceId::new(id),
                presence: Presence::Present,
                attributes: values,
            },
            assigned: true,
            roles: vec!["User".to_owned()],
            link: None,
            intent: None,
            found: Found::None,
            members: BTreeSet::new(),
            sent_members: BTreeMap::new(),
        };
        self.objects.insert(SourceId::new(id), person);
    }

    /// An assigned person `name` with the principal name `name@contoso.com`.
    pub(super) fn user(mut self, name: &str) -> Self {
        let address = Value::text(format!("{name}@contoso.com"));
        let attributes = [
            ("userPrincipalName", address.clone()),
            ("mail", address),
            ("displayName", Value::text(name)),
            ("accountEnabled", Value::Boolean(true)),
        ];
        self.put(ObjectKind::User, name, &attributes);
        self
    }

    /// An assigned group with these members.
    pub(super) fn group(mut self, name: &str, members: &[&str]) -> Self {
        let attributes = [
            ("displayName", Value::text(name)),
            ("securityEnabled", Value::Boolean(true)),
        ];
        self.put(ObjectKind::Group, name, &attributes);
        self.at(name).members = members.iter().map(|id| SourceId::new(*id)).collect();
        self
    }

    pub(super) fn at(&mut self, id: &str) -> &mut Person {
        self.objects.get_mut(&SourceId::new(id)).unwrap()
    }

    pub(super) fn set(&mut self, id: &str, name: &str, value: Value) {
        self.at(id).object.attributes.set(name, value);
    }

    /// Lets the target already agree with the source: carries out the plan, without a target.
    pub(super) fn agreed(mut self) -> Self {
        let plan = self.plan();
        self.carry_out(&plan);
        self
    }

    pub(super) fn plan(&self) -> Plan {
        self.planned().plan
    }

    pub(super) fn planned(&self) -> Planned {
        let mut planner = self.planner();
        let of_kind = |kind| {
            self.objects
                .values()
                .filter(move |one| one.object.kind == kind)
        };
        for value in self.asked_for(&planner) {
            if self.taken.contains(&value.value) {
                planner.take(ObjectKind::User, &value);
            }
        }
        for person in of_kind(ObjectKind::User) {
            let candidate = self.candidate(person);
            let found = Self::found(&planner, &candidate, person);
            planner.user(&candidate, found);
        }
        for person in of_kind(ObjectKind::Group) {
            let candidate = self.candidate(person);
            let found = Self::found(&planner, &candidate, person);
            planner.group(&candidate, found);
        }
        for person in of_kind(ObjectKind::Group) {
            let members = person.members.iter().map(|id| {
                let link = self.objects[id].link.as_ref();
                Member {
                    kind: self.objects[id].object.kind,
                    id: id.clone(),
                    target: link.map(|link| link.target.clone()),
                    in_scope: link.is_some_and(|link| link.in_scope),
                }
            });
            let membership = Membership {
                members: members.collect(),
                sent: person.sent_members.clone(),
            };
            planner.members(&person.object.id, membership);
        }
        let links = self.objects.values().filter_map(|person| {
            Some((
                person.object.id.clone(),
                person.link.as_ref()?.target.clone(),
            ))
        });
        let links: BTreeMap<SourceId, TargetId> = links.collect();
        let (mut linked, mut in_scope) = (Count::default(), Count::default());
        for person in self.objects.values() {
            let Some(link) = &person.link else { continue };
            linked.add(person.object.kind);
            if link.in_scope {
                in_scope.add(person.object.kind);
            }
        }
        let warnings = self.warnings(&planner);
        let mut made = planner.finish(&links, linked, in_scope);
        made.plan.warnings = warnings;
        made
    }

    fn warnings(&self, planner: &Planner<'_>) -> Vec<Warning> {
        let subject = |id: &SourceId| {
            let object = &self.objects[id].object;
            Subject {
                kind: object.kind,
                id: id.clone(),
                label: object.label().to_owned(),
            }
        };
        let warn = |person: &SourceId| {
            let groups = self.objects.values();
            let sent: Vec<SourceId> = groups
                .filter(|group| group.sent_members.contains_key(person))
                .map(|group| group.object.id.clone())
                .collect();
            Some(Warning::SeveralGroups {
                person: subject(person),
                groups: planner
                    .several_groups(person, &sent)?
                    .iter()
                    .map(subject)
                    .collect(),
            })
        };
        planner.people_in_groups().filter_map(warn).collect()
    }

    fn asked_for(&self, planner: &Planner<'_>) -> Vec<MatchKey> {
        let not_found = self.objects.values().filter(|one| one.found == Found::None);
        let asked = not_found.flat_map(|one| planner.unique_values(&self.candidate(one)));
        asked.collect()
    }

    /// The values of people that the target is asked for before the plan is made.
    pub(super) fn asks(&self) -> Vec<MatchKey> {
        self.asked_for(&self.planner())
    }

    fn planner(&self) -> Planner<'_> {
        let environment = Environment {
            now: DateTime::UNIX_EPOCH,
            random: &|_, _, _| 4,
            default_domain: None,
        };
        let doubts = self.doubts.iter();
        let doubts = doubts.map(|list| (*list, format!("a name in {} means nothing", list.key())));
        Planner::new(&self.job, environment, self.incomplete.clone()).doubting(doubts.collect())
    }

    fn found(planner: &Planner<'_>, candidate: &Candidate, person: &Person) -> Found {
        if planner.keys(candidate).is_empty() {
            Found::NotLooked
        } else {
            person.found.clone()
        }
    }

    fn candidate(&self, person: &Person) -> Candidate {
        // An assignment reaches the people in a group, not the groups in it.
        let in_groups: Vec<&SourceObject> = self
            .objects
            .values()
            .filter(|other| {
                person.object.kind == ObjectKind::User
                    && other.object.kind == ObjectKind::Group
                    && other.assigned
                    && other.object.presence == Presence::Present
                    && other.members.contains(&person.object.id)
            })
            .map(|group| &group.object)
            .collect();
        let counts = |group: &SourceObject| scope::why_without_effect(group).is_none();
        let vias = in_groups
            .iter()
            .filter(|group| counts(group))
            .map(|group| Via::Groups(vec![group.label().to_owned()]));
        let direct = (person.assigned && counts(&person.object)).then_some(Via::Direct);
        let assigned = in_groups.iter().copied();
        let mut assigned = assigned.chain(person.assigned.then_some(&person.object));
        let without_effect = assigned.find_map(scope::why_without_effect);
        let role = |value: &String| AppRole {
            id: format!("id of {value}"),
            value: Some(value.clone()),
            display_name: format!("The {value}"),
        };
        Candidate {
            object: person.object.clone(),
            without_effect,
            grants: vias
                .chain(direct)
                .flat_map(|via| {
                    person.roles.iter().map(move |value| Grant {
                        via: via.clone(),
                        role: Some(role(value)),
                    })
                })
                .collect(),
            groups: Vec::new(),
            link: person.link.clone(),
            intent: person.intent.clone(),
        }
    }

    pub(super) fn review(&self) -> Review {
        guard::review(self.plan(), &self.job.limits, &Approvals::default())
    }

    /// What recording the outcomes of a plan does to the state, when every action succeeds.
    pub(super) fn carry_out(&mut self, plan: &Plan) {
        for person in self.objects.values_mut() {
            person.found = Found::None;
        }
        for action in plan.actions() {
            let id = action.subject.id.clone();
            let target_of = |world: &Self, id: &SourceId| {
                world.objects[id].link.as_ref().unwrap().target.clone()
            };
            match &action.operation {
                Operation::Create {
                    attributes,
                    references,
                    ..
                } => {
                    let mut sent = attributes.clone();
                    for (path, new) in references {
                        target_of(self, &new.source);
                        sent.insert(path.clone(), Value::Reference(new.source.clone()));
                    }
                    self.link(&id, TargetId::new(format!("t-{id}")), sent);
                }
                Operation::Adopt {
                    current, changes, ..
                } => {
                    let mut sent = current.clone();
                    merge(&mut sent, changes);
                    let target = action.target.clone().expect("an adoption has one");
                    self.link(&id, target, sent);
                }
                Operation::Update { changes, .. }
                | Operation::Enable { changes, .. }
                | Operation::Disable { changes, .. } => {
                    let person = self.at(id.as_str());
                    merge(&mut person.link.as_mut().unwrap().sent, changes);
                }
                Operation::Delete { .. } => self.at(id.as_str()).link = None,
                Operation::AddMembers { members, .. } => {
                    for member in members {
                        let target = target_of(self, &member.source);
                        let group = self.at(id.as_str());
                        group.sent_members.insert(member.source.clone(), target);
                    }
                }
                Operation::RemoveMembers { members, .. } => {
                    for (member, _) in members {
                        self.at(id.as_str()).sent_members.remove(member);
                    }
                }
                Operation::SetReference { path, new, .. } => {
                    let sent = &mut self.at(id.as_str()).link.as_mut().unwrap().sent;
                    match new {
                        Some(new) => {
                            sent.insert(path.clone(), Value::Reference(new.source.clone()));
                        }
                        None => {
                            sent.remove(path);
                        }
                    }
                }
            }
        }
        let ids: Vec<SourceId> = self.objects.keys().cloned().collect();
        for id in ids {
            let person = &self.objects[&id];
            let belongs = !self.candidate(person).grants.is_empty()
                && person.object.presence == Presence::Present;
            if let Some(link) = &mut self.at(id.as_str()).link {
                link.in_scope = belongs;
            }
        }
    }

    fn link(&mut self, id: &SourceId, target: TargetId, sent: BTreeMap<TargetPath, Value>) {
        self.at(id.as_str()).link = Some(Link {
            target,
            sent,
            in_scope: true,
            unconfirmed: false,
        });
    }
}

fn merge(sent: &mut BTreeMap<TargetPath, Value>, changes: &[Change]) {
    for change in changes {
        match &change.new {
            Some(new) => sent.insert(change.path.clone(), new.clone()),
            None => sent.remove(&change.path),
        };
    }
}

/// A target object that a look-up by `userName` or `displayName` found.
pub(super) fn found(target: &str, key: &str, attributes: &[(&str, Value)]) -> Found {
    let attributes: BTreeMap<TargetPath, Value> = attributes
        .iter()
        .map(|(name, value)| (path(name), value.clone()))
        .collect();
    Found::One {
        key: MatchKey {
            path: path(key),
            value: attributes[&path(key)].clone(),
        },
        object: TargetObject {
            id: TargetId::new(target),
            attributes,
            members: None,
        },
        linked_by: None,
    }
}

/// One line an action, one line a skip.
pub(super) fn lines(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan.actions().map(line).collect();
    lines.extend(plan.skipped().map(|Skipped { subject, why }| {
        format!("skip {} {}: {}", subject.kind, subject.id, why.word())
    }));
    lines.extend(plan.warnings.iter().map(|warning| {
        let Warning::SeveralGroups { person, groups } = warning;
        let groups: Vec<_> = groups.iter().map(|group| group.id.as_str()).collect();
        format!("warn {}: {}", person.id, groups.join(", "))
    }));
    lines.join("\n")
}

fn line(action: &Action) -> String {
    let head = format!("{} {}", action.as_str(), action.subject.id);
    let target = || action.target.as_ref().map_or("", TargetId::as_str);
    let detail = match &action.operation {
        Operation::Create { references, .. } => {
            let with = references
                .iter()
                .map(|(_, new)| format!("with {}", new.source));
            with.collect::<Vec<_>>().join(", ")
        }
        Operation::Adopt { changes, .. } => format!("{} {}", target(), changed(changes)),
        Operation::Update { changes, .. }
        | Operation::Enable { changes, .. }
        | Operation::Disable { changes, .. } => changed(changes),
        Operation::Delete { .. } => target().to_owned(),
        Operation::AddMembers { members, .. } => {
            let ids = members.iter().map(|member| member.source.to_string());
            ids.collect::<Vec<_>>().join(", ")
        }
        Operation::RemoveMembers { members, .. } => {
            let ids = members.iter().map(|(id, _)| id.to_string());
            ids.collect::<Vec<_>>().join(", ")
        }
        Operation::SetReference { old, new, .. } => format!(
            "{} -> {}",
            old.as_ref().map_or("none", SourceId::as_str),
            new.as_ref().map_or("none", |new| new.source.as_str())
        ),
    };
    format!("{head} {detail}").trim_end().to_owned()
}

fn changed(changes: &[Change]) -> String {
    let show = |value: &Option<Value>| match value {
        None => "none".to_owned(),
        Some(Value::Text(text)) => text.to_string(),
        Some(Value::Boolean(value)) => value.to_string(),
        Some(other) => format!("{other:?}"),
    };
    let lines = changes.iter().map(|change| {
        let (old, new) = (show(&change.old), show(&change.new));
        format!("{}: {old} -> {new}", change.path)
    });
    lines.collect::<Vec<_>>().join("; ")
}
