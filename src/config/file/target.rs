//! Takes the values of a target out of its section, and reports what is missing or of the wrong type.

use figment::value::Value;

use super::credential::{certificate, each, expiring};
use super::{Access, ExpiringSecret, Filterable, OAuth, SignIn, Target};
use crate::config::keys::{ACCESS, SECTIONS, SIGN_IN};
use crate::config::knobs::KNOBS;
use crate::config::problem::Log;
use crate::config::reader::{Table, Typed};

impl Access {
    fn read(target: &Table, log: &mut Log) -> Option<Self> {
        if !ACCESS.iter().any(|key| target.has(key)) {
            target.is_missing("token", log);
            return None;
        }
        let table = target.clone().prefer_overriding(SIGN_IN);
        let given: Vec<&str> = SIGN_IN
            .iter()
            .copied()
            .filter(|key| table.has(key))
            .collect();
        if let [first, second, ..] = given.as_slice() {
            log.problem(table.place.name(second).key_problem(
                format!("{second} and {first} are both set"),
                "keep one of them",
            ));
            return None;
        }
        let sign_in = match given.first().copied() {
            Some("token") => secrets(&table, "token", log).map(SignIn::Token),
            Some("oauth") => oauth(&table, log),
            Some("entra") => entra(&table, log),
            Some(_) => basic(&table, log),
            None => Some(SignIn::Headers),
        };
        let headers = headers(&table, log);
        let is_nothing = headers.as_ref().is_some_and(Vec::is_empty);
        if is_nothing && given.is_empty() && !table.has("client_certificate") {
            target.is_missing("token", log);
            return None;
        }
        let client_certificate = match table.any("client_certificate") {
            Some(typed) => certificate(typed, log).map(Some),
            None => Some(None),
        };
        Some(Self {
            sign_in: sign_in?,
            headers: headers?,
            client_certificate: client_certificate?,
        })
    }
}

fn secrets(table: &Table, key: &str, log: &mut Log) -> Option<Vec<ExpiringSecret>> {
    let all = each(table, key).into_iter();
    let all: Vec<_> = all.map(|typed| expiring(typed, log)).collect();
    all.into_iter().collect()
}

fn basic(table: &Table, log: &mut Log) -> Option<SignIn> {
    let table = table.table("basic", log)?;
    table.check_keys(SECTIONS, log);
    let user = table.required_text("user", log);
    let passwords = if table.is_missing("password", log) {
        None
    } else {
        secrets(&table, "password", log)
    };
    Some(SignIn::Basic {
        user: user?,
        passwords: passwords?,
    })
}

fn oauth(table: &Table, log: &mut Log) -> Option<SignIn> {
    let table = table.table("oauth", log)?;
    table.check_keys(SECTIONS, log);
    let token_url = table.required_text("token_url", log);
    let client_id = table.required_text("client_id", log);
    let secrets = if table.is_missing("client_secret", log) {
        None
    } else {
        secrets(&table, "client_secret", log)
    };
    let scope = table.text("scope", log);
    let audience = table.text("audience", log);
    let authentication = table.text("authentication", log);
    Some(SignIn::OAuth(Box::new(OAuth {
        token_url: token_url?,
        client_id: client_id?,
        secrets: secrets?,
        scope,
        audience,
        authentication,
    })))
}

fn entra(table: &Table, log: &mut Log) -> Option<SignIn> {
    let table = table.table("entra", log)?;
    table.check_keys(SECTIONS, log);
    let scope = table.required_text("scope", log)?;
    Some(SignIn::Entra { scope })
}

fn headers(table: &Table, log: &mut Log) -> Option<Vec<(Typed<String>, ExpiringSecret)>> {
    if !table.has("headers") {
        return Some(Vec::new());
    }
    let table = table.table("headers", log)?;
    let names = table.names().into_iter();
    let all: Vec<_> = names
        .map(|name| {
            let place = table.place.name(&name);
            let secret = expiring(table.any(&name)?, log)?;
            Some((Typed { value: name, place }, secret))
        })
        .collect();
    all.into_iter().collect()
}

impl Target {
    /// `is_missing`: there is no such section, or it is a preset's.
    pub(super) fn read(table: &Table, is_missing: bool, log: &mut Log) -> Self {
        Self {
            place: table.place.clone(),
            is_missing,
            base_url: table.text("base_url", log),
            access: if is_missing {
                None
            } else {
                Access::read(table, log)
            },
            proxy: if is_missing {
                None
            } else {
                table.text("proxy", log)
            },
            concurrency: table.integer("concurrency", log),
            requests_per_second: table.positive("requests_per_second", log),
            timeout: table.text("timeout", log),
            visibility_delay: table.text("visibility_delay", log),
            ca_certificate: table.text("ca_certificate", log),
            filterable: Filterable::read(table, log),
            member_chunk: table.integer("member_chunk", log),
            page_size: table.integer("page_size", log),
            knobs: KNOBS
                .iter()
                .filter_map(|knob| Some((knob, table.text(knob.name, log)?)))
                .collect(),
        }
    }
}

impl Filterable {
    fn read(table: &Table, log: &mut Log) -> Option<Self> {
        let Typed { value, place: _ } = table.any("filterable")?;
        if !matches!(value, Value::Dict(..)) {
            return table.texts("filterable", log).map(Self::Both);
        }
        let table = table.table("filterable", log)?;
        table.check_keys(&[], log);
        Some(Self::Each {
            users: table.texts("users", log),
            groups: table.texts("groups", log),
        })
    }
}
