//! Where text goes: results to standard output, everything else to standard error. Knows whether
//! these are terminals, and whether colour is wanted.

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use terminal_size::{Width, terminal_size};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::format::Format;
use super::journal::priority;
use super::wrap::{COLUMNS, Wrapped, wrap};
use crate::engine::model::JobName;
use crate::report::clean_lines;
use crate::report::json::{Document, Harmless};
use crate::report::text::Style;

/// Text is not made narrower than this.
const NARROWEST: usize = 40;

#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) format: Format,
    verbose: u8,
    quiet: bool,
    colour_wanted: bool,
}

impl Output {
    pub(super) fn new(format: Format, verbose: u8, quiet: bool) -> Self {
        Self {
            format,
            verbose,
            quiet,
            colour_wanted: colour_wanted(&|name| std::env::var_os(name)),
        }
    }

    /// The same for a command that prints JSON whatever was asked for.
    pub(super) fn as_json(self) -> Self {
        Self {
            format: Format::Json,
            ..self
        }
    }

    pub(super) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Standard output for a result. A reader who went away, as `head` does, is no error.
    pub(super) fn results(self) -> BufWriter<StandardOutput> {
        BufWriter::new(IgnoreBrokenPipe {
            inner: Harmless::only_if(self.is_json(), io::stdout()),
            gone: false,
        })
    }

    /// Standard output for a result that people read, as wide as their screen; JSON and CSV are left as
    /// they are.
    pub(super) fn text(self) -> Wrapped<BufWriter<StandardOutput>> {
        let columns = (self.format == Format::Text).then(|| columns(io::stdout().is_terminal()));
        Wrapped::new(self.results(), columns)
    }

    /// The document of one entry per job, where JSON is wanted.
    pub(super) fn document(
        self,
        out: &mut dyn Write,
    ) -> io::Result<Option<Document<&mut dyn Write>>> {
        self.is_json().then(|| Document::begin(out)).transpose()
    }

    /// How results look.
    pub(super) fn style(self) -> Style {
        Style {
            colour: self.colour_wanted && io::stdout().is_terminal(),
            details: self.verbose > 0,
        }
    }

    /// How messages look.
    pub(super) fn message_style(self) -> Style {
        Style {
            colour: self.colour_wanted && io::stderr().is_terminal(),
            details: false,
        }
    }

    /// Lines to standard error.
    #[expect(clippy::unused_self, reason = "the one way to standard error is here")]
    pub(super) fn message(self, text: &str) {
        let columns = columns(io::stderr().is_terminal());
        for line in text.lines() {
            // There is no place left to report that this failed.
            let _ = writeln!(io::stderr(), "{}", wrap(line, columns));
        }
    }

    /// The beginning of a line that the user's answer completes.
    #[expect(clippy::unused_self, reason = "the one way to standard error is here")]
    pub(super) fn prompt(self, question: &str) {
        let mut err = io::stderr();
        let _ = write!(err, "{question}").and_then(|()| err.flush());
    }

    /// Prints that a job could not be processed, and returns the text for the result.
    pub(super) fn error_of(self, job: &JobName, error: &anyhow::Error) -> String {
        let text = clean_lines(&format!("{error:#}"));
        self.message(&format!("error: {job}: {text}"));
        text
    }

    /// A progress bar disturbs neither files nor log lines.
    pub(super) fn shows_progress(self) -> bool {
        !self.quiet && self.verbose == 0 && io::stderr().is_terminal()
    }

    /// Sends the log to standard error. `usual` is the level without `-v` and `-q`.
    pub(super) fn start_log(self, usual: &str, as_json: bool) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => "error",
            (false, 0) => usual,
            (false, 1) => "info",
            (false, 2) => "debug",
            (false, _) => "trace",
        };
        // The libraries below stay quiet: their debug logs may hold what must not be logged.
        let filter = EnvFilter::new(format!("off,entrain={level}"));
        // The spans of cycles are fields, which lines for people have already.
        let lines = filter_fn(|line| !line.is_span()).with_max_level_hint(LevelFilter::TRACE);
        let stderr = layer().with_writer(io::stderr).with_target(false);
        let log: Box<dyn Layer<Registry> + Send + Sync> = if as_json {
            let json = stderr.json().flatten_event(true).with_span_list(false);
            json.with_filter(filter).boxed()
        } else if let Some(journal) = native_journal() {
            journal.with_filter(filter).boxed()
        } else if is_journal() {
            let plain = stderr.with_ansi(false).event_format(ForJournal);
            plain.with_filter(filter.and(lines)).boxed()
        } else {
            let colour = self.colour_wanted && io::stderr().is_terminal();
            let text = stderr.with_ansi(colour);
            text.with_filter(filter.and(lines)).boxed()
        };
        // An error says that a log was started already, as tests do.
        let _ = tracing_subscriber::registry().with(log).try_init();
    }
}

/// A log that journald takes with its fields, where it is there.
#[cfg(target_os = "linux")]
fn native_journal() -> Option<super::journal::Journal> {
    super::journal::Journal::of_stderr()
}

#[cfg(not(target_os = "linux"))]
fn native_journal() -> Option<tracing_subscriber::layer::Identity> {
    None
}

/// Whether standard error is the journal's, which adds the time itself (systemd.exec(5)).
fn is_journal() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some() && !io::stderr().is_terminal()
}

/// Lines with the priority in front, as sd-daemon(3) describes, and without the time.
struct ForJournal;

impl<S, N> FormatEvent<S, N> for ForJournal
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let priority = priority(*event.metadata().level());
        write!(writer, "<{priority}>")?;
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Whether the environment allows colour; it also needs a terminal.
fn colour_wanted(variable: &dyn Fn(&str) -> Option<OsString>) -> bool {
    // https://no-color.org: any value but an empty one says no.
    let is_refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = variable("TERM").is_some_and(|terminal| terminal == "dumb");
    !is_refused && !is_dumb
}

/// `COLUMNS`, as shells set it, or what the terminal says.
fn columns(is_terminal: bool) -> usize {
    let given = std::env::var_os("COLUMNS");
    given
        .and_then(|columns| columns.to_str()?.parse().ok())
        .filter(|columns| *columns >= NARROWEST)
        .or_else(|| {
            let size = is_terminal.then(terminal_size).flatten();
            size.map(|(Width(width), _)| width.into())
        })
        .map_or(COLUMNS, |columns: usize| columns.max(NARROWEST))
}

/// `-` for a file to be written is standard output, as usual on a command line.
pub(super) fn is_standard_output(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Standard output as results go to it.
pub(super) type StandardOutput = IgnoreBrokenPipe<Harmless<io::Stdout>>;

/// Standard output that ignores a reader that is gone.
pub(super) struct IgnoreBrokenPipe<W> {
    inner: W,
    gone: bool,
}

impl<W: Write> IgnoreBrokenPipe<W> {
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    fn judge<T>(&mut self, done: io::Result<T>, swallowed: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(swallowed)
            }
            other => other,
        }
    }
}

impl<W: Write> Write for IgnoreBrokenPipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gone {
            return Ok(bytes.len());
        }
        let done = self.inner.write(bytes);
        self.judge(done, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gone {
            return Ok(());
        }
        let done = self.inner.flush();
        self.judge(done, ())
    }
}

/// How the result of a cycle is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) json: bool,
    pub(super) style: Style,
}

impl Look {
    pub(super) fn of(output: Output) -> Self {
        Self {
            json: output.is_json(),
            style: output.style(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_colour_is_used_where_the_environment_refuses_it() {
        for (set, wanted) in [
            (None, true),
            (Some(("TERM", "xterm")), true),
            (Some(("TERM", "dumb")), false),
            (Some(("NO_COLOR", "1")), false),
            (Some(("NO_COLOR", "")), true),
        ] {
            let variable = |name: &str| {
                set.filter(|(key, _)| *key == name)
                    .map(|(_, value)| OsString::from(value))
            };
            assert_eq!(colour_wanted(&variable), wanted, "{set:?}");
        }
    }

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_who_went_away_is_no_error_but_a_full_disk_is() {
        let write = |kind| {
            let mut output = IgnoreBrokenPipe {
                inner: Broken(kind),
                gone: false,
            };
            output.write_all(b"text").and_then(|()| output.flush())
        };
        assert!(write(io::ErrorKind::BrokenPipe).is_ok());
        assert!(write(io::ErrorKind::StorageFull).is_err());
    }
}
