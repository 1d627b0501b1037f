//! Runs a program and reads from `/proc` what it used: CPU, memory and bytes written.

use std::fs;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// Linux reports CPU time in hundredths of a second, whatever the kernel counts in.
const TICK: Duration = Duration::from_millis(10);
/// How often a running program is looked at: often at first, because short runs have a peak too.
const POLL: Duration = Duration::from_millis(2);
const POLL_LATER: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_secs(1);

/// What a program used from its start to its end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// The largest resident memory, in bytes.
    pub(crate) peak: u64,
    /// Bytes of pages that it made dirty, so that the kernel writes them to a disk.
    pub(crate) to_disk: u64,
    /// Bytes passed to `write` and its relatives.
    pub(crate) written: u64,
}

/// A program that runs and is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    child: Child,
    begun: Instant,
    usage: Usage,
}

impl Watched {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let begun = Instant::now();
        let child = command.spawn()?;
        Ok(Self {
            child,
            begun,
            usage: Usage::default(),
        })
    }

    /// Waits for the end. `stop` is called again and again; once it is true, the program is killed.
    pub(crate) fn wait(
        mut self,
        mut stop: impl FnMut() -> bool,
    ) -> io::Result<(Usage, ExitStatus)> {
        let folder = format!("/proc/{}", self.child.id());
        loop {
            // Its peak is gone once it has ended, but CPU and bytes stay until it is waited for.
            if let Some(kib) = number_of(&folder, "status", "VmHWM:") {
                self.usage.peak = kib * 1024;
            }
            let Some((state, cpu)) = stat(&folder) else {
                break;
            };
            if state == 'Z' {
                self.usage.cpu = cpu;
                self.usage.to_disk = number_of(&folder, "io", "write_bytes:").unwrap_or(0);
                self.usage.written = number_of(&folder, "io", "wchar:").unwrap_or(0);
                break;
            }
            if stop() {
                self.child.kill()?;
            }
            let elapsed = self.begun.elapsed();
            thread::sleep(if elapsed < LATER { POLL } else { POLL_LATER });
        }
        self.usage.wall = self.begun.elapsed();
        let status = self.child.wait()?;
        Ok((self.usage, status))
    }
}

/// The state of a process, `Z` after its end, and the CPU time that it used.
fn stat(folder: &str) -> Option<(char, Duration)> {
    let text = fs::read_to_string(format!("{folder}/stat")).ok()?;
    // The name stands in brackets and may hold anything, so the fields are counted from behind it.
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |place: usize| fields.get(place)?.parse::<u32>().ok();
    let (user, system) = (ticks(11)?, ticks(12)?);
    let state = fields.first()?.chars().next()?;
    Some((state, TICK * (user + system)))
}

/// The number behind a label in one of the files of a process.
fn number_of(folder: &str, file: &str, label: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("{folder}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}
