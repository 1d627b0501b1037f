//! Log lines for journald with their fields, by its native protocol
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>): the line that people read as the message, and each field by
//! itself, those of the cycle that it belongs to included.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Where journald takes datagrams.
const SOCKET: &str = "/run/systemd/journal/socket";
/// Of one field, in bytes: a datagram must hold them all.
const LONGEST: usize = 8 * 1024;

pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// `None`: standard error is not the journal's, or journald cannot be reached.
    pub(super) fn of_stderr() -> Option<Self> {
        let stream = std::env::var_os("JOURNAL_STREAM")?;
        let stderr = fs::metadata("/proc/self/fd/2").ok()?;
        // It is inherited by commands whose output goes elsewhere (systemd.exec(5)).
        let is_journal = stream.to_str()? == format!("{}:{}", stderr.dev(), stderr.ino());
        is_journal.then(|| Self::at(Path::new(SOCKET)).ok())?
    }

    fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // Nothing is logged by it: it shows that someone listens.
        socket.send_to(&[], path)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }
}

/// What a span adds to the lines in it.
struct OfSpan(Fields);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(OfSpan(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let priority = priority(*event.metadata().level());
        let line = fields.line.trim_start().to_owned();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(OfSpan(outer)) = span.extensions().get::<OfSpan>() {
                for (name, value) in &outer.named {
                    let named = fields.named.entry(name);
                    named.or_insert_with(|| value.clone());
                }
            }
        }
        let mut message = Vec::new();
        put(&mut message, "PRIORITY", &priority.to_string());
        put(&mut message, "SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
        put(&mut message, "MESSAGE", &line);
        for (name, value) in &fields.named {
            put(&mut message, &journal_name(name), value);
        }
        if self.socket.send_to(&message, &self.path).is_err() {
            // Journald is away for a moment. Its stream takes the line.
            let _ = writeln!(io::stderr(), "<{priority}>{line}");
        }
    }
}

/// The fields of a line or a span, and the line that people read.
#[derive(Default)]
struct Fields {
    line: String,
    named: BTreeMap<&'static str, String>,
}

impl Fields {
    fn put(&mut self, field: &Field, shown: &str, value: String) {
        if field.name() == "message" {
            self.line.insert_str(0, shown);
        } else {
            // Writing to a text cannot fail.
            let _ = write!(self.line, " {}={shown}", field.name());
            self.named.insert(field.name(), value);
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, &format!("{value:?}"), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        self.put(field, &text, text.clone());
    }
}

/// Capital letters, digits and underscores, apart from the fields that journald knows.
fn journal_name(field: &str) -> String {
    let letters = field.chars().map(|letter| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' => letter.to_ascii_uppercase(),
        _ => '_',
    });
    format!("ENTRAIN_{}", letters.collect::<String>())
}

/// Name, line feed, length, value, line feed: so a value may hold line feeds.
fn put(message: &mut Vec<u8>, name: &str, value: &str) {
    let end = value.floor_char_boundary(LONGEST.min(value.len()));
    let value = &value.as_bytes()[..end];
    message.extend_from_slice(name.as_bytes());
    message.push(b'\n');
    message.extend_from_slice(&(value.len() as u64).to_le_bytes());
    message.extend_from_slice(value);
    message.push(b'\n');
}

/// As in syslog(3).
pub(super) fn priority(level: tracing::Level) -> u8 {
    match level {
        tracing::Level::ERROR => 3,
        tracing::Level::WARN => 4,
        tracing::Level::INFO => 6,
        tracing::Level::DEBUG | tracing::Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// The fields of a datagram, as journald reads them.
    fn read(mut rest: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let name = String::from_utf8(rest[..end].to_vec()).unwrap();
            let length = u64::from_le_bytes(rest[end + 1..end + 9].try_into().unwrap());
            let value = &rest[end + 9..][..usize::try_from(length).unwrap()];
            rest = &rest[end + 9 + value.len()..];
            assert_eq!(rest[0], b'\n');
            rest = &rest[1..];
            let value = String::from_utf8(value.to_vec()).unwrap();
            assert!(fields.insert(name, value).is_none());
        }
        fields
    }

    #[test]
    fn each_line_has_its_fields_and_those_of_its_cycle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        assert!(Journal::at(&path).is_err());
        let socket = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::at(&path).unwrap();
        let mut buffer = vec![0; 256 * 1024];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 0);
        let mut next = || {
            let length = socket.recv(&mut buffer).unwrap();
            read(&buffer[..length])
        };
        let subscriber = tracing_subscriber::registry().with(journal);
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::error_span!("cycle", job = "demo", cycle = 7);
            span.in_scope(|| {
                tracing::warn!(job = "own", wait_ms = 5, error = "two\nlines", "it waits");
            });
            tracing::info!("{} objects", 3);
            tracing::error!(long = "é".repeat(10_000), "much");
        });
        let line = next();
        let of = |name: &str| line.get(name).map_or("", String::as_str);
        assert_eq!(of("PRIORITY"), "4");
        assert_eq!(
            of("MESSAGE"),
            "it waits job=\"own\" wait_ms=5 error=\"two\\nlines\""
        );
        assert_eq!((of("ENTRAIN_JOB"), of("ENTRAIN_CYCLE")), ("own", "7"));
        assert_eq!(of("ENTRAIN_WAIT_MS"), "5");
        assert_eq!(of("ENTRAIN_ERROR"), "two\nlines");
        assert_eq!(of("SYSLOG_IDENTIFIER"), "entrain");
        let line = next();
        assert_eq!(line["MESSAGE"], "3 objects");
        assert_eq!(line["PRIORITY"], "6");
        assert!(!line.contains_key("ENTRAIN_CYCLE"));
        assert!(next()["ENTRAIN_LONG"].len() <= LONGEST);
    }
}
