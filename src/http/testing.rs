//! Servers for tests: an axum router on a free loopback port, and one that never answers.

use std::io::Read;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Channel, Settings, build};

/// Serves `router` until the test ends; returns `http://127.0.0.1:PORT`.
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Reads each request and closes the connection: the answer is lost.
pub(crate) fn lose_answers() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut request = [0; 4_096];
            let _ = connection.unwrap().read(&mut request);
        }
    });
    format!("http://{address}")
}

/// A channel with short time limits.
pub(crate) fn channel(stop: &CancellationToken) -> Channel {
    let settings = Settings {
        connections: 4,
        timeout: Duration::from_secs(2),
        extra_roots: None,
        identity: None,
        proxy: None,
        direct: true,
    };
    Channel::new(
        crate::metrics::Side::Target,
        build(&settings).unwrap(),
        None,
        stop.clone(),
    )
}
