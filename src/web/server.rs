//! Takes connections, a bounded number of them, each for a bounded time, with or without TLS.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::{TlsAcceptor, rustls};
use tokio_util::sync::CancellationToken;

use super::doors::Certified;
use super::error::Error;
use crate::config::{self, Listen};
use crate::os::{self, UnixListener, UnixStream};
use crate::scheduler::View;

/// Connections at once.
const CONNECTIONS: usize = 128;
/// So many more, each with little time: where connections that send nothing take all places, a health check still gets
/// its answer. One more is refused.
const SPARE: usize = 16;
const LITTLE_TIME: Duration = Duration::from_secs(1);

/// For the handshake, for the head of a request, and between two requests.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection lives, whatever it does. Browsers that watch a cycle connect again.
const LONGEST: Duration = Duration::from_mins(10);

/// How long an answer may still take when the service stops.
const LAST_ANSWER: Duration = Duration::from_millis(500);

/// Bytes of the head of a request.
const HEAD: usize = 16 * 1024;

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Listener {
    pub(super) fn bind(listen: &Listen) -> Result<Self, Error> {
        let failed = |at: String| move |source| Error::Listen { at, source };
        match listen {
            Listen::Address(address) => {
                let at = address.to_string();
                let bound = std::net::TcpListener::bind(address).and_then(|listener| {
                    listener.set_nonblocking(true)?;
                    TcpListener::from_std(listener)
                });
                bound.map(Self::Tcp).map_err(failed(at))
            }
            Listen::Socket(path) => {
                let at = format!("unix:{}", path.display());
                // For its owner and group.
                os::listen(path, 0o660).map(Self::Unix).map_err(failed(at))
            }
        }
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Stream::Unix(stream))
            }
        }
    }
}

impl Stream {
    /// Says so, if that can be done without waiting, and closes it.
    fn refuse(self, is_plain: bool) {
        const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
            content-length: 31\r\nretry-after: 10\r\nconnection: close\r\n\r\nToo many connections are open.\n";
        // Who does not get it sees the connection close.
        let _ = match self {
            Self::Tcp(stream) if is_plain => stream.try_write(BUSY),
            Self::Unix(stream) if is_plain => stream.try_write(BUSY),
            Self::Tcp(_) | Self::Unix(_) => Ok(0),
        };
    }

    fn boxed(self) -> Box<dyn Duplex> {
        match self {
            Self::Tcp(stream) => Box::new(stream),
            Self::Unix(stream) => Box::new(stream),
        }
    }
}

/// Accepts connections until the service stops.
pub(super) async fn serve(
    listener: Listener,
    tls: Option<Tls>,
    router: Router,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let spare = Arc::new(Semaphore::new(SPARE));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection to the status page failed");
                // Such as when too many files are open: it does not help to try at once.
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let place = Arc::clone(&places).try_acquire_owned();
        let place = place.map(|place| (place, PATIENCE)).or_else(|_| {
            let place = Arc::clone(&spare).try_acquire_owned();
            place.map(|place| (place, LITTLE_TIME))
        });
        let Ok((place, patience)) = place else {
            stream.refuse(tls.is_none());
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        let acceptor = tls.as_ref().map(Tls::acceptor);
        tokio::spawn(async move {
            let stream = stream.boxed();
            match acceptor {
                None => converse(stream, router, stop, patience).await,
                Some(acceptor) => match timeout(patience, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        // Only one of the authorities passes the handshake.
                        let has_one = stream.get_ref().1.peer_certificates().is_some();
                        let router = if has_one {
                            router.layer(Extension(Certified))
                        } else {
                            router
                        };
                        converse(Box::new(stream), router, stop, patience).await;
                    }
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "the TLS handshake with the status page failed");
                    }
                    Err(_) => {}
                },
            }
            drop(place);
        });
    }
    // What is under way may end.
    let all = |places: usize| u32::try_from(places).unwrap_or(u32::MAX);
    let ended = async {
        let _ = places.acquire_many(all(CONNECTIONS)).await;
        let _ = spare.acquire_many(all(SPARE)).await;
    };
    let _ = timeout(LAST_ANSWER * 2, ended).await;
}

async fn converse(
    stream: Box<dyn Duplex>,
    router: Router,
    stop: CancellationToken,
    patience: Duration,
) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stop.cancelled() => None,
        () = sleep(LONGEST) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection to the status page ended");
    }
}

/// The certificate, which is read again when the configuration is.
pub(super) struct Tls {
    current: watch::Receiver<TlsAcceptor>,
}

impl Tls {
    pub(super) fn new(settings: &config::Tls, mut view: View) -> Result<Self, Error> {
        let (sender, current) = watch::channel(acceptor(settings)?);
        let settings = settings.clone();
        tokio::spawn(async move {
            while view.reloaded().await {
                match acceptor(&settings) {
                    Ok(acceptor) => drop(sender.send_replace(acceptor)),
                    Err(error) => tracing::error!(%error, "the old certificate stays in use"),
                }
            }
        });
        Ok(Self { current })
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.current.borrow().clone()
    }
}

fn acceptor(settings: &config::Tls) -> Result<TlsAcceptor, Error> {
    let failed = |error: &dyn std::error::Error| Error::Tls(error.to_string());
    let certificate = settings
        .certificate
        .read_bytes()
        .map_err(|error| failed(&error))?;
    let chain = CertificateDer::pem_slice_iter(&certificate);
    let chain = chain
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(&error))?;
    let key = settings
        .private_key
        .read_bytes()
        .map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| failed(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_client_cert_verifier(verifier(settings.client_ca.as_deref(), &provider)?)
        .with_single_cert(chain, key)
        .map_err(|error| failed(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Who has no certificate may still come in with the token.
fn verifier(
    client_ca: Option<&Path>,
    provider: &Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let Some(path) = client_ca else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let failed = |error: &dyn std::error::Error| {
        let path = path.display();
        Error::Tls(format!("client_ca, {path}: {error}"))
    };
    let mut roots = rustls::RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(&error))?;
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| failed(&error))
}
