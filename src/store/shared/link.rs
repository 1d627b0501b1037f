//! One connection to the database, on a thread of its own: who asks may be in the middle of an asynchronous
//! task, where the client must not wait by itself.

use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use postgres::config::SslMode;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use url::Url;

use super::PAUSE;
use super::error::Failed;
use crate::config::Database;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may take for an answer, a connection included.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same where a whole state is on its way.
pub(super) const LONG_PATIENCE: Duration = Duration::from_mins(10);
/// The oldest version that is supported.
const OLDEST: i32 = 150_000;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// Work for the thread of a connection, one piece at a time.
pub(super) struct Link {
    settings: Arc<Database>,
    work: Mutex<Sender<Work>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// It connects when it is needed for the first time.
    pub(super) fn new(settings: Arc<Database>) -> Self {
        let work = Mutex::new(begin(&settings));
        Self { settings, work }
    }

    /// Does `work` with the client; a connection that broke is made anew by the next one.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&mut Client) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Failed> {
        self.ask_within(PATIENCE, attempt, work)
    }

    /// The same for what may be requested twice: again for at most this long, as a restart of the database takes
    /// seconds, and many jobs may wait for each other.
    pub(super) fn ask_again<T: Send + 'static>(
        &self,
        limit: Duration,
        attempt: &'static str,
        work: impl FnOnce(&mut Client) -> Result<T, Failed> + Clone + Send + 'static,
    ) -> Result<T, Failed> {
        let begun = Instant::now();
        let mut is_told = false;
        loop {
            match self.ask(attempt, work.clone()) {
                Err(failed) if failed.may_pass() && begun.elapsed() < limit => {
                    if failed.breaks_connection() && !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(error = %failed, "waiting for the database");
                    }
                    thread::sleep(PAUSE);
                }
                done => return done,
            }
        }
    }

    /// The same for what may take longer. A server that does not answer in time counts as a connection that broke:
    /// its thread is left to end by itself.
    pub(super) fn ask_within<T: Send + 'static>(
        &self,
        limit: Duration,
        attempt: &'static str,
        work: impl FnOnce(&mut Client) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Failed> {
        let (answer, answered) = mpsc::sync_channel(1);
        let piece: Work = Box::new(move |connection| {
            let done = connection.with(work);
            // Who asked may be gone.
            let _ = answer.send(done);
        });
        let sender = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        sender.send(piece).expect("its thread ends with the link");
        drop(sender);
        let done = answered.recv_timeout(limit).unwrap_or_else(|error| {
            let mut sender = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            *sender = begin(&self.settings);
            Err(match error {
                RecvTimeoutError::Timeout => Failed::silent(limit),
                RecvTimeoutError::Disconnected => Failed::crashed(),
            })
        });
        done.map_err(|failed| failed.at(attempt))
    }
}

fn begin(settings: &Arc<Database>) -> Sender<Work> {
    let (work, waiting) = mpsc::channel::<Work>();
    let connection = Connection {
        settings: Arc::clone(settings),
        client: None,
    };
    thread::Builder::new()
        .name("database".to_owned())
        .spawn(move || serve(connection, &waiting))
        .expect("the system gives us a thread");
    work
}

fn serve(mut connection: Connection, waiting: &Receiver<Work>) {
    while let Ok(work) = waiting.recv() {
        // A panic is a bug in one piece of work; its sender is dropped, and who asked learns of it.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&mut connection)));
    }
}

struct Connection {
    settings: Arc<Database>,
    client: Option<Client>,
}

impl Connection {
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Client) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = Some(connect(&self.settings)?);
        }
        let client = self.client.as_mut().expect("it was connected");
        let done = work(client);
        if done.as_ref().is_err_and(Failed::breaks_connection) || client.is_closed() {
            self.client = None;
        }
        done
    }
}

/// Opens a connection, and refuses a server on which nothing would be safe.
fn connect(settings: &Database) -> Result<Client, Failed> {
    let mut config: postgres::Config = settings.url.as_str().parse().map_err(Failed::from)?;
    config
        .application_name("entrain")
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_user_timeout(settings.lease / 3)
        // In whole seconds.
        .keepalives_idle((settings.lease / 3).max(Duration::from_secs(1)));
    if let Some(password) = &settings.password {
        config.password(password.read().map_err(|error| Failed::secret(&error))?);
    }
    let mut client = if is_local(&settings.url) && settings.client_certificate.is_none() {
        config.ssl_mode(SslMode::Disable);
        config.connect(postgres::NoTls)
    } else {
        config.ssl_mode(SslMode::Require);
        config.connect(MakeRustlsConnect::new(tls(settings)?))
    }
    .map_err(Failed::from)?;
    check_server(&mut client)?;
    // A transaction that is left open holds up every other agent.
    let idle = settings.lease.as_millis() / 3;
    let statements = format!(
        "SET search_path TO {schema}; SET idle_in_transaction_session_timeout = {idle};
         SET lock_timeout = {idle}; SET statement_timeout = '10min'; SET TimeZone = 'UTC';
         SET tcp_user_timeout = {idle}",
        schema = settings.schema,
    );
    client.batch_execute(&statements).map_err(Failed::from)?;
    Ok(client)
}

/// This machine needs no encryption on the way to it.
fn is_local(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return true;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = address
        .parse()
        .is_ok_and(|address: IpAddr| address.is_loopback());
    // The folder of a Unix socket begins with a slash, which is written as %2F.
    is_loopback || host == "localhost" || host.starts_with('%')
}

fn tls(settings: &Database) -> Result<ClientConfig, Failed> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = &settings.ca_certificate {
        let failed = |error: &dyn std::error::Error| {
            Failed::tls(format!("{} (ca_certificate): {error}", path.display()))
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
            let certificate = certificate.map_err(|error| failed(&error))?;
            roots.add(certificate).map_err(|error| failed(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the usual versions of TLS")
        .with_root_certificates(roots);
    let Some((certificate, private_key)) = &settings.client_certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let failed =
        |error: &dyn std::error::Error| Failed::tls(format!("client_certificate: {error}"));
    let pem = certificate
        .read_bytes()
        .map_err(|error| Failed::secret(&error))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| failed(&error))?;
    let pem = private_key
        .read_bytes()
        .map_err(|error| Failed::secret(&error))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| failed(&error))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| failed(&error))
}

fn check_server(client: &mut Client) -> Result<(), Failed> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
                 pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,
                 current_setting('synchronous_commit')",
            &[],
        )
        .map_err(Failed::from)?;
    let (number, version): (i32, String) = (row.get(0), row.get(1));
    if number < OLDEST {
        return Err(Failed::unfit(
            format!("the server is PostgreSQL {version}"),
            "use version 15 or later",
        ));
    }
    if row.get(2) {
        return Err(Failed::unfit(
            "the server is a read-only replica".to_owned(),
            "let state.url name the primary server",
        ));
    }
    let commit: String = row.get(3);
    if commit == "off" {
        return Err(Failed::unfit(
            "the server confirms what is not on its disk yet (synchronous_commit is off)"
                .to_owned(),
            "ALTER ROLE … SET synchronous_commit = on",
        ));
    }
    Ok(())
}
