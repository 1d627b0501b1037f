//! What journald gets: the test takes its place, in a mount namespace of its own.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use entrain::sandbox::{Fault, Size, Trouble};

use crate::foreign::skipped;
use crate::rig::Rig;
use crate::service::Service;

/// Puts a folder in the place of journald's, and goes on as another program.
const IN_PLACE: &str = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind \"$0\" \
                        /run/systemd/journal && exec \"$@\"";

fn can_unshare() -> bool {
    let tried = Command::new("unshare")
        .args(["--mount", "sh", "-c", "mount -t tmpfs tmpfs /run"])
        .output();
    tried.is_ok_and(|tried| tried.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn journald_gets_each_line_with_the_fields_of_its_cycle() {
    if !can_unshare() {
        skipped("a mount namespace", "unshare --mount is not allowed here");
        return;
    }
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.sandbox
        .tenant
        .traffic()
        .inject(Fault::new("/v1.0", Trouble::throttled(1)).times(1));
    let folder = rig.path("journal");
    fs::create_dir(&folder).unwrap();
    let socket = UnixDatagram::bind(folder.join("socket")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let log = File::create(rig.path("log")).unwrap();
    let stream = log.metadata().unwrap();
    let run = rig.command(&["-vv", "run"]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", IN_PLACE]);
    command
        .arg(&folder)
        .arg(run.get_program())
        .args(run.get_args());
    command.current_dir(run.get_current_dir().unwrap());
    command.env(
        "JOURNAL_STREAM",
        format!("{}:{}", stream.dev(), stream.ino()),
    );
    command.env_remove("ENTRAIN_CONFIG").stderr(log);
    let service = Service::of(&rig, command);
    let mut lines: Vec<String> = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    while !lines.iter().any(|line| line.contains("cycle ended")) {
        let length = socket.recv(&mut buffer).unwrap();
        lines.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    let line = |words: &str| {
        let found = lines.iter().find(|line| line.contains(words));
        found.unwrap_or_else(|| panic!("{words}: {lines:#?}"))
    };
    let ended = line("cycle ended");
    for field in [
        "ENTRAIN_JOB",
        "ENTRAIN_CYCLE",
        "ENTRAIN_WOKEN_BY",
        "PRIORITY",
        "SYSLOG_IDENTIFIER",
    ] {
        assert!(ended.contains(&format!("{field}\n")), "{field}: {ended:?}");
    }
    // A line of what the cycle uses knows the cycle, too.
    let again = line("request will be sent again");
    for field in [
        "ENTRAIN_JOB",
        "ENTRAIN_CYCLE",
        "ENTRAIN_REQUEST_ID",
        "ENTRAIN_WAIT_MS",
    ] {
        assert!(again.contains(&format!("{field}\n")), "{field}: {again:?}");
    }
    service.signal("-TERM");
    let (code, rest) = service.end().await;
    assert_eq!((code, rest.as_str()), (0, ""));
}
