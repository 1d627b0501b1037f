//! What a bench needs of the mappings, which are private: users, and the preset's mappings over them.
//! Nothing in the product uses it.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::config;
use crate::engine::mapping::{self, Environment, Input, Mapped, Unique};
use crate::engine::model::{
    Attributes, Key, ObjectKind, Presence, SourceId, SourceNumber, SourceObject, Value,
};

/// Users, and the mappings of a preset.
pub struct Mappings {
    mappings: mapping::Mappings,
    users: Vec<SourceObject>,
}

impl Mappings {
    /// Of a configuration with one job; `users` people who differ in everything that people differ in.
    ///
    /// # Panics
    ///
    /// If the configuration has problems.
    pub fn load(file: &Path, users: u32) -> Self {
        let loaded = config::load(file).unwrap_or_else(|problems| panic!("{problems}"));
        let job = loaded.config.jobs.into_iter().next();
        let job = job.expect("a configuration without a job has problems");
        Self {
            mappings: job.rules.users.mappings,
            users: (0..users).map(user).collect(),
        }
    }

    /// Maps every user once; how many values came out.
    ///
    /// # Panics
    ///
    /// If a mapping fails: the users fit the presets.
    pub fn run(&self, now: DateTime<Utc>) -> usize {
        let environment = Environment {
            now,
            random: &|_, _, _| 4,
            default_domain: None,
        };
        let values = self.users.iter().map(|user| {
            let input = Input::new(user, &[], false);
            match mapping::desired(&self.mappings, &input, environment, Unique::Keep) {
                Ok(Mapped::Desired(desired)) => {
                    desired.values.len() + desired.references.len() + desired.on_create.len()
                }
                Ok(Mapped::IgnoreObject) => 0,
                Err(errors) => panic!("{errors:?}"),
            }
        });
        values.sum()
    }

    pub fn mappings(&self) -> usize {
        self.mappings.len()
    }
}

/// Every attribute that the generic preset reads; every third one without a mobile phone, and so on.
fn user(number: u32) -> SourceObject {
    let mut attributes = Attributes::default();
    let mut set = |name: &str, value: String| attributes.set(name, Value::text(value));
    set(
        "userPrincipalName",
        format!("first{number}.last{number}@contoso.com"),
    );
    set("displayName", format!("First{number} Last{number}"));
    set("givenName", format!("First{number}"));
    set("surname", format!("Last{number}"));
    set("mail", format!("first{number}.last{number}@contoso.com"));
    set("mailNickname", format!("first{number}.last{number}"));
    set("jobTitle", format!("Engineer {}", number % 50));
    set("department", format!("Department {}", number % 200));
    set("employeeId", format!("{number:08}"));
    set("officeLocation", format!("Building {}", number % 20));
    set("streetAddress", format!("Street {}", number % 1_000));
    set("city", format!("City {}", number % 100));
    set("state", format!("State {}", number % 16));
    set("postalCode", format!("{:05}", number % 99_999));
    set("country", "Germany".to_owned());
    set("preferredLanguage", "de-DE".to_owned());
    if !number.is_multiple_of(3) {
        set("mobilePhone", format!("+49 171 {number:07}"));
    }
    if number.is_multiple_of(10) {
        set("faxNumber", format!("+49 30 {number:07}"));
    }
    let phone = Value::text(format!("+49 30 {number:07}"));
    attributes.set("businessPhones", Value::List(vec![phone]));
    attributes.set("accountEnabled", Value::Boolean(true));
    if number > 0 {
        attributes.set("manager", Value::Reference(id(number / 10)));
    }
    SourceObject {
        key: Key::default(),
        kind: ObjectKind::User,
        source: SourceNumber::FIRST,
        id: id(number),
        presence: Presence::Present,
        attributes,
    }
}

fn id(number: u32) -> SourceId {
    SourceId::new(format!("00000000-0000-4000-8000-{number:012x}"))
}
