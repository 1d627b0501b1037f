//! Pacing: at most so many requests a second and at a time, and a pause for all when the server asks for one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::lessons::{Lessons, Sent};

/// Requests may come this much ahead of an even pace, so that timers' coarseness costs no throughput.
const SLACK: Duration = Duration::from_millis(100);

/// Timers wake late: a few milliseconds each time, and more on a busy machine. At the pace that was learned, this
/// much is made up for by requests that follow each other faster, but never by more than were taken in a second.
const LATE: Duration = Duration::from_millis(250);

/// One for the whole program, as the limits are the server's: what one cycle learned of it, another that uses
/// it at the same time or later goes by.
static SERVERS: LazyLock<Mutex<Servers>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Servers {
    /// By address and settings.
    rates: BTreeMap<String, Arc<Rate>>,
    /// By address alone: how many agents send to it.
    senders: BTreeMap<String, Arc<AtomicU32>>,
}

impl Servers {
    fn senders(&mut self, server: &str) -> &Arc<AtomicU32> {
        self.senders
            .entry(server.to_owned())
            .or_insert_with(|| Arc::new(AtomicU32::new(1)))
    }
}

fn servers() -> MutexGuard<'static, Servers> {
    SERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many agents send to these servers: each keeps to its part of what a server takes. To any other, this one
/// sends alone.
pub(crate) fn divide(senders: &BTreeMap<String, u32>) {
    let mut servers = servers();
    for (server, count) in senders {
        servers
            .senders(server)
            .store((*count).max(1), Ordering::Relaxed);
    }
    for (server, known) in &servers.senders {
        if !senders.contains_key(server) {
            known.store(1, Ordering::Relaxed);
        }
    }
}

/// Shared by all requests to one server.
#[derive(Debug)]
pub(super) struct Rate {
    /// Time between two requests of all agents; zero for no limit.
    interval: Duration,
    senders: Arc<AtomicU32>,
    state: Mutex<State>,
    /// A place for a request is free again.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When the next request is due at an even pace.
    next: Option<Instant>,
    /// When the last request was due at the pace that was learned.
    last: Option<Instant>,
    paused_until: Option<Instant>,
    /// Requests that have a place, and those of them that are under way.
    places: usize,
    under_way: usize,
    /// How often the server was left alone.
    pauses: u64,
    /// What its refusals taught; `None` where they are to teach nothing.
    lessons: Option<Lessons>,
}

/// How a server took a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    /// It was answered properly.
    Well,
    /// There were too many (429).
    TooMany,
    /// It cannot cope (503).
    Overload,
    /// There was no answer.
    Unknown,
}

impl Rate {
    /// `per_second`: `None`, or anything that is no positive number, for no limit.
    pub(super) fn new(per_second: Option<f64>) -> Self {
        let interval = per_second
            .filter(|rate| *rate > 0.0)
            .and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok())
            .unwrap_or_default();
        Self {
            interval,
            senders: Arc::new(AtomicU32::new(1)),
            state: Mutex::default(),
            freed: Notify::new(),
        }
    }

    /// That of the server at this address, with at most so many requests at a time. It learns from refusals.
    /// With other settings it begins anew.
    pub(super) fn of(server: &str, per_second: Option<f64>, most: usize) -> Arc<Self> {
        let mut servers = servers();
        let senders = Arc::clone(servers.senders(server));
        let key = format!("{server} {per_second:?} {most}");
        let rate = servers.rates.entry(key).or_insert_with(|| {
            let rate = Self {
                senders,
                ..Self::new(per_second)
            };
            rate.lock().lessons = Some(Lessons::new(most));
            Arc::new(rate)
        });
        Arc::clone(rate)
    }

    /// Waits until one request may go out. A caller that stops waiting leaves its turn unused.
    pub(super) async fn turn(&self) -> Turn<'_> {
        self.no_pause().await;
        let place = self.place().await;
        if let Some(due) = self.reserve(Instant::now()) {
            sleep_until(due).await;
        }
        self.no_pause().await;
        while let Some(due) = self.too_early(Instant::now()) {
            sleep_until(due).await;
            self.no_pause().await;
        }
        place.go()
    }

    /// How many agents send to this server.
    fn senders(&self) -> u32 {
        self.senders.load(Ordering::Relaxed).max(1)
    }

    async fn no_pause(&self) {
        while let Some(end) = self.paused_at(Instant::now()) {
            sleep_until(end).await;
        }
    }

    /// Waits until fewer requests than permitted have a place.
    async fn place(&self) -> Turn<'_> {
        loop {
            // Made before the look, so that what becomes free after it is noticed.
            let freed = self.freed.notified();
            {
                let mut state = self.lock();
                let limit = state.lessons.as_ref().map_or(usize::MAX, Lessons::limit);
                let senders = usize::try_from(self.senders()).unwrap_or(usize::MAX);
                if state.places < (limit / senders).max(1) {
                    state.places += 1;
                    return Turn {
                        rate: self,
                        sent: None,
                        pauses: state.pauses,
                    };
                }
            }
            freed.await;
        }
    }

    /// Nothing is sent for this long.
    pub(super) fn pause(&self, length: Duration) {
        let Some(end) = Instant::now().checked_add(length) else {
            return;
        };
        let mut state = self.lock();
        state.paused_until = state.paused_until.max(Some(end));
    }

    /// The same where the server said that its limit is nearly used up, and refusals are to teach us.
    pub(super) fn leave_alone(&self, length: Duration) {
        let learns = self.lock().lessons.is_some();
        if learns {
            self.pause(length);
        }
    }

    /// Takes the next turn and says when it is, if it is not now.
    fn reserve(&self, now: Instant) -> Option<Instant> {
        if self.interval.is_zero() {
            return None;
        }
        let mut state = self.lock();
        let earliest = now.checked_sub(SLACK).unwrap_or(now);
        let due = state.next.map_or(now, |next| next.max(earliest));
        state.next = due.checked_add(self.interval.saturating_mul(self.senders()));
        (due > now).then_some(due)
    }

    /// When the next request may go at the pace that was learned, if it is not now: it goes then. What came late
    /// is made up for, since the server counts what comes within a second.
    fn too_early(&self, now: Instant) -> Option<Instant> {
        let mut state = self.lock();
        let lessons = state.lessons.as_mut()?;
        let interval = lessons.interval(now)?;
        let full_until = lessons.full_until();
        let due = state.last.and_then(|last| last.checked_add(interval));
        let early = due.max(full_until).filter(|due| *due > now);
        if early.is_none() {
            let earliest = now.checked_sub(LATE).unwrap_or(now);
            state.last = Some(due.map_or(now, |due| due.max(earliest)));
            if let Some(lessons) = &mut state.lessons {
                lessons.goes(now);
            }
        }
        early
    }

    fn paused_at(&self, now: Instant) -> Option<Instant> {
        self.lock().paused_until.filter(|end| *end > now)
    }

    /// The state stays meaningful whatever a panicking holder did: instants and numbers.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's turn, from when it may go out until its answer.
#[derive(Debug)]
pub(super) struct Turn<'r> {
    rate: &'r Rate,
    /// `None`: it is not under way yet.
    sent: Option<Sent>,
    /// How often the server had been left alone by then.
    pauses: u64,
}

impl Turn<'_> {
    /// The request goes out.
    fn go(mut self) -> Self {
        let now = Instant::now();
        let mut state = self.rate.lock();
        if state.paused_until.is_some_and(|end| end <= now) {
            state.paused_until = None;
            state.pauses += 1;
            if let Some(lessons) = &mut state.lessons {
                lessons.resume(now);
            }
        }
        state.under_way += 1;
        self.pauses = state.pauses;
        self.sent = Some(Sent {
            at: now,
            under_way: state.under_way,
        });
        drop(state);
        self
    }

    /// The answer is there, or there is none.
    pub(super) fn end(self, took: Took) {
        let mut state = self.rate.lock();
        let is_late = self.pauses != state.pauses;
        let (Some(sent), Some(lessons)) = (self.sent, &mut state.lessons) else {
            return;
        };
        let now = Instant::now();
        match took {
            Took::Well => lessons.taken(sent, now),
            // It was sent before the server was left alone for such refusals.
            Took::TooMany if is_late => {}
            Took::TooMany => lessons.refused(sent),
            Took::Overload => lessons.overloaded(now),
            Took::Unknown => {}
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.rate.lock();
        state.places -= 1;
        if self.sent.is_some() {
            state.under_way -= 1;
        }
        drop(state);
        self.rate.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::super::lessons::FULL_WINDOW;
    use super::*;

    #[test]
    fn turns_are_spread_evenly() {
        let rate = Rate::new(Some(10.0));
        let now = Instant::now();
        assert_eq!(rate.reserve(now), None);
        let tenth = Duration::from_millis(100);
        assert_eq!(rate.reserve(now), Some(now + tenth));
        assert_eq!(rate.reserve(now), Some(now + 2 * tenth));
        let later = now + Duration::from_mins(1);
        assert_eq!(rate.reserve(later), None);
        assert_eq!(rate.reserve(later), None, "the slack");
        assert_eq!(rate.reserve(later), Some(later + tenth));
    }

    #[test]
    fn agents_divide_what_a_server_takes() {
        let server = "https://divided.example/scim";
        let rate = Rate::of(server, Some(10.0), 8);
        divide(&BTreeMap::from([(server.to_owned(), 4)]));
        let now = Instant::now();
        assert_eq!(rate.reserve(now), None);
        let due = now + Duration::from_millis(400);
        assert_eq!(rate.reserve(now), Some(due), "one of four");
        divide(&BTreeMap::new());
        let later = now + Duration::from_mins(1);
        let tenth = Duration::from_millis(100);
        assert!((0..2).all(|_| rate.reserve(later).is_none()), "the slack");
        assert_eq!(rate.reserve(later), Some(later + tenth), "alone again");
    }

    #[test]
    fn a_learned_pace_is_kept_though_timers_wake_late() {
        let rate = Rate::new(None);
        let start = Instant::now();
        let mut lessons = Lessons::new(1);
        let sent = Sent {
            at: start,
            under_way: 1,
        };
        for _ in 0..20 {
            lessons.taken(sent, start);
        }
        lessons.refused(sent);
        lessons.resume(start);
        let interval = lessons.interval(start).unwrap();
        rate.lock().lessons = Some(lessons);
        let mut now = start;
        assert_eq!(rate.too_early(now), None);
        for _ in 0..100 {
            let due = rate.too_early(now).unwrap();
            now = due + Duration::from_millis(2);
            assert_eq!(rate.too_early(now), None);
        }
        assert_eq!(now, start + 100 * interval + Duration::from_millis(2));
        // What came much later makes some come earlier, but no more than were taken in a second.
        now += Duration::from_secs(5);
        let burst = now;
        let mut went = 0;
        while now < burst + FULL_WINDOW {
            match rate.too_early(now) {
                None => went += 1,
                Some(due) => now = due,
            }
        }
        assert_eq!(went, 20);
        assert!(interval * 20 > FULL_WINDOW, "an even pace is not held up");
    }

    #[test]
    fn no_limit_never_waits() {
        for none in [None, Some(0.0), Some(-1.0), Some(f64::NAN)] {
            let rate = Rate::new(none);
            let now = Instant::now();
            assert!((0..1_000).all(|_| rate.reserve(now).is_none()));
        }
    }

    #[test]
    fn the_longest_pause_counts() {
        let rate = Rate::new(None);
        rate.pause(Duration::from_secs(20));
        rate.pause(Duration::from_secs(1));
        let now = Instant::now();
        assert!(
            rate.paused_at(now)
                .is_some_and(|end| end > now + Duration::from_secs(10))
        );
        assert_eq!(rate.paused_at(now + Duration::from_secs(21)), None);
    }
}
