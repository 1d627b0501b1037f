//! The configuration as it may be given to others: without secrets that stand where they should not, and
//! without comments. It may have problems; that is why it is looked at.

use std::path::Path;

use serde_json::{Map, Value as Json, json};
use toml_edit::{DocumentMut, Item, TableLike, Value};
use url::Url;

use super::bounded;

/// What stands for a secret.
const GONE: &str = "[Redact]";
/// Keys whose values are secrets, or say where one is.
const SECRETS: &[&str] = &[
    "assertion",
    "certificate",
    "client_certificate",
    "client_secret",
    "heartbeat",
    "key",
    "login",
    "password",
    "private_key",
    "secret",
    "smtp",
    "token",
    "url",
    "webhook",
];
/// A table whose keys have any name, and whose values are secrets.
const HEADERS: &str = "headers";
/// Where a secret is.
const PLACES: &[&str] = &["env", "file", "credential"];

/// The file, each text of which `clean` has seen.
pub(crate) fn shareable(file: &Path, clean: &dyn Fn(&str) -> String) -> Json {
    let text = match bounded::read_text(file, bounded::MAX_CONFIGURATION) {
        Ok(text) => text,
        Err(error) => return json!({ "cannot_be_read": error.to_string() }),
    };
    match text.parse::<DocumentMut>() {
        Ok(document) => table(document.as_table(), false, clean),
        // Its words quote the line.
        Err(_) => json!({ "is_not_toml": true }),
    }
}

/// `is_secret`: whatever stands in it is one, whatever its name.
fn table(table: &dyn TableLike, is_secret: bool, clean: &dyn Fn(&str) -> String) -> Json {
    let entries = table.iter();
    let entries = entries.map(|(key, one)| {
        let of = if is_secret && !PLACES.contains(&key) {
            HEADERS
        } else {
            key
        };
        (key.to_owned(), item(of, one, clean))
    });
    Json::Object(entries.collect::<Map<_, _>>())
}

fn item(key: &str, item: &Item, clean: &dyn Fn(&str) -> String) -> Json {
    if let Some(tables) = item.as_array_of_tables() {
        return tables.iter().map(|one| table(one, false, clean)).collect();
    }
    if let Some(inner) = item.as_table_like() {
        return table(inner, key == HEADERS, clean);
    }
    item.as_value()
        .map_or(Json::Null, |one| value(key, one, clean))
}

fn value(key: &str, one: &Value, clean: &dyn Fn(&str) -> String) -> Json {
    match one {
        Value::String(text) => json!(shown(key, text.value(), clean)),
        Value::Integer(_) | Value::Float(_) if key == HEADERS => json!(GONE),
        Value::Integer(number) => json!(number.value()),
        Value::Float(number) => json!(number.value()),
        Value::Boolean(is) => json!(is.value()),
        Value::Datetime(time) => json!(time.value().to_string()),
        Value::Array(values) => values.iter().map(|one| value(key, one, clean)).collect(),
        Value::InlineTable(inner) => table(inner, key == HEADERS, clean),
    }
}

fn shown(key: &str, text: &str, clean: &dyn Fn(&str) -> String) -> String {
    if PLACES.contains(&key) {
        return text.to_owned();
    }
    if key == HEADERS || SECRETS.contains(&key) {
        return GONE.to_owned();
    }
    match Url::parse(text) {
        // Nothing but where it is: a path may hold a key, too, but for the addresses of services.
        Ok(mut url) if url.has_host() => {
            url.set_query(None);
            url.set_fragment(None);
            let _is_possible = url.set_username("").and_then(|()| url.set_password(None));
            clean(url.as_str())
        }
        _ => clean(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_wherever_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("entrain.toml");
        let text = r#"
# comment-secret
[source]
client_secret = "plain-secret"
tenant_id = "11111111-1111-1111-1111-111111111111"
[notify]
webhook = { url = "https://hooks.example.com/plain-secret" }
email = { smtp = "smtps://user:plain-secret@mail.example.com" }
[[jobs]]
target = { base_url = "https://u:plain-secret@scim.example.com/v2?key=plain-secret", token = { env = "TOKEN" }, headers = { "X-Api-Key" = "plain-secret", "X-B" = { value = "plain-secret" } } }
"#;
        std::fs::write(&file, text).unwrap();
        let json = shareable(&file, &str::to_owned);
        let shown = json.to_string();
        assert!(
            !shown.contains("plain-secret") && !shown.contains("comment"),
            "{shown}"
        );
        assert_eq!(json["jobs"][0]["target"]["token"]["env"], "TOKEN");
        assert_eq!(
            json["jobs"][0]["target"]["base_url"],
            "https://scim.example.com/v2"
        );
        std::fs::write(&file, "secret = \"unfinished-secret").unwrap();
        assert!(
            !shareable(&file, &str::to_owned)
                .to_string()
                .contains("unfinished")
        );
    }
}
