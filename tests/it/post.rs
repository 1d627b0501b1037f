//! Receivers of notifications: a mail server with the manners that a test wants, and a webhook.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// How a mail server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Takes,
    /// Accepts the connection and says nothing.
    Hangs,
    /// Ends each connection at once.
    Closes,
    /// Knows no recipient.
    Refuses,
    /// Takes messages, and a while for each answer.
    Slow,
    /// Takes a message, and breaks the connection instead of saying so.
    Breaks,
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) to: String,
    /// Header and body, with quoted-printable decoded.
    pub(crate) text: String,
}

impl Mail {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        let mut lines = self.text.lines();
        let line = lines.find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }
}

/// A mail server on a port of its own, which it keeps when it is stopped and started again.
pub(crate) struct Post {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    running: Option<JoinHandle<()>>,
}

struct Shared {
    manner: Mutex<Manner>,
    mails: Mutex<Vec<Mail>>,
    /// What clients proved themselves with.
    logins: Mutex<Vec<String>>,
    tls: Option<TlsAcceptor>,
}

impl Post {
    pub(crate) async fn start() -> Self {
        Self::with_tls(None).await
    }

    pub(crate) async fn with_tls(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            manner: Mutex::new(Manner::Takes),
            mails: Mutex::default(),
            logins: Mutex::default(),
            tls,
        });
        let running = Some(tokio::spawn(serve(listener, Arc::clone(&shared))));
        Self {
            port,
            shared,
            running,
        }
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
    }

    pub(crate) async fn start_again(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.running = Some(tokio::spawn(serve(listener, Arc::clone(&self.shared))));
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.shared.mails.lock().unwrap().clone()
    }

    pub(crate) fn logins(&self) -> Vec<String> {
        self.shared.logins.lock().unwrap().clone()
    }
}

impl Shared {
    fn manner(&self) -> Manner {
        *self.manner.lock().unwrap()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A client may go away.
            let _ = talk(stream, &shared).await;
        });
    }
}

async fn talk(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    while shared.manner() == Manner::Hangs {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if shared.manner() == Manner::Closes {
        return Ok(());
    }
    stream.write_all(b"220 post.example ESMTP\r\n").await?;
    match &shared.tls {
        None => converse(stream, shared, false).await,
        Some(tls) => {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while !line.starts_with("STARTTLS") {
                line.clear();
                if stream.read_line(&mut line).await? == 0 {
                    return Ok(());
                }
                let answer: &[u8] = if line.starts_with("STARTTLS") {
                    b"220 go on\r\n"
                } else {
                    b"250-post.example\r\n250 STARTTLS\r\n"
                };
                stream.write_all(answer).await?;
            }
            let stream = tls.accept(stream.into_inner()).await?;
            converse(stream, shared, true).await
        }
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: &Shared,
    with_login: bool,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut to = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let word = line.split([' ', '\r']).next().unwrap_or_default();
        let answer: &[u8] = match word {
            "EHLO" if with_login => b"250-post.example\r\n250 AUTH PLAIN\r\n",
            "AUTH" => {
                let given = line.trim().rsplit(' ').next().unwrap_or_default();
                shared.logins.lock().unwrap().push(given.to_owned());
                b"235 welcome\r\n"
            }
            "RCPT" if shared.manner() == Manner::Refuses => b"550 5.1.1 no such user here\r\n",
            "RCPT" => {
                line.trim().clone_into(&mut to);
                b"250 ok\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                loop {
                    line.clear();
                    if stream.read_line(&mut line).await? == 0 {
                        return Ok(());
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    text.push_str(&line);
                }
                let to = to.trim_start_matches("RCPT TO:<").to_owned();
                let to = to.split('>').next().unwrap_or_default().to_owned();
                let text = decoded(&text);
                shared.mails.lock().unwrap().push(Mail { to, text });
                if shared.manner() == Manner::Breaks {
                    return Ok(());
                }
                b"250 taken\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => b"250 ok\r\n",
        };
        if shared.manner() == Manner::Slow {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        stream.write_all(answer).await?;
    }
}

/// Quoted-printable, as far as our mails have it.
fn decoded(text: &str) -> String {
    let text = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if *first == b'=' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A request that a webhook got.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What a webhook answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Status(u16),
    /// To a path of its own.
    Redirect,
    /// An error whose words never end.
    Endless,
}

/// A webhook on this machine.
pub(crate) struct Hook {
    pub(crate) url: String,
    shared: Arc<(Mutex<Answer>, Mutex<Vec<Call>>)>,
}

impl Hook {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new((Mutex::new(Answer::Status(200)), Mutex::default()));
        let router = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.shared.0.lock().unwrap() = answer;
    }

    pub(crate) fn calls(&self, path: &str) -> Vec<Call> {
        let calls = self.shared.1.lock().unwrap();
        let calls = calls.iter().filter(|call| call.path == path);
        calls.cloned().collect()
    }
}

type Received = Arc<(Mutex<Answer>, Mutex<Vec<Call>>)>;

async fn answer(
    State(shared): State<Received>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Call {
        path: uri.path().to_owned(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    shared.1.lock().unwrap().push(call);
    let answer = *shared.0.lock().unwrap();
    match answer {
        Answer::Status(status) => Response::builder()
            .status(StatusCode::from_u16(status).unwrap())
            .body(Body::from("the hook's words"))
            .unwrap(),
        Answer::Redirect => Response::builder()
            .status(307)
            .header("location", "/elsewhere")
            .body(Body::empty())
            .unwrap(),
        Answer::Endless => {
            let words = futures::stream::repeat_with(|| {
                Ok::<_, std::io::Error>(Bytes::from_static(b"no and no "))
            });
            Response::builder()
                .status(500)
                .body(Body::from_stream(words))
                .unwrap()
        }
    }
}
