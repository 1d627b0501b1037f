//! A snapshot whose people have stand-ins ([`Pseudonyms`]).

use serde_json::{Map, Value as Json};

use super::wire::Taken;
use crate::engine::model::ObjectKind;
use crate::engine::redact::Pseudonyms;

impl Taken {
    pub(crate) fn redact(&mut self, pseudonyms: &Pseudonyms) {
        let replace = |kind, entry: &mut Map<String, Json>| {
            for (name, value) in entry {
                if !name.contains('@') && !pseudonyms.keeps(kind, name) {
                    replaced(pseudonyms, value);
                }
            }
        };
        for user in &mut self.users {
            replace(ObjectKind::User, user);
        }
        for group in &mut self.groups {
            replace(ObjectKind::Group, group);
        }
        for user in self.custom_security_attributes.iter_mut().flatten() {
            replace(ObjectKind::User, user);
        }
        self.redacted = true;
    }
}

fn replaced(pseudonyms: &Pseudonyms, value: &mut Json) {
    match value {
        Json::String(text) => *text = pseudonyms.text(text),
        Json::Array(values) => values.iter_mut().for_each(|one| replaced(pseudonyms, one)),
        Json::Object(members) => {
            let members = members.iter_mut();
            // Annotations hold types.
            let members = members.filter(|(name, _)| !name.contains('@'));
            members.for_each(|(_, one)| replaced(pseudonyms, one));
        }
        Json::Number(number) => {
            if let Ok(other) = pseudonyms.text(&number.to_string()).parse() {
                *number = other;
            }
        }
        Json::Null | Json::Bool(_) => {}
    }
}
