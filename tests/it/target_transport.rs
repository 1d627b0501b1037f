//! What a connection shows and takes before the first request: a client certificate, and a proxy.

use std::process::Command;
use std::sync::{Arc, Mutex};

use entrain::sandbox::Size;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::rig::Rig;

const TOKEN: &str = "token = { file = \"token\" }";

fn openssl(rig: &Rig, arguments: &[&str]) {
    let folder = rig.path("");
    let made = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output();
    let made = made.unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// A certificate with its key, in `NAME.pem` and `NAME.key`.
fn certificate(rig: &Rig, name: &str) {
    let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
    openssl(
        rig,
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=entrain",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            &key,
            "-out",
            &pem,
        ],
    );
}

/// Takes only who shows the certificate `client.pem`, and passes everything on to the target.
async fn behind_tls(rig: &Rig) -> u16 {
    let read = |name: &str| CertificateDer::from_pem_file(rig.path(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(read("client.pem")).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
        .build()
        .unwrap();
    let key = PrivateKeyDer::from_pem_file(rig.path("server.key")).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![read("server.pem")], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = port_of(&rig.sandbox.scim_url());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut target = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut target).await;
            });
        }
    });
    port
}

fn port_of(url: &str) -> u16 {
    let url = url::Url::parse(url).unwrap();
    url.port().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_in_either_form_and_refused_where_it_is_unknown() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    for number in 0..3 {
        rig.joiner(&format!("p{number}"));
    }
    for name in ["server", "client", "stranger"] {
        certificate(&rig, name);
    }
    openssl(
        &rig,
        &[
            "pkcs12",
            "-export",
            "-in",
            "client.pem",
            "-inkey",
            "client.key",
            "-out",
            "client.p12",
            "-passout",
            "pass:s3cret",
        ],
    );
    std::fs::write(rig.path("p12-password"), "s3cret").unwrap();
    std::fs::write(rig.path("wrong-password"), "wrong").unwrap();
    let port = behind_tls(&rig).await;
    let plain = rig.sandbox.scim_url();
    rig.edit(|text| {
        let https = format!("https://127.0.0.1:{port}/scim/v2\"\nca_certificate = \"server.pem");
        text.replace(&plain, &https)
    });
    let pem = |name: &str| {
        format!(
            "client_certificate = {{ certificate = {{ file = \"{name}.pem\" }}, private_key = {{ file = \"{name}.key\" }} }}"
        )
    };
    let p12 = |password: &str| {
        format!(
            "client_certificate = {{ pkcs12 = {{ file = \"client.p12\" }}, password = {{ file = \"{password}\" }} }}"
        )
    };
    let (fits_not, alone) = (
        pem("client").replace("client.key", "stranger.key"),
        "client_certificate = { certificate = { file = \"client.pem\" } }".to_owned(),
    );
    let mut before = String::new();
    for (line, code, expected) in [
        (pem("client"), 0, "answered with an empty list"),
        (p12("p12-password"), 0, "answered with an empty list"),
        (
            fits_not,
            1,
            "the private key does not belong to the certificate",
        ),
        (alone, 1, "there is no private key with the certificate"),
        (pem("stranger"), 1, "no connection"),
        (String::new(), 1, "no connection"),
        (
            p12("wrong-password"),
            1,
            "the password of the PKCS#12 file is wrong",
        ),
    ] {
        rig.edit(|text| {
            let text = if before.is_empty() {
                text
            } else {
                text.replace(&before, "")
            };
            if line.is_empty() {
                text
            } else {
                text.replace(TOKEN, &format!("{TOKEN}\n{line}"))
            }
        });
        before = if line.is_empty() {
            line
        } else {
            format!("\n{line}")
        };
        let run = rig.run(&["test"]).await.expect(code);
        let alike = ["no connection", "the connection broke"];
        let says = if expected == "no connection" {
            alike.iter().any(|words| run.out.contains(words))
        } else {
            run.out.contains(expected)
        };
        assert!(says, "{expected}\n{run:?}");
        assert!(!run.out.contains("s3cret"), "{run:?}");
        if code == 0 {
            assert!(run.out.contains("target: client_certificate"), "{run:?}");
            rig.sync().await.expect(0);
            assert_eq!(rig.sandbox.target.user_count(), 3);
        }
    }
}

/// Passes on what it is sent, and gives its port with the first lines of what came.
async fn proxy() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let lines = Arc::clone(&lines);
            tokio::spawn(async move {
                let mut head = vec![0; 16_384];
                let length = stream.read(&mut head).await.unwrap_or(0);
                let line = String::from_utf8_lossy(&head[..length]);
                let line = line.lines().next().unwrap_or_default().to_owned();
                let Some(url) = line.split(' ').nth(1) else {
                    return;
                };
                let Ok(url) = url::Url::parse(url) else {
                    return;
                };
                let port = url.port().unwrap_or(80);
                lines.lock().unwrap().push(line.clone());
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                server.write_all(&head[..length]).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    (port, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_through_the_proxy_of_the_configuration() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.joiner("anna");
    let (port, seen) = proxy().await;
    let proxy = format!("proxy = \"http://127.0.0.1:{port}\"");
    rig.edit(|text| {
        let text = text.replace("[source]", &format!("[source]\n{proxy}"));
        text.replace(TOKEN, &format!("{TOKEN}\n{proxy}"))
    });
    rig.run(&["test"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 1);
    let seen = seen.lock().unwrap().clone();
    for part in ["/oauth2/v2.0/token", "/v1.0/", "/scim/v2/"] {
        assert!(
            seen.iter().any(|line| line.contains(part)),
            "{part} {seen:#?}"
        );
    }

    rig.edit(|text| text.replace("http://127.0.0.1", "http://user:hunter2@127.0.0.1"));
    let run = rig.run(&["check"]).await.expect(2);
    let all = format!("{run:?}");
    assert!(all.contains("this is not the address of a proxy"), "{all}");
    assert!(!all.contains("hunter2"), "{all}");
}
