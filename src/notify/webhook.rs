//! Webhooks and the heartbeat: one request, no redirect, and little of the answer read.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use url::Url;

use super::{Error, chain, remedy};
use crate::config::{Secret, Webhook};
use crate::engine::notice::Message;
use crate::http;

/// For one request, from sending to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of an answer, for its words.
const READ: usize = 2_048;

pub(super) async fn send(hook: &Webhook, message: &Message) -> Result<String, Error> {
    let name = &hook.name;
    let address = read(&hook.url, &format!("the url of the webhook {name}"))?;
    let token = match &hook.token {
        Some(token) => Some(read(token, &format!("the token of the webhook {name}"))?),
        None => None,
    };
    let (client, url) = client(&address)?;
    let mut request = client
        .post(url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", &message.key)
        .body(message.body.clone());
    if let Some(token) = &token {
        let value = format!("Bearer {token}");
        let value = HeaderValue::try_from(value).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        if let Ok(value) = value {
            request = request.header(AUTHORIZATION, value);
        }
    }
    let secrets = [address.as_str(), token.as_deref().unwrap_or_default()];
    answer(request, &url, &secrets).await
}

/// Calls a heartbeat; `key` is which one it is.
pub(crate) async fn call(secret: &Secret, key: &str) -> Result<String, Error> {
    let address = read(secret, key)?;
    let (client, url) = client(&address)?;
    answer(client.get(url.clone()), &url, &[&address]).await
}

fn read(secret: &Secret, key: &str) -> Result<String, Error> {
    let text = secret.read();
    let text = text.map_err(|source| Error::Secret {
        key: key.to_owned(),
        source,
    })?;
    Ok(text.trim().to_owned())
}

fn client(address: &str) -> Result<(Client, Url), Error> {
    let url = http::check_url(address)?;
    let client = http::build(&http::Settings {
        connections: 1,
        timeout: PATIENCE,
        extra_roots: None,
        identity: None,
        proxy: None,
        direct: http::is_loopback(&url),
    })?;
    Ok((client, url))
}

async fn answer(request: RequestBuilder, url: &Url, secrets: &[&str]) -> Result<String, Error> {
    // The path of most of them is the secret, and so is never in words.
    let host = url.host_str().unwrap_or_default().to_owned();
    let failed = |words: &str, remedy| Error::Web {
        host: host.clone(),
        words: http::redact_secrets(words, secrets),
        remedy,
    };
    let answer = request.send().await;
    let answer = answer.map_err(|error| {
        let remedy = remedy::call(&error);
        failed(&chain(&error.without_url()), remedy)
    })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(format!("{host} answers {}", status.as_u16()));
    }
    let remedy = remedy::status(status);
    if status.is_redirection() {
        let status = status.as_u16();
        let words =
            format!("HTTP {status}: it redirects to another address, which is not followed");
        return Err(failed(&words, remedy));
    }
    let words = beginning(answer).await;
    let words = format!("HTTP {status}: {words}");
    Err(failed(words.trim_end_matches([':', ' ']), remedy))
}

/// The beginning of an answer; one that never ends is left.
async fn beginning(mut answer: Response) -> String {
    let mut read = Vec::new();
    while read.len() < READ {
        match answer.chunk().await {
            Ok(Some(chunk)) => read.extend_from_slice(&chunk[..chunk.len().min(READ)]),
            Ok(None) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}
