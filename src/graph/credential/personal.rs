//! Tokens of a person, for the first try on a laptop: from the Azure CLI, or by a code that is entered in
//! a browser. Never for what runs unattended.

use std::io::{self, IsTerminal as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::graph::error::{Error, SIGN_IN, malformed};
use crate::graph::wire;
use crate::http::{Answer, Channel, Expect, Idempotency};

/// "Microsoft Graph Command Line Tools", which is there in every tenant.
pub(super) const PUBLIC_CLIENT: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const MAX_ANSWER: usize = 1024 * 1024;
/// Between two looks, where the service does not say (RFC 8628 section 3.2).
const USUAL_INTERVAL: Duration = Duration::from_secs(5);

/// The answer of `az account get-access-token`.
pub(in crate::graph) async fn azure_cli(tenant: &str, resource: &str) -> Result<Vec<u8>, Error> {
    let fault = |why: String| Error::Credential {
        key: "source.azure_cli".to_owned(),
        why,
        remedy: "install the Azure CLI, and sign in with az login --tenant",
    };
    let mut command = Command::new("az");
    command
        .args(["account", "get-access-token", "--output", "json"])
        .args(["--tenant", tenant, "--resource", resource])
        .stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let output = ran
        .map_err(|error| fault(error.to_string()))?
        .map_err(|error| fault(format!("az cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().find(|line| !line.trim().is_empty());
    let said = said.unwrap_or("no output").trim();
    Err(fault(format!("az returned no token: {said}")))
}

/// The sign-in of a person in a browser.
pub(in crate::graph) struct DeviceCode<'a> {
    pub(in crate::graph) channel: &'a Channel,
    /// The token endpoint; that of the codes stands next to it.
    pub(in crate::graph) endpoint: &'a Url,
    pub(in crate::graph) client_id: &'a str,
    pub(in crate::graph) scope: &'a str,
    pub(in crate::graph) stop: &'a CancellationToken,
}

impl DeviceCode<'_> {
    /// Prints where to sign in, and waits for it. The answer may be a refusal.
    pub(in crate::graph) async fn ask(&self) -> Result<Answer, Error> {
        if !io::stdin().is_terminal() {
            return Err(Error::Credential {
                key: "source.device_code".to_owned(),
                why: "no user can sign in, because standard input is not a terminal".to_owned(),
                remedy: "start the command in a terminal, or sign in another way",
            });
        }
        self.ask_person().await
    }

    pub(super) async fn ask_person(&self) -> Result<Answer, Error> {
        let mut codes = self.endpoint.clone();
        codes
            .path_segments_mut()
            .expect("http and https URLs have a path")
            .pop()
            .push("devicecode");
        let form = [("client_id", self.client_id), ("scope", self.scope)];
        let answer = self.post(&codes, &form).await?;
        if answer.status != 200 {
            return Ok(answer);
        }
        let code: wire::DeviceCode =
            wire::read(&answer.body).map_err(|_| malformed(SIGN_IN, "it holds no code"))?;
        tracing::warn!("{}", code.instruction());
        let form = [
            ("grant_type", GRANT),
            ("client_id", self.client_id),
            ("device_code", &code.code),
        ];
        let mut interval = code.interval.map_or(USUAL_INTERVAL, Duration::from_secs);
        let until = Instant::now() + Duration::from_secs(code.expires_in);
        loop {
            if self
                .stop
                .run_until_cancelled(sleep(interval))
                .await
                .is_none()
            {
                return Err(Error::Stopped);
            }
            let answer = self.post(self.endpoint, &form).await?;
            let failure: wire::TokenFailure = wire::read(&answer.body).unwrap_or_default();
            match failure.error.as_deref() {
                Some("authorization_pending") if Instant::now() < until => {}
                Some("slow_down") if Instant::now() < until => interval += USUAL_INTERVAL,
                _ => return Ok(answer),
            }
        }
    }

    async fn post(&self, url: &Url, form: &[(&str, &str)]) -> Result<Answer, Error> {
        let sent = self.channel.send(
            Idempotency::Always,
            Expect::Body { limit: MAX_ANSWER },
            |client| client.post(url.clone()).form(form),
        );
        sent.await.map_err(Error::of_token)
    }
}
