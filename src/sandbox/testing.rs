//! A plain HTTP client for the tests of the sandbox, which reads both sides as a stranger would.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{Options, Sandbox, Size, TenantHandle};

/// A small tenant and an empty target.
pub(super) async fn small() -> Sandbox {
    let options = Options {
        seed: 5,
        size: Size::new(60, 6, 150),
        ..Options::default()
    };
    Sandbox::start(options).await.unwrap()
}

pub(super) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A client of Graph that holds a token.
pub(super) struct GraphClient {
    http: reqwest::Client,
    root: String,
    token: String,
}

impl GraphClient {
    pub(super) async fn new(sandbox: &Sandbox) -> Self {
        let answer = ask_token(sandbox, &[]).await;
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        Self {
            http: client(),
            root: sandbox.graph_url(),
            token: body["access_token"].as_str().unwrap().to_owned(),
        }
    }

    /// Sends a GET for a path behind the version, or for a whole link.
    pub(super) async fn send(&self, path: &str, prefer: Option<&str>) -> Response {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/v1.0{path}", self.root)
        };
        let mut request = self.http.get(url).bearer_auth(&self.token);
        if let Some(prefer) = prefer {
            request = request.header("prefer", prefer);
        }
        request.send().await.unwrap()
    }

    pub(super) async fn read(&self, path: &str) -> Value {
        let answer = self.send(path, None).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/v1.0{path}", self.root);
        let request = self.http.post(url).bearer_auth(&self.token).json(body);
        request.send().await.unwrap().json().await.unwrap()
    }

    pub(super) async fn problem(&self, path: &str) -> (u16, String) {
        let answer = self.send(path, None).await;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        (status, body["error"]["code"].as_str().unwrap().to_owned())
    }

    /// Follows next links and gives every entry with the delta link, if there is one.
    pub(super) async fn round(&self, path: &str) -> Round {
        let mut round = Round::default();
        let mut next = path.to_owned();
        loop {
            let page = self.read(&next).await;
            round.pages += 1;
            round
                .entries
                .extend(page["value"].as_array().unwrap().clone());
            if let Some(link) = page["@odata.deltaLink"].as_str() {
                assert!(page.get("@odata.nextLink").is_none(), "a page has one link");
                link.clone_into(&mut round.delta_link);
            }
            match page["@odata.nextLink"].as_str() {
                Some(link) => link.clone_into(&mut next),
                None => return round,
            }
        }
    }
}

/// All pages of a reading.
#[derive(Default)]
pub(super) struct Round {
    pub(super) entries: Vec<Value>,
    pub(super) delta_link: String,
    pub(super) pages: usize,
}

impl Round {
    pub(super) fn ids(&self) -> Vec<&str> {
        let ids = self.entries.iter();
        ids.map(|entry| entry["id"].as_str().unwrap()).collect()
    }
}

/// Asks for a token with the right fields, of which some are replaced; an empty value leaves one out.
pub(super) async fn ask_token(sandbox: &Sandbox, changes: &[(&str, &str)]) -> Response {
    let mut tenant = sandbox.tenant_id();
    let mut fields = vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", sandbox.client_id()),
        ("client_secret", sandbox.client_secret()),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
    ];
    for (name, value) in changes {
        if *name == "tenant" {
            (*value).clone_into(&mut tenant);
        }
        fields.retain(|(own, _)| own != name);
        if !value.is_empty() {
            fields.push((name, (*value).to_owned()));
        }
    }
    let url = format!("{}/{tenant}/oauth2/v2.0/token", sandbox.login_url());
    client().post(url).form(&fields).send().await.unwrap()
}

/// A client of the target.
pub(super) struct ScimClient {
    pub(super) http: reqwest::Client,
    pub(super) base: String,
    token: String,
}

impl ScimClient {
    pub(super) fn new(sandbox: &Sandbox) -> Self {
        Self {
            http: client(),
            base: sandbox.scim_url(),
            token: sandbox.scim_token(),
        }
    }

    pub(super) async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<Response> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/scim+json")
                .body(body.to_string());
        }
        request.send().await
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = (!body.is_null()).then_some(body);
        let answer = self.try_send(method, path, body).await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(super) async fn add_user(&self, mut user: Value) -> String {
        user["schemas"] = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
        let (status, body) = self.send("POST", "/Users", user).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn add_group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": name, "members": members,
        });
        let (status, body) = self.send("POST", "/Groups", group).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn patch(&self, path: &str, operations: Value) -> (u16, Value) {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        self.send("PATCH", path, body).await
    }

    /// The user names that a filter finds, sorted.
    pub(super) async fn matches(&self, filter: &str) -> Vec<String> {
        let filter =
            percent_encoding::utf8_percent_encode(filter, percent_encoding::NON_ALPHANUMERIC);
        let list = self.get(&format!("/Users?filter={filter}")).await;
        let users = list["Resources"].as_array().unwrap();
        let mut names: Vec<String> = users
            .iter()
            .map(|user| user["userName"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

/// The active users of a tenant.
pub(super) fn active_users(tenant: &TenantHandle) -> usize {
    let users = tenant.users();
    users
        .iter()
        .filter(|user| user.life == super::Life::Active)
        .count()
}
