//! The status page of the service, over real HTTP: who sees it, and what it bears.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use entrain::sandbox::Size;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use reqwest::{Client, RequestBuilder, redirect};

use crate::rig::Rig;
use crate::service::{Service, until};

/// A service that serves the page, and a client that bears its token.
pub(crate) struct Site<'r> {
    pub(crate) service: Service<'r>,
    /// Host and port.
    pub(crate) address: String,
    pub(crate) token: String,
    client: Client,
}

/// An answer as text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    pub(crate) fn header(&self, name: impl reqwest::header::AsHeaderName) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// The answer to a request on the socket `web.sock`, as a proxy sends it.
pub(crate) async fn on_socket(rig: &Rig, path: &str, header: &str) -> String {
    let socket = rig.path("web.sock");
    // Behind a proxy, any host is right.
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: entrain.example\r\n{header}Connection: close\r\n\r\n"
    );
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    answer.await.unwrap()
}

/// Adds the section of the page to the configuration.
pub(crate) fn serve_page(rig: &Rig, more: &str) {
    rig.edit(|text| format!("[web]\nlisten = \"127.0.0.1:0\"\n{more}\n{text}"));
}

impl<'r> Site<'r> {
    pub(crate) async fn start(rig: &'r Rig) -> Self {
        let service = Service::start(rig, &["run"]);
        until("the page is served", || {
            service.log().contains("status page is ready")
        })
        .await;
        let log = service.log();
        let (_, address) = log.split_once("address=").unwrap();
        let address = address.split_whitespace().next().unwrap().trim_matches('"');
        let address = address
            .trim_start_matches("http://")
            .trim_start_matches("https://");
        let address = address.trim_end_matches('/');
        let token = fs::read_to_string(rig.path("entrain.db.web-token"));
        Self {
            address: address.to_owned(),
            token: token
                .map(|token| token.trim().to_owned())
                .unwrap_or_default(),
            service,
            client: Client::builder()
                .redirect(redirect::Policy::none())
                .no_proxy()
                .build()
                .unwrap(),
        }
    }

    /// After the first cycle.
    pub(crate) async fn after_a_cycle(rig: &'r Rig) -> Self {
        let site = Self::start(rig).await;
        until("the first cycle", || {
            site.service.log().contains("cycle ended")
        })
        .await;
        site
    }

    /// The cycle with this number, now.
    pub(crate) async fn cycle(&self, number: usize) {
        self.service.signal("-USR1");
        let ended = || self.service.log().matches("cycle ended").count();
        until("another cycle", || ended() == number).await;
    }

    fn request(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    async fn send(request: RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.text().await.unwrap(),
        }
    }

    /// Without the token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Self::send(self.request(path)).await
    }

    /// The same as it comes, piece by piece, with the token.
    pub(crate) async fn stream(&self, path: &str) -> reqwest::Response {
        let answer = self.request(path).bearer_auth(&self.token).send().await;
        answer.unwrap().error_for_status().unwrap()
    }

    /// With the token.
    pub(crate) async fn see(&self, path: &str) -> Answer {
        Self::send(self.request(path).bearer_auth(&self.token)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_need_the_token_and_the_checks_do_not() {
    let rig = Rig::start(Size::new(6, 2, 6)).await;
    serve_page(&rig, "");
    let site = Site::after_a_cycle(&rig).await;
    assert!(
        site.service.log().contains("entrain.db.web-token"),
        "{}",
        site.service.log()
    );
    for path in [
        "/",
        "/jobs/demo",
        "/log",
        "/cycles/1",
        "/people",
        "/people/x",
        "/events",
    ] {
        let refused = site.get(path).await.expect(401);
        assert!(refused.body.contains("Bearer"), "{refused:?}");
        let browser = site.request(path).header(ACCEPT, "text/html,*/*");
        let sent = Site::send(browser).await.expect(303);
        assert!(
            sent.header(LOCATION).starts_with("/sign-in?to=%2F"),
            "{sent:?}"
        );
    }
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/style.css",
        "/page.js",
        "/sign-in",
    ] {
        site.get(path).await.expect(200);
    }
    for header in [
        "Bearer wrong-token-of-the-same-length",
        "Basic eA==",
        "Bearer ",
    ] {
        let request = site.request("/").header(AUTHORIZATION, header);
        Site::send(request).await.expect(401);
    }
    let seen = site.see("/").await.expect(200);
    assert!(seen.body.contains("The job is healthy."), "{}", seen.body);

    // A browser signs in by a form, and out again.
    let form = |token: &str, to: &str| {
        let url = format!("http://{}/sign-in", site.address);
        let body = format!("token={token}&to={to}");
        let form = "application/x-www-form-urlencoded";
        site.client.post(url).header(CONTENT_TYPE, form).body(body)
    };
    let wrong = Site::send(form("nonsense", "/")).await.expect(403);
    assert!(wrong.body.contains("The token is wrong."), "{wrong:?}");
    let entered = Site::send(form(&site.token, "/log?job=demo"))
        .await
        .expect(303);
    assert_eq!(entered.header(LOCATION), "/log?job=demo");
    let elsewhere = Site::send(form(&site.token, "//evil.example/"))
        .await
        .expect(303);
    assert_eq!(elsewhere.header(LOCATION), "/");
    let cookie = entered.header(SET_COOKIE).to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains(&site.token), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let with = |cookie: String| site.request("/").header(COOKIE, cookie);
    let page = Site::send(with(cookie.to_owned())).await.expect(200);
    assert!(page.body.contains("Sign out"), "{}", page.body);
    let later = cookie.replacen("entrain-session=1", "entrain-session=9", 1);
    assert_ne!(later, cookie);
    Site::send(with(later)).await.expect(401);
    let url = format!("http://{}/sign-out", site.address);
    let left = Site::send(site.client.post(url)).await.expect(303);
    assert!(left.header(SET_COOKIE).contains("Max-Age=0"), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_open_on_this_machine_needs_no_token() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    serve_page(&rig, "open_on_loopback = true");
    let site = Site::after_a_cycle(&rig).await;
    let page = site.get("/").await.expect(200);
    assert!(!page.body.contains("Sign out"), "{}", page.body);
    site.get("/log").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_cannot_be_served_ends_the_service_with_the_reason() {
    let rig = Rig::start(Size::new(1, 0, 0)).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    rig.edit(|text| format!("[web]\nlisten = \"{address}\"\n{text}"));
    let run = rig.run(&["run"]).await.expect(1);
    let words =
        format!("the status page could not start: cannot listen on {address} ([web] listen)");
    assert!(run.err.contains(&words), "{run:?}");
    rig.configure("");
    fs::write(rig.path("short"), "hunter2").unwrap();
    fs::set_permissions(rig.path("short"), fs::Permissions::from_mode(0o600)).unwrap();
    serve_page(&rig, "token = { file = \"short\" }");
    let checked = rig.run(&["check"]).await;
    let words = "shorter than 16 characters";
    assert!(checked.out.contains(words), "{checked:?}");
    let run = rig.run(&["run"]).await.expect(1);
    assert!(run.err.contains(words), "{run:?}");
    assert!(!run.err.contains("hunter2"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_on_a_unix_socket_that_is_gone_afterwards() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    rig.edit(|text| format!("[web]\nlisten = \"unix:web.sock\"\n{text}"));
    let service = Service::start(&rig, &["run"]);
    until("the first cycle", || service.log().contains("cycle ended")).await;
    let answer = on_socket(&rig, "/healthz", "").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("alive\n"),
        "{answer}"
    );
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
    assert!(!rig.path("web.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_meant_for_the_page_are_refused_plainly() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    serve_page(
        &rig,
        "hosts = [\"Entrain.example.com\"]\nopen_on_loopback = true",
    );
    let site = Site::after_a_cycle(&rig).await;
    let (_, port) = site.address.rsplit_once(':').unwrap();
    let with_host = |host: String| site.request("/").header(HOST, host);
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:1",
        "",
    ] {
        Site::send(with_host(host.to_owned())).await.expect(421);
    }
    let two = with_host("localhost".to_owned()).header("host", "evil.example");
    Site::send(two).await.expect(400);
    for host in ["localhost", "127.0.0.1", "[::1]", "entrain.example.com"] {
        Site::send(with_host(host.to_owned())).await.expect(200);
        Site::send(with_host(format!("{host}:{port}")))
            .await
            .expect(200);
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let url = format!("http://{}/jobs/demo", site.address);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let refused = Site::send(site.client.request(method, url))
            .await
            .expect(405);
        assert_eq!(refused.header("allow"), "GET, HEAD");
    }
    let long = "x".repeat(5_000);
    site.get(&format!("/log?object={long}")).await.expect(414);
    site.get(&format!("/{}", "a/".repeat(30_000))).await;
    for path in [
        "/jobs/nobody",
        "/cycles/999",
        "/cycles/x",
        "/cycles/99999999999999999999",
        "/people/none",
        "/people/%00%ff",
        "/jobs/%ff",
        "/nothing",
        "/../../etc/passwd",
        "/.env",
    ] {
        let answer = site.get(path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
    for query in [
        "?job=%ff&action=%00",
        "?before=x&status=none",
        "?job='%20OR%201=1--",
        "?object=%25%27%22",
        "?a=1&a=2&&&=",
        "?before=-9223372036854775808",
    ] {
        let answer = site.get(&format!("/log{query}")).await;
        assert!(matches!(answer.status, 200 | 400), "{query}: {answer:?}");
    }
    let page = site.get("/").await.expect(200);
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    for outside in [" style=", "onclick", "http://", "https://"] {
        let found = page.body.replace("http://www.w3.org/2000/svg", "");
        let found = found.replace(&rig.sandbox.scim_url(), "");
        assert!(!found.contains(outside), "{outside}: {found}");
    }
    let logged = site.service.log();
    assert!(
        !logged.contains("panicked") && !logged.contains("ERROR"),
        "{logged}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_are_bounded_and_stop_no_cycle() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    serve_page(&rig, "");
    let site = Site::after_a_cycle(&rig).await;
    let slow: Vec<TcpStream> = (0..140)
        .map(|_| {
            let mut stream = TcpStream::connect(&site.address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
            stream
        })
        .collect();
    // A health check is answered.
    let begun = Instant::now();
    let healthy = site.request("/healthz").send().await.unwrap();
    assert_eq!(healthy.status(), 200);
    let more: Vec<TcpStream> = (0..16)
        .map(|_| {
            let mut stream = TcpStream::connect(&site.address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
            stream
        })
        .collect();
    // One more is refused at once, with words or without.
    let mut refused = String::new();
    let one_more = TcpStream::connect(&site.address).unwrap();
    match (&one_more).read_to_string(&mut refused) {
        Ok(0) | Err(_) => {}
        Ok(_) => assert!(refused.contains("Too many connections"), "{refused}"),
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
    drop(more);
    rig.joiner("jane");
    site.service.signal("-USR1");
    until("a cycle meanwhile", || {
        let jane = rig
            .sandbox
            .target
            .find_user_by("userName", "jane@contoso.com");
        jane.is_some()
    })
    .await;
    until("they are closed", || {
        let mut stream = &slow[0];
        stream.set_nonblocking(true).unwrap();
        !matches!(stream.read(&mut [0; 512]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    })
    .await;
    until("others are served again", || {
        let mut stream = TcpStream::connect(&site.address).unwrap();
        let asked = stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n");
        let mut answer = String::new();
        asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains("alive")
    })
    .await;
    drop(slow);
    site.service.signal("-TERM");
    assert_eq!(site.service.end().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_by_https_and_a_renewed_certificate_is_read() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    let certify = |name: &str| {
        let made = std::process::Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(["-subj", &format!("/CN={name}"), "-addext"])
            .args([
                &format!("subjectAltName=DNS:{name},IP:127.0.0.1"),
                "-keyout",
            ])
            .arg(rig.path("web.key"))
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-out"])
            .arg(rig.path("web.pem"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        fs::set_permissions(rig.path("web.key"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(rig.path("web.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        reqwest::Certificate::from_pem(&fs::read(rig.path("web.pem")).unwrap()).unwrap()
    };
    let trusting = |root: reqwest::Certificate| {
        let client = Client::builder().no_proxy().use_rustls_tls();
        client
            .tls_built_in_root_certs(false)
            .add_root_certificate(root)
            .build()
            .unwrap()
    };
    let first = trusting(certify("first.example"));
    serve_page(
        &rig,
        "tls = { certificate = { file = \"web.pem\" }, private_key = { file = \"web.key\" } }",
    );
    let site = Site::start(&rig).await;
    let url = format!("https://{}/healthz", site.address);
    let answer = first.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let form = first.post(url.replace("healthz", "sign-in"));
    let form = form.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let entered = form
        .body(format!("token={}&to=/healthz", site.token))
        .send()
        .await;
    assert_eq!(entered.unwrap().status(), 200);
    assert!(
        first
            .get(url.replace("https", "http"))
            .send()
            .await
            .is_err()
    );

    let second = trusting(certify("second.example"));
    assert!(second.get(&url).send().await.is_err());
    site.service.signal("-HUP");
    until("the service is reloaded", || {
        site.service.log().contains("reloaded")
    })
    .await;
    let begun = Instant::now();
    while second.get(&url).send().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fs::write(rig.path("web.pem"), "nonsense").unwrap();
    site.service.signal("-HUP");
    until("the old one stays", || {
        site.service
            .log()
            .contains("the old certificate stays in use")
    })
    .await;
    second.get(&url).send().await.unwrap();
}
