//! The requests that a saved plan announces, and those that a target got.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rig::Rig;

/// Method, path below the base URL, and body.
pub(crate) type Sent = (String, String, Value);

/// What a saved plan announces, once the objects that it creates have ids: the requests in it, and how many
/// writes depend on what is read before, by the path that they go to. Rows that a limit holds send nothing.
pub(crate) fn announced(rig: &Rig, file: &Value) -> (Vec<Sent>, BTreeMap<String, usize>) {
    let ids = ids(rig, file);
    let named = |text: String| {
        let each = ids.iter();
        each.fold(text, |text, (placeholder, id)| {
            text.replace(placeholder, id)
        })
    };
    let mut requests = Vec::new();
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    let rows = file["jobs"][0]["rows"].as_array().unwrap();
    for row in rows.iter().map(|row| &row["row"]) {
        if row["held"] == true {
            continue;
        }
        let request = &row["request"];
        if request.is_null() {
            // An adoption that changes nothing sends nothing.
            if row["action"] != "adopt" || row["changes"] != Value::Array(Vec::new()) {
                let folder = if row["subject"]["kind"] == "user" {
                    "Users"
                } else {
                    "Groups"
                };
                let id = row["target"].as_str().map_or_else(
                    || format!("id-of-{}", row["subject"]["id"].as_str().unwrap()),
                    str::to_owned,
                );
                *open.entry(named(format!("/{folder}/{id}"))).or_default() += 1;
            }
            continue;
        }
        let request: Value = serde_json::from_str(&named(request.to_string())).unwrap();
        requests.push((
            request["method"].as_str().unwrap().to_owned(),
            request["path"].as_str().unwrap().to_owned(),
            request["body"].clone(),
        ));
    }
    (sorted(requests), open)
}

/// What the target calls the objects of the plan that had no id when it was made.
fn ids(rig: &Rig, file: &Value) -> BTreeMap<String, String> {
    let target = &rig.sandbox.target;
    let mut ids = BTreeMap::new();
    let rows = file["jobs"][0]["rows"].as_array().unwrap();
    for row in rows.iter().map(|row| &row["row"]) {
        let attributes = &row["attributes"];
        let found = match row["subject"]["kind"].as_str().unwrap() {
            "user" => attributes["userName"]
                .as_str()
                .and_then(|name| target.find_user_by("userName", name)),
            _ => attributes["displayName"]
                .as_str()
                .and_then(|name| target.find_group_by("displayName", name)),
        };
        if let Some(found) = found {
            let id = row["subject"]["id"].as_str().unwrap();
            ids.insert(
                format!("id-of-{id}"),
                found["id"].as_str().unwrap().to_owned(),
            );
        }
    }
    ids
}

/// The requests that changed something, as the target got them; those that it refused are apart.
pub(crate) fn written(rig: &Rig) -> (Vec<Sent>, Vec<Sent>) {
    let exchanges = rig.sandbox.target.traffic().exchanges();
    // What several of them were sent in is none itself.
    let writes = exchanges
        .into_iter()
        .filter(|one| one.method != "GET" && !one.path.ends_with("/Bulk"));
    let (taken, refused): (Vec<_>, Vec<_>) =
        writes.partition(|one| one.status.is_some_and(|status| status < 300));
    let sent = |exchanges: Vec<entrain::sandbox::Exchange>| {
        let sent = exchanges.into_iter().map(|one| {
            let body = one.body.filter(|body| !body.is_empty());
            let body = body.map_or(Value::Null, |body| serde_json::from_str(&body).unwrap());
            let path = one.path.strip_prefix("/scim/v2").unwrap().to_owned();
            (one.method, path, body)
        });
        sorted(sent.collect())
    };
    (sent(taken), sent(refused))
}

fn sorted(mut sent: Vec<Sent>) -> Vec<Sent> {
    sent.sort_by_key(|(method, path, body)| (method.clone(), path.clone(), body.to_string()));
    sent
}
