//! Loopback servers whose connections can be cut from inside a request handler, as networks do.
//! The number of bytes that may still be written decides whether an answer is lost whole or in part.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a stopping server waits for requests in flight.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// A server on 127.0.0.1 that runs until it is stopped or dropped.
#[derive(Debug)]
pub(super) struct Server {
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `router` on an already bound listener.
    pub(super) fn start(listener: TcpListener, router: Router) -> Self {
        let cancel = CancellationToken::new();
        let stopped = cancel.clone().cancelled_owned();
        let service = router.into_make_service_with_connect_info::<Cut>();
        let task = tokio::spawn(async move {
            let serving = axum::serve(CuttableListener(listener), service);
            // The only errors would be those of accept, which axum retries by itself.
            let _ = serving.with_graceful_shutdown(stopped).await;
        });
        Self { cancel, task }
    }

    /// Lets requests in flight finish, for a second at most, and frees the port.
    pub(super) async fn stop(mut self) {
        self.cancel.cancel();
        if tokio::time::timeout(STOP_PATIENCE, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Binds 127.0.0.1; port 0 lets the system choose.
pub(super) async fn bind(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The scissors of one connection: how many more bytes it will carry to the client.
#[derive(Debug, Clone)]
pub(super) struct Cut(Arc<AtomicUsize>);

impl Cut {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    /// Breaks the connection once `bytes` more bytes were written.
    pub(super) fn after(&self, bytes: usize) {
        self.0.store(bytes, Ordering::SeqCst);
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn spend(&self, written: usize) {
        let left = self.left();
        if left != usize::MAX {
            self.after(left.saturating_sub(written));
        }
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Cut {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().cut.clone()
    }
}

struct CuttableListener(TcpListener);

impl Listener for CuttableListener {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Without it, small answers wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let cut = Cut::new();
        (Line { stream, cut }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

struct Line {
    stream: TcpStream,
    cut: Cut,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let allowed = buf.len().min(self.cut.left());
        if allowed == 0 && !buf.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, &buf[..allowed]);
        if let Poll::Ready(Ok(count)) = &written {
            self.cut.spend(*count);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
