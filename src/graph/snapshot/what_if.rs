//! Changes of the directory that are only supposed: what a plan would do if they were made.

use std::fmt;

use serde_json::Value;

use super::super::wire::{Entry, Reference, Removed};
use super::{Snapshot, place};
use crate::engine::model::{Assignment, DEFAULT_ACCESS_ROLE, ObjectKind, SourceId, nearest};

/// A change as it is typed: `remove-member "Sales EMEA" jane@contoso.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Supposed {
    verb: Verb,
    /// What it concerns, by id or name.
    objects: Vec<String>,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    AddMember,
    RemoveMember,
    Block,
    Unblock,
    Delete,
    Assign,
    Unassign,
}

impl Verb {
    const ALL: [(&'static str, Self, &'static str); 7] = [
        ("add-member", Self::AddMember, "GROUP USER"),
        ("remove-member", Self::RemoveMember, "GROUP USER"),
        ("block", Self::Block, "USER"),
        ("unblock", Self::Unblock, "USER"),
        ("delete", Self::Delete, "OBJECT"),
        ("assign", Self::Assign, "OBJECT [APPLICATION]"),
        ("unassign", Self::Unassign, "OBJECT [APPLICATION]"),
    ];
}

impl fmt::Display for Supposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Supposed {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut words = words(text)?.into_iter();
        let word = words.next().unwrap_or_default();
        let forms = || {
            let forms = Verb::ALL
                .iter()
                .map(|(word, _, objects)| format!("{word} {objects}"));
            forms.collect::<Vec<_>>().join(", ")
        };
        let known = Verb::ALL.into_iter().find(|(known, ..)| *known == word);
        let Some((_, verb, takes)) = known else {
            return Err(format!("{text:?}: start with one of: {}", forms()));
        };
        let objects: Vec<String> = words.collect();
        let fits = match verb {
            Verb::AddMember | Verb::RemoveMember => objects.len() == 2,
            Verb::Block | Verb::Unblock | Verb::Delete => objects.len() == 1,
            Verb::Assign | Verb::Unassign => matches!(objects.len(), 1 | 2),
        };
        if !fits {
            return Err(format!(
                "{text:?}: write {word} {takes}, and names with spaces in quotes"
            ));
        }
        Ok(Self {
            verb,
            objects,
            text: text.trim().to_owned(),
        })
    }
}

/// Words between spaces; what is in quotes is one.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err(format!("{text:?}: a quote is not closed"));
    }
    words.extend(word);
    Ok(words)
}

/// Why a change cannot be supposed.
pub(super) struct CannotSuppose {
    pub(super) words: String,
    /// The tenant has no such object.
    pub(super) is_absent: bool,
}

impl From<String> for CannotSuppose {
    fn from(words: String) -> Self {
        Self {
            words,
            is_absent: false,
        }
    }
}

impl Snapshot {
    /// The same with this change, as the delta queries would report it.
    pub(super) fn suppose(&mut self, change: &Supposed) -> Result<(), CannotSuppose> {
        self.try_suppose(change).map_err(|error| CannotSuppose {
            words: format!("{change}: {}", error.words),
            ..error
        })
    }

    fn try_suppose(&mut self, change: &Supposed) -> Result<(), CannotSuppose> {
        let Supposed {
            verb,
            objects,
            text: _,
        } = change;
        let first = objects.first().map_or("", String::as_str);
        let second = objects.get(1).map(String::as_str);
        match verb {
            Verb::AddMember | Verb::RemoveMember => {
                let (_, group) = self.find(first, &[ObjectKind::Group])?;
                let member = self.find(second.unwrap_or_default(), &ObjectKind::ALL);
                let (kind, id) = member?;
                let is_member = self.members.get(&group);
                let is_member = is_member.is_some_and(|all| all.contains(&(kind, id.clone())));
                let comes = *verb == Verb::AddMember;
                if is_member == comes {
                    return Err(CannotSuppose::from(if comes {
                        "it is already a member".to_owned()
                    } else {
                        "it is not a direct member of the group".to_owned()
                    }));
                }
                self.groups.push(Entry {
                    id: group.to_string(),
                    members: Some(vec![Reference {
                        odata_type: Some(format!("#microsoft.graph.{kind}")),
                        id: id.to_string(),
                        removed: (!comes).then(deleted),
                    }]),
                    ..Entry::default()
                });
            }
            Verb::Block | Verb::Unblock => {
                let (_, id) = self.find(first, &[ObjectKind::User])?;
                let is_enabled = *verb == Verb::Unblock;
                let property = ("accountEnabled".to_owned(), Value::Bool(is_enabled));
                self.users.push(Entry {
                    id: id.to_string(),
                    properties: vec![property],
                    ..Entry::default()
                });
            }
            Verb::Delete => {
                let (kind, id) = self.find(first, &ObjectKind::ALL)?;
                let entries = match kind {
                    ObjectKind::User => &mut self.users,
                    ObjectKind::Group => &mut self.groups,
                };
                entries.push(Entry {
                    id: id.to_string(),
                    removed: Some(Removed {
                        reason: Some("changed".to_owned()),
                    }),
                    ..Entry::default()
                });
                for (_, assignments) in &mut self.applications {
                    assignments.retain(|one| one.principal != id);
                }
            }
            Verb::Assign | Verb::Unassign => {
                let (kind, id) = self.find(first, &ObjectKind::ALL)?;
                let place = self.application(second)?;
                let (application, assignments) = &mut self.applications[place];
                let before = assignments.len();
                if *verb == Verb::Unassign {
                    assignments.retain(|one| one.principal != id);
                    if assignments.len() == before {
                        return Err("it is not assigned".to_owned().into());
                    }
                } else if assignments.iter().any(|one| one.principal == id) {
                    return Err("it is already assigned".to_owned().into());
                } else {
                    let role = application.roles.first();
                    let role = role.map_or(DEFAULT_ACCESS_ROLE, |role| role.id.as_str());
                    assignments.push(Assignment {
                        kind,
                        principal: id,
                        role: role.to_owned(),
                    });
                }
            }
        }
        self.present = Default::default();
        self.removed.clear();
        self.members.clear();
        Ok(self.index().map_err(|error| error.to_string())?)
    }

    /// The one object that a text means.
    fn find(
        &self,
        text: &str,
        kinds: &[ObjectKind],
    ) -> Result<(ObjectKind, SourceId), CannotSuppose> {
        let mut found = Vec::new();
        let mut names = Vec::new();
        for kind in kinds.iter().copied() {
            let (entries, properties): (_, &[&str]) = match kind {
                ObjectKind::User => (&self.users, &["userPrincipalName", "mail", "displayName"]),
                ObjectKind::Group => (&self.groups, &["displayName"]),
            };
            for entry in entries {
                let id = SourceId::new(entry.id.to_lowercase());
                if !self.present[place(kind)].contains(&id) {
                    continue;
                }
                let known = entry.properties.iter().filter_map(|(name, value)| {
                    properties
                        .contains(&name.as_str())
                        .then(|| value.as_str())?
                });
                let known: Vec<&str> = known.collect();
                let is_it = entry.id.eq_ignore_ascii_case(text)
                    || known.iter().any(|name| name.eq_ignore_ascii_case(text));
                if is_it && !found.contains(&(kind, id.clone())) {
                    found.push((kind, id));
                }
                names.extend(known);
            }
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => {
                let all = ObjectKind::ALL.as_slice();
                if kinds.len() < all.len()
                    && let Ok((kind, _)) = self.find(text, all)
                {
                    return Err(CannotSuppose::from(format!(
                        "{text:?} is a {kind}, and a {} is needed there",
                        kinds[0]
                    )));
                }
                let what = match kinds {
                    [kind] => kind.word(),
                    _ => "user or group",
                };
                let words = match nearest(text, names) {
                    Some(near) => format!("there is no {what} {text:?}; did you mean {near:?}?"),
                    None => format!(
                        "there is no {what} {text:?}: entrain source show finds one by any of its names"
                    ),
                };
                Err(CannotSuppose {
                    words,
                    is_absent: true,
                })
            }
            several => {
                let ids = several.iter().map(|(kind, id)| format!("{kind} {id}"));
                Err(CannotSuppose::from(format!(
                    "several objects are named {text:?}: give the id of one: {}",
                    ids.collect::<Vec<_>>().join(", ")
                )))
            }
        }
    }

    fn application(&self, text: Option<&str>) -> Result<usize, String> {
        let named = || {
            let names = self.applications.iter();
            let names = names.map(|(one, _)| format!("{:?}", one.display_name));
            names.collect::<Vec<_>>().join(", ")
        };
        match text {
            None if self.applications.len() == 1 => Ok(0),
            None => Err(format!("add the application: one of {}", named())),
            Some(text) => {
                let mut all = self.applications.iter();
                all.position(|(one, _)| {
                    [&one.id, &one.app_id, &one.display_name]
                        .iter()
                        .any(|name| name.eq_ignore_ascii_case(text))
                })
                .ok_or_else(|| {
                    format!(
                        "no job has the application {text:?}; there are: {}",
                        named()
                    )
                })
            }
        }
    }
}

fn deleted() -> Removed {
    Removed {
        reason: Some("deleted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_with_names_in_quotes() {
        let change = Supposed::parse("remove-member \"Sales EMEA\" 'jane@contoso.com' ").unwrap();
        assert_eq!(change.objects, ["Sales EMEA", "jane@contoso.com"]);
        for wrong in ["", "rename a b", "block", "add-member \"a", "delete a b"] {
            let words = Supposed::parse(wrong).unwrap_err();
            assert!(
                ["start with", "write", "quote"]
                    .iter()
                    .any(|word| words.contains(word)),
                "{words}"
            );
        }
    }
}
