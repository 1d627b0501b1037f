//! Ways into the status page other than the token: a certificate, and a proxy that signs users in.

use std::fs;
use std::process::Command;

use entrain::sandbox::Size;
use reqwest::header::ACCEPT;
use reqwest::{Certificate, Client, ClientBuilder, Identity, redirect};

use crate::rig::Rig;
use crate::service::{Service, until};
use crate::web::{Site, on_socket, serve_page};

fn openssl(rig: &Rig, arguments: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(rig.path("."));
    let made = command.args(arguments.split_whitespace()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// An authority, and a certificate by it: `NAME-ca.pem`, and `NAME.pem` with its key.
fn certified(rig: &Rig, name: &str) -> Identity {
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(
        rig,
        &format!("req -x509 {new} -subj /CN={name}-ca -keyout {name}-ca.key -out {name}-ca.pem"),
    );
    openssl(
        rig,
        &format!("req {new} -subj /CN={name} -keyout {name}.key -out {name}.csr"),
    );
    fs::write(
        rig.path("client.ext"),
        "extendedKeyUsage = clientAuth\nbasicConstraints = CA:FALSE\n",
    )
    .unwrap();
    openssl(
        rig,
        &format!(
            "x509 -req -in {name}.csr -CA {name}-ca.pem -CAkey {name}-ca.key -CAcreateserial -days 2 \
             -extfile client.ext -out {name}.pem"
        ),
    );
    let mut pem = fs::read(rig.path(&format!("{name}.pem"))).unwrap();
    pem.extend(fs::read(rig.path(&format!("{name}.key"))).unwrap());
    Identity::from_pem(&pem).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_with_a_certificate_of_the_authority_needs_no_token() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    openssl(
        &rig,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=page -addext \
         subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout web.key -out web.pem",
    );
    let (own, other) = (certified(&rig, "own"), certified(&rig, "other"));
    let root = Certificate::from_pem(&fs::read(rig.path("web.pem")).unwrap()).unwrap();
    let browser = |of: fn(ClientBuilder, Identity) -> ClientBuilder, identity: Identity| {
        let client = Client::builder().no_proxy().use_rustls_tls();
        let client = client.redirect(redirect::Policy::none());
        let client = client
            .tls_built_in_root_certs(false)
            .add_root_certificate(root.clone());
        of(client, identity).build().unwrap()
    };
    serve_page(
        &rig,
        "tls = { certificate = { file = \"web.pem\" }, private_key = { file = \"web.key\" } }\n\
         client_ca = \"own-ca.pem\"",
    );
    let site = Site::start(&rig).await;
    let url = format!("https://{}/", site.address);
    let see = async |client: &Client| client.get(&url).header(ACCEPT, "text/html").send().await;
    let page = see(&browser(ClientBuilder::identity, own)).await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("<h1>Jobs</h1>"));
    // Another authority's ends the connection.
    see(&browser(ClientBuilder::identity, other.clone()))
        .await
        .unwrap_err();
    let without = browser(|client, _| client, other);
    let shown = see(&without).await.unwrap();
    assert_eq!(shown.headers()["location"], "/sign-in?to=%2F");
    let token = without.get(&url).bearer_auth(&site.token).send().await;
    assert_eq!(token.unwrap().status(), 200);
    let alive = without.get(format!("{url}healthz")).send().await;
    assert_eq!(alive.unwrap().status(), 200);
}

const SECRET: &str = "a-secret-of-the-proxy";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_a_proxy_names_comes_in_only_with_the_proxys_secret() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    fs::write(rig.path("proxy"), SECRET).unwrap();
    serve_page(
        &rig,
        "proxy = { header = \"X-Forwarded-User\", secret = { file = \"proxy\" } }",
    );
    let site = Site::start(&rig).await;
    let client = Client::builder().no_proxy().build().unwrap();
    for (user, secret, status) in [
        (Some("jane"), Some(SECRET), 200),
        (Some("jane"), None, 401),
        (Some("jane"), Some("another-secret-of-it"), 401),
        (Some(" "), Some(SECRET), 401),
        (None, Some(SECRET), 401),
    ] {
        let mut request = client.get(format!("http://{}/log", site.address));
        if let Some(user) = user {
            request = request.header("X-Forwarded-User", user);
        }
        if let Some(secret) = secret {
            request = request.header("X-Proxy-Secret", secret);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{user:?} {secret:?}");
        // The proxy would sign them in again.
        assert!(!answer.text().await.unwrap().contains("Sign out"));
    }
    assert!(!site.service.log().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_unix_socket_the_header_of_the_proxy_is_enough() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    rig.edit(|text| {
        format!(
            "[web]\nlisten = \"unix:web.sock\"\nproxy = {{ header = \"X-Forwarded-User\" }}\n{text}"
        )
    });
    let service = Service::start(&rig, &["run"]);
    until("the page is served", || {
        service.log().contains("status page is ready")
    })
    .await;
    for (header, status) in [("X-Forwarded-User: jane\r\n", "200"), ("", "401")] {
        let answer = on_socket(&rig, "/", header).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_that_is_open_to_everyone_is_refused() {
    for (lines, problem) in [
        (
            "listen = \"127.0.0.1:0\"\nproxy = { header = \"X-Forwarded-User\" }",
            "every program that reaches the page could send the header",
        ),
        (
            "listen = \"127.0.0.1:0\"\nclient_ca = \"ca.pem\"",
            "certificates of browsers are only seen with HTTPS",
        ),
        (
            "listen = \"unix:web.sock\"\nproxy = { header = \"X User\" }",
            "\"X User\" is not the name of a header",
        ),
        (
            "listen = \"0.0.0.0:8740\"",
            "can be reached from other machines, but token is not set",
        ),
    ] {
        let rig = Rig::start(Size::new(1, 0, 0)).await;
        rig.edit(|text| format!("[web]\n{lines}\n{text}"));
        let run = rig.run(&["check"]).await.expect(2);
        assert!(run.out.contains(problem), "{run:?}");
    }
    let rig = Rig::start(Size::new(1, 0, 0)).await;
    fs::write(rig.path("proxy"), "short").unwrap();
    serve_page(
        &rig,
        "proxy = { header = \"X-User\", secret = { file = \"proxy\" } }",
    );
    let run = rig.run(&["run"]).await.expect(1);
    let words = "the secret of the proxy ([web] proxy) cannot be used";
    assert!(run.err.contains(words), "{run:?}");
    assert!(run.err.contains("shorter than 16"), "{run:?}");
}
