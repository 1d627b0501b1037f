//! How objects and pages are written.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::tenant::{
    CUSTOM_SECURITY_ATTRIBUTES, Directory, Life, Object, Principal, Stream,
};
use super::answer::{Link, Problem};
use super::query::{check_select, seal, unseal};
use super::read::{Permission, Reader, defaults};

impl Reader<'_> {
    /// Keeps what `$select` names.
    pub(super) fn narrow(&self, mut value: Value) -> Value {
        if let (Some(names), Some(map)) = (&self.options.select, value.as_object_mut()) {
            map.retain(|name, _| names.iter().any(|wanted| wanted == name));
        }
        value
    }

    pub(super) fn selected(&self, stream: Stream) -> Result<Vec<String>, Problem> {
        match &self.options.select {
            None => Ok(defaults(stream)),
            Some(names) => {
                check_select(stream, names, false)?;
                Ok(names.clone())
            }
        }
    }

    /// An object with the named properties; outside delta one that was never set shows as null.
    pub(super) fn render(
        &self,
        principal: Principal,
        names: &[String],
        annotation: Option<(&str, &str)>,
    ) -> String {
        let directory = self.directory();
        let object = directory.object(principal);
        let shows_security = self.is_granted(Permission::CustomSecurityAttributes);
        let mut out = String::from("{");
        if let Some((name, value)) = annotation {
            write!(out, "\"{name}\":{},", json!(value)).expect("writing to a string does not fail");
        }
        for name in names {
            if name == "id" {
                continue;
            }
            let key = directory.names.known(name);
            match (
                computed(object, name),
                key.and_then(|key| Some((key, object.properties.raw(key)?))),
            ) {
                (Some(value), _) => write!(out, "\"{name}\":{value}"),
                // Without access no user seems to have any; it is not an error.
                (None, Some(_)) if name == CUSTOM_SECURITY_ATTRIBUTES && !shows_security => {
                    write!(out, "\"{name}\":null")
                }
                (None, Some((_, raw))) if name == "userPrincipalName" && !object.is_active() => {
                    // The recycle bin frees the name by putting the object's id before it.
                    let own: String = serde_json::from_str(raw).unwrap_or_default();
                    let mangled = json!(format!("{}{own}", object.id.simple()));
                    write!(out, "\"{name}\":{mangled}")
                }
                (None, Some((key, raw))) => {
                    directory.write_property(&mut out, key, raw);
                    Ok(())
                }
                (None, None) => write!(out, "\"{name}\":null"),
            }
            .expect("writing to a string does not fail");
            out.push(',');
        }
        self.write_expanded_manager(&mut out, principal);
        write!(out, "\"id\":\"{}\"}}", object.id).expect("writing to a string does not fail");
        out
    }

    fn write_expanded_manager(&self, out: &mut String, principal: Principal) {
        let wanted = self
            .options
            .expand
            .as_deref()
            .is_some_and(|expand| expand.starts_with("manager"));
        let Principal::User(place) = principal else {
            return;
        };
        let manager = self.directory().users[place as usize].manager;
        let manager = manager.map(|manager| &self.directory().users[manager as usize].object);
        if let (true, Some(manager)) = (wanted, manager.filter(|manager| manager.is_active())) {
            let id = manager.id;
            write!(
                out,
                r##""manager":{{"@odata.type":"#microsoft.graph.user","id":"{id}"}},"##
            )
            .expect("writing to a string does not fail");
        }
    }

    pub(super) fn page_size(&self) -> usize {
        self.options
            .top
            .unwrap_or(self.tenant.settings.entries_per_page)
            .max(1)
    }

    /// Where this page of a listing begins.
    pub(super) fn cursor(&self) -> Result<u64, Problem> {
        let Some(token) = &self.options.skip_token else {
            return Ok(0);
        };
        let value = unseal(token)?;
        if value["generation"] != json!(self.tenant.page_generation) {
            return Err(Problem::expired_page());
        }
        value["next"]
            .as_u64()
            .ok_or_else(|| Problem::bad_request("Badly formed token."))
    }

    pub(super) fn next(&self, path: &str, cursor: Option<u64>) -> Link {
        let Some(cursor) = cursor else {
            return Link::None;
        };
        let token = json!({"generation": self.tenant.page_generation, "next": cursor});
        let mut url = format!("{}/v1.0/{path}?", self.origin);
        for (name, value) in self.call.parameters() {
            if !name.eq_ignore_ascii_case("$skiptoken") {
                let value = percent_encoding::utf8_percent_encode(
                    &value,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                write!(url, "{name}={value}&").expect("writing to a string does not fail");
            }
        }
        write!(url, "$skiptoken={}", seal(&token)).expect("writing to a string does not fail");
        Link::Next(url)
    }
}

/// Properties that follow from the state of the object.
fn computed(object: &Object, name: &str) -> Option<Value> {
    (name == "deletedDateTime").then(|| match object.life {
        Life::Active => Value::Null,
        Life::SoftDeleted | Life::Purged => json!(Directory::date(object.life_changed)),
    })
}
