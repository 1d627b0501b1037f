//! A small world for the planner: people and groups, what was sent to the target, and the plan
//! that follows, one line an action.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;

use super::planned::Plan;
use crate::engine::expr::Expression;
use crate::engine::filter::Filter;
use crate::engine::guard::{self, Verdict};
use crate::engine::job::{
    Actions, GroupObjects, Job, Limit, Limits, Rules, Safety, Scope, ScopeMode, WhenOutOfScope,
};
use crate::engine::mapping::{Apply, Environment, Mapping, Mappings, OnEmpty, Source};
use crate::engine::model::{
    AppRole, Attributes, Complete, Grant, Held, HeldReference, JobName, Key, Link, MatchKey,
    ObjectKind, Origin, Presence, References, SourceId, SourceNumber, SourceObject, TargetId,
    TargetObject, TargetPath, Value, Via, schema,
};
use crate::engine::names::Naming;
use crate::engine::plan::{
    Candidate, Change, Count, Found, Manager, Member, Operation, Order, Pending, Planner, Reading,
    Referenced, SentMember, Subject, Warning, by_reference,
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
    pub(super) member_chunk: usize,
}

/// One user or group with everything around it.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) object: SourceObject,
    pub(super) assigned: bool,
    /// The roles that come with the assignment, by their value.
    pub(super) roles: Vec<String>,
    pub(super) link: Option<Link>,
    pub(super) found: Found,
    pub(super) members: BTreeSet<SourceId>,
    pub(super) sent_members: BTreeSet<SourceId>,
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
        on_drift: None,
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
        exceptions: Vec::new(),
        create_blocked: false,
        delete_after: None,
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
                nested_members: true,
                safety: Safety::default(),
                limits: Limits {
                    max_deletions: Some(Limit::Count(500)),
                    max_membership_removals: None,
                    max_creations: None,
                    min_active: None,
                },
            },
            objects: BTreeMap::new(),
            incomplete: None,
            taken: BTreeSet::new(),
            doubts: BTreeSet::new(),
            member_chunk: 100,
        }
    }

    fn put(&mut self, kind: ObjectKind, id: &str, attributes: &[(&str, Value)]) {
        let mut values = Attributes::default();
        for (name, value) in attributes {
            values.set(*name, value.clone());
        }
        let person = Person {
            object: SourceObject {
                key: Key::new(u32::try_from(self.objects.len() + 1).unwrap()),
                kind,
                source: SourceNumber::FIRST,
                id: SourceId::new(id),
                presence: Presence::Present,
                attributes: values,
            },
            assigned: true,
            roles: vec!["User".to_owned()],
            link: None,
            found: Found::None,
            members: BTreeSet::new(),
            sent_members: BTreeSet::new(),
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
        self.plan_in_order(|_| {})
    }

    /// The plan, where `arrange` may change the order of the objects of each rank.
    pub(super) fn plan_in_order(&self, mut arrange: impl FnMut(&mut Vec<Key>)) -> Plan {
        let mut planner = self.planner();
        let mut decisions = Vec::new();
        for kind in ObjectKind::ALL {
            let keys = self.keys(kind);
            let Order { ranked, circular } = by_reference(&keys, &self.managers());
            planner.circular(circular);
            for rank in ranked.chunk_by(|(one, _), (other, _)| one == other) {
                let mut keys: Vec<Key> = rank.iter().map(|(_, key)| *key).collect();
                arrange(&mut keys);
                planner.rank(rank[0].0);
                self.decide(&mut planner, &keys);
                decisions.extend(planner.take());
            }
            let again = planner.second_look();
            self.decide(&mut planner, &again);
            planner.end_second_look();
            decisions.extend(planner.take());
        }
        for group in planner.groups_to_compare() {
            let group = self.person(group);
            if let Found::One { object, .. } = &group.found
                && let Some(shown) = &object.members
            {
                let linked = self.objects.values().filter(|one| {
                    let target = one.link.as_ref().map(|link| &link.target);
                    target.is_some_and(|target| shown.contains(target))
                });
                let members = linked.map(|one| one.object.key).collect();
                planner.shown_members(group.object.key, members);
            }
            for id in group.members.union(&group.sent_members) {
                planner.member(group.object.key, self.member(group, id));
            }
        }
        planner.close_groups();
        decisions.extend(planner.take());
        let (mut linked, mut in_scope) = (Count::default(), Count::default());
        for person in self.objects.values() {
            let Some(link) = &person.link else { continue };
            linked.add(person.object.kind);
            if link.in_scope {
                in_scope.add(person.object.kind);
            }
        }
        let mut header = planner.finish(linked, in_scope);
        decisions.extend(planner.take());
        header.warnings = self.warnings(&planner);
        let ids = self.objects.iter();
        let ids = ids.map(|(id, person)| (person.object.key, id.clone()));
        Plan::new(header, decisions, ids.collect())
    }

    fn decide(&self, planner: &mut Planner<'_>, keys: &[Key]) {
        let candidates = keys.iter().map(|key| self.candidate(self.person(*key)));
        let pending: Vec<Pending> = candidates.filter_map(|one| planner.begin(one)).collect();
        for key in self.asked_for(&pending) {
            if self.taken.contains(&key.value) {
                planner.note_taken(ObjectKind::User, &key);
            }
        }
        for one in pending {
            let person = self.person(one.candidate().object.key);
            let holder = match &person.found {
                Found::One { linked_by, .. } => {
                    linked_by.map(|key| self.candidate(self.person(key)))
                }
                _ => None,
            };
            let found = match &person.found {
                Found::One { key, object, .. }
                    if planner.is_given_up(person.object.kind, key, &object.id) =>
                {
                    Found::None
                }
                found => found.clone(),
            };
            planner.resume(one, found, holder.as_ref());
        }
    }

    /// The objects of a kind, in the order in which they were put into the world.
    fn keys(&self, kind: ObjectKind) -> Vec<Key> {
        let of_kind = self.objects.values().map(|one| &one.object);
        let of_kind = of_kind.filter(|object| object.kind == kind);
        let mut keys: Vec<Key> = of_kind.map(|object| object.key).collect();
        keys.sort_unstable();
        keys
    }

    fn managers(&self) -> Vec<(Key, Key)> {
        let pairs = self
            .objects
            .values()
            .filter_map(|one| Some((one.object.key, self.manager(one)?.object.key)));
        pairs.collect()
    }

    fn manager(&self, person: &Person) -> Option<&Person> {
        match person.object.attributes.value("manager") {
            Some(Value::Reference(id)) => self.objects.get(id),
            _ => None,
        }
    }

    fn person(&self, key: Key) -> &Person {
        let mut all = self.objects.values();
        all.find(|one| one.object.key == key).unwrap()
    }

    fn member(&self, group: &Person, id: &SourceId) -> Member {
        let Person { object, link, .. } = &self.objects[id];
        Member {
            key: object.key,
            kind: object.kind,
            in_source: group.members.contains(id),
            sent: if group.sent_members.contains(id) {
                SentMember::Yes
            } else {
                SentMember::No
            },
            in_scope: link.as_ref().is_some_and(|link| link.in_scope),
        }
    }

    fn warnings(&self, planner: &Planner<'_>) -> Vec<Warning> {
        let warn = |key: Key| {
            let person = self.person(key);
            let groups = self.objects.values();
            let sent: Vec<Key> = groups
                .filter(|group| group.sent_members.contains(&person.object.id))
                .map(|group| group.object.key)
                .collect();
            let groups = planner.several_groups(key, &sent)?;
            let groups = groups.iter().map(|key| &self.person(*key).object);
            Some(Warning::SeveralGroups {
                person: Subject::of(&person.object),
                groups: groups.map(Subject::of).collect(),
            })
        };
        planner.people_in_groups().filter_map(warn).collect()
    }

    fn asked_for(&self, pending: &[Pending]) -> Vec<MatchKey> {
        let not_found = pending
            .iter()
            .filter(|one| self.person(one.candidate().object.key).found == Found::None);
        not_found
            .flat_map(|one| one.unique_values().to_vec())
            .collect()
    }

    /// The values of people that the target is asked for before the plan is made.
    pub(super) fn asks(&self) -> Vec<MatchKey> {
        let mut planner = self.planner();
        let keys = self.keys(ObjectKind::User);
        let candidates = keys.iter().map(|key| self.candidate(self.person(*key)));
        let pending: Vec<Pending> = candidates.filter_map(|one| planner.begin(one)).collect();
        self.asked_for(&pending)
    }

    fn planner(&self) -> Planner<'_> {
        let environment = Environment {
            now: DateTime::UNIX_EPOCH,
            random: &|_, _, _| 4,
            default_domain: None,
        };
        let reading = match &self.incomplete {
            Some(why) => Reading::Incomplete(why.clone()),
            None => Reading::Complete(Complete::after_last_page(())),
        };
        let doubts = self.doubts.iter();
        let doubts = doubts.map(|list| (*list, format!("a name in {} means nothing", list.key())));
        Planner::new(&self.job, environment, reading, self.member_chunk).doubting(doubts.collect())
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
            manager: self.manager(person).map(|manager| Manager {
                key: manager.object.key,
                id: manager.object.id.clone(),
                target: manager.link.as_ref().map(|link| link.target.clone()),
            }),
            link: person.link.clone(),
            withheld: BTreeSet::new(),
        }
    }

    pub(super) fn review(&self, plan: &Plan) -> Verdict {
        let census = guard::Census::of(&plan.header, &plan.totals());
        guard::review(&census, &self.job.limits)
    }

    /// What recording the outcomes of a plan does to the state, when every action succeeds.
    pub(super) fn carry_out(&mut self, plan: &Plan) {
        for person in self.objects.values_mut() {
            person.found = Found::None;
        }
        for (group, member) in plan.existing_members() {
            let member = plan.id(member).clone();
            self.at(plan.id(group).as_str()).sent_members.insert(member);
        }
        for action in plan.actions() {
            let id = &action.subject.id;
            match &action.operation {
                Operation::Create {
                    attributes,
                    references,
                    ..
                } => {
                    let mut sent = References::new();
                    for (path, new) in references {
                        sent.insert(path.clone(), self.linked(plan, new));
                    }
                    let held = Held {
                        values: attributes.clone(),
                        references: sent,
                    };
                    self.link(id, TargetId::new(format!("t-{id}")), held);
                }
                Operation::Adopt {
                    current, changes, ..
                } => {
                    let mut sent = current.clone();
                    merge(&mut sent.values, changes);
                    let target = action.target.clone().expect("an adoption has one");
                    self.link(id, target, sent);
                }
                Operation::Update { changes, .. }
                | Operation::Enable { changes, .. }
                | Operation::Disable { changes, .. } => {
                    let person = self.at(id.as_str());
                    merge(&mut person.link.as_mut().unwrap().sent, changes);
                }
                Operation::HandOver(hand) => {
                    let mut held = Held {
                        values: hand.current.clone(),
                        references: References::new(),
                    };
                    merge(&mut held.values, &hand.changes);
                    merge(&mut held.values, &hand.enable);
                    for person in self.objects.values_mut() {
                        person.sent_members.remove(id);
                    }
                    self.at(id.as_str()).link = None;
                    let target = action.target.clone().expect("it is an account");
                    self.link(&hand.to.id, target, held);
                }
                Operation::Delete { .. } => {
                    let person = self.at(id.as_str());
                    person.link = None;
                    person.sent_members.clear();
                }
                Operation::AddMembers { members, .. } => {
                    for member in members {
                        self.linked(plan, member);
                        let member = plan.id(member.key).clone();
                        self.at(id.as_str()).sent_members.insert(member);
                    }
                }
                Operation::RemoveMembers { members, .. } => {
                    for member in members {
                        let member = plan.id(member.key);
                        self.at(id.as_str()).sent_members.remove(member);
                    }
                }
                Operation::SetReference { path, new, .. } => {
                    let new = new.referenced().map(|new| self.linked(plan, new));
                    let sent = &mut self.at(id.as_str()).link.as_mut().unwrap().references;
                    match new {
                        Some(new) => sent.insert(path.clone(), new),
                        None => sent.remove(path),
                    };
                }
            }
        }
        for (key, in_scope) in plan.scope_changes() {
            if let Some(link) = &mut self.at(plan.id(key).as_str()).link {
                link.in_scope = in_scope;
            }
        }
    }

    /// A reference as it is sent. What it leads to must be in the target by then.
    fn linked(&self, plan: &Plan, referenced: &Referenced) -> HeldReference {
        let id = plan.id(referenced.key);
        let link = self.objects[id].link.as_ref();
        let target = &link.expect("it is created before").target;
        let known = referenced.target.as_ref();
        assert!(known.is_none_or(|known| known == target), "{id}");
        HeldReference {
            target: target.clone(),
            source: Some(id.clone()),
        }
    }

    fn link(&mut self, id: &SourceId, target: TargetId, held: Held) {
        self.at(id.as_str()).link = Some(Link {
            target,
            sent: held.values,
            references: held.references,
            in_scope: true,
            unconfirmed: false,
            origin: Origin::Found,
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
