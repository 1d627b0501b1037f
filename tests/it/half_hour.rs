//! The service as an administrator lives with it, for half an hour of real time: the page is looked at, mails
//! come from a server that we did not write, users leave, and both sides fail now and then. By hand, since it
//! takes so long; what it counted is printed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use entrain::sandbox::{Exchange, Size, Trouble, Uuid};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::cycles::settled;
use crate::foreign::{Program, installed, loudly};
use crate::notify::{aiosmtpd, certified, mail_to};
use crate::rig::Rig;
use crate::target::Expected;
use crate::web::{Site, serve_page};

const PATHS: [&str; 7] = [
    "/",
    "/jobs/demo",
    "/log",
    "/log?status=failed",
    "/cycles/1",
    "/metrics",
    "/healthz",
];

/// What happens every so many seconds.
const CHANGE: u64 = 10;
const LOOK: u64 = 3;

/// A user who was blocked, until the account is disabled.
struct Leaver {
    name: String,
    since: Instant,
}

#[derive(Default)]
struct Figures {
    pages: Vec<(Duration, &'static str)>,
    changes: usize,
    blocked: Vec<Leaver>,
    disabled: Vec<Duration>,
    to_source: usize,
    polls: usize,
    to_target: usize,
    writes: usize,
    peak_kib: u64,
}

fn trouble(random: &mut Rng) -> Trouble {
    match random.usize(0..6) {
        0 => Trouble::throttled(1),
        1 => Trouble::status(503),
        2 => Trouble::Refused,
        3 => Trouble::AnswerLost,
        4 => Trouble::CutAnswer,
        _ => Trouble::Delay(Duration::from_millis(1_500)),
    }
}

/// So many of a hundred requests meet trouble on each side.
fn weather(rig: &Rig, percent: usize) {
    for traffic in [rig.tenant().traffic(), rig.sandbox.target.traffic()] {
        traffic.clear_faults();
        let mut random = Rng::with_seed(5);
        traffic.befall(move |_, _| (random.usize(0..100) < percent).then(|| trouble(&mut random)));
    }
}

impl Figures {
    /// Adds what was sent since the last time, and lets it be forgotten.
    fn count(&mut self, rig: &Rig) {
        let is_poll = |one: &Exchange| one.path.contains("delta");
        let source = rig.tenant().traffic();
        self.to_source += source.count();
        self.polls += source.count_where(is_poll);
        source.reset();
        let target = rig.sandbox.target.traffic();
        self.to_target += target.count();
        self.writes += target.count_where(|one| one.method != "GET");
        target.reset();
    }

    fn memory(&mut self, process: u32) {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        self.peak_kib = self.peak_kib.max(peak.unwrap_or(0));
    }

    fn leavers(&mut self, rig: &Rig) {
        let is_disabled = |name: &str| {
            let user = rig.sandbox.target.find_user_by("userName", name);
            user.is_none_or(|user| user["active"] == json!(false))
        };
        let (gone, blocked) = std::mem::take(&mut self.blocked)
            .into_iter()
            .partition(|leaver: &Leaver| is_disabled(&leaver.name));
        self.blocked = blocked;
        self.disabled
            .extend(gone.iter().map(|leaver| leaver.since.elapsed()));
    }

    fn change(&mut self, rig: &Rig, staff: &mut Vec<(Uuid, String)>) {
        self.changes += 1;
        let number = self.changes;
        match number % 3 {
            0 => {
                let alias = format!("joiner{number}");
                rig.joiner(&alias);
            }
            1 => {
                let (user, _) = staff[number % staff.len()];
                let title = json!(format!("Engineer {number}"));
                rig.tenant().set_property(user, "jobTitle", title);
            }
            _ => {
                let (user, name) = staff.remove(number % staff.len());
                rig.tenant().disable_user(user);
                self.blocked.push(Leaver {
                    name,
                    since: Instant::now(),
                });
            }
        }
    }
}

fn staff(rig: &Rig) -> Vec<(Uuid, String)> {
    let users = rig.tenant().users_in_scope().into_iter();
    let named = users.filter_map(|id| {
        let user = rig.tenant().user(id)?;
        let name = user.properties.get("userPrincipalName")?.as_str()?;
        let there = rig.sandbox.target.find_user_by("userName", name)?;
        (there["active"] == json!(true)).then(|| (id, name.to_owned()))
    });
    named.collect()
}

fn mails(rig: &Rig) -> Vec<Value> {
    let text = fs::read_to_string(rig.path("mails")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The service and what is done to it.
struct World<'r> {
    rig: &'r Rig,
    home: PathBuf,
    port: u16,
    /// `None` while it is away.
    server: Option<Program>,
    site: Site<'r>,
    staff: Vec<(Uuid, String)>,
    figures: Figures,
}

impl World<'_> {
    async fn look(&mut self) {
        for path in PATHS {
            let begun = Instant::now();
            self.site.see(path).await.expect(200);
            self.figures.pages.push((begun.elapsed(), path));
        }
        self.figures.memory(self.site.service.id());
    }

    async fn live(&mut self, whole: Duration) {
        let begun = Instant::now();
        let at = |share: u32| whole * share / 30;
        let mut crashed = false;
        for second in 0.. {
            let now = begun.elapsed();
            if now >= whole {
                return;
            }
            if second % CHANGE == 0 && now < at(27) {
                self.figures.change(self.rig, &mut self.staff);
            }
            if second % LOOK == 0 {
                self.look().await;
            }
            self.figures.count(self.rig);
            self.figures.leavers(self.rig);
            if now >= at(8) && now < at(12) {
                let down = |_: &str, _: &str| Some(Trouble::status(503));
                self.rig.sandbox.target.traffic().befall(down);
                self.server = None;
            } else if now >= at(12) && self.server.is_none() {
                weather(self.rig, 3);
                self.server = Some(aiosmtpd(self.rig, &self.home, self.port));
            }
            if now >= at(20) && !crashed {
                crashed = true;
                self.site.service.kill();
                self.site = Site::start(self.rig).await;
            }
            if now >= at(27) {
                weather(self.rig, 0);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

impl Figures {
    fn print(&mut self, mails: &[Value]) {
        self.pages.sort_unstable();
        self.disabled.sort_unstable();
        let pages: Vec<Duration> = self.pages.iter().map(|one| one.0).collect();
        let share =
            |sorted: &[Duration], percent: usize| sorted[(sorted.len() - 1) * percent / 100];
        let subjects: Vec<_> = mails.iter().map(|mail| &mail["subject"]).collect();
        loudly(&format!(
            "\n{} changes\n\
             source: {} requests, {} of them polls of a delta; target: {} requests, {} of them writes\n\
             {} pages: median {:?}, p99 {:?}, the slowest {:?}\n\
             {} users blocked and disabled: median {:?}, longest {:?}\n\
             peak memory {} MiB\n\
             {} mails: {subjects:#?}\n",
            self.changes,
            self.to_source,
            self.polls,
            self.to_target,
            self.writes,
            pages.len(),
            share(&pages, 50),
            share(&pages, 99),
            self.pages.last(),
            self.disabled.len(),
            share(&self.disabled, 50),
            share(&self.disabled, 100),
            self.peak_kib / 1024,
            mails.len(),
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half an hour: cargo test --test it -- --ignored half_hour (ENTRAIN_MINUTES for another time)"]
async fn the_service_runs_for_half_an_hour_in_bad_weather() {
    let Some(home) = installed("aiosmtpd") else {
        return;
    };
    let minutes = std::env::var_os("ENTRAIN_MINUTES");
    let minutes = minutes.map_or(30, |text| text.to_str().unwrap().parse().unwrap());
    let rig = Rig::start(Size::new(300, 10, 600)).await;
    certified(&rig);
    fs::write(rig.path("password"), "s3cret-password").unwrap();
    let server = aiosmtpd(&rig, &home, 0);
    let mail = mail_to(server.port).replace("encryption = \"none\"", "encryption = \"starttls\"");
    let login =
        "user = \"entrain\"\npassword = { file = \"password\" }\nca_certificate = \"post.pem\"\n";
    let schedule = "[schedule]\ninterval = \"2m\"\n";
    let limit = "[jobs.safety]\nmax_deletions = 500\n";
    rig.configure(&format!("{limit}{schedule}{mail}{login}"));
    serve_page(&rig, "");
    let site = Site::after_a_cycle(&rig).await;
    let mut expected = Expected::default();
    expected.after_cycle(rig.tenant());
    let mut world = World {
        port: server.port,
        server: Some(server),
        staff: staff(&rig),
        rig: &rig,
        home,
        site,
        figures: Figures::default(),
    };
    Figures::default().count(&rig);
    weather(&rig, 3);
    world.live(Duration::from_secs(60 * minutes)).await;

    let mails = mails(&rig);
    world.figures.print(&mails);
    let ids: BTreeSet<&str> = mails
        .iter()
        .filter_map(|mail| mail["id"].as_str())
        .collect();
    assert_eq!(ids.len(), mails.len());
    assert!(world.figures.blocked.is_empty());
    world.site.service.signal("-TERM");
    let (code, log) = world.site.service.end().await;
    assert_eq!(code, 0, "{log}");
    rig.sync().await.expect(0);
    settled(&rig, &mut expected).await;
}
