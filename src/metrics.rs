//! What is counted while the program runs: requests, cycles and objects. `/metrics` prints it, together with
//! what the state holds. Labels are words of a short list and names of jobs, never a person.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// With whom requests are exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Target,
}

impl Side {
    fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    side: &'static str,
    /// `2xx`, or `none` when there was no answer.
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SideLabels {
    side: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CycleLabels {
    job: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    job: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    job: String,
    action: String,
    outcome: &'static str,
}

type Seconds = Counter<f64, AtomicU64>;

struct Counts {
    requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    waits: Family<SideLabels, Counter>,
    waited: Family<SideLabels, Seconds>,
    cycles: Family<CycleLabels, Counter>,
    durations: Family<JobLabels, Histogram, fn() -> Histogram>,
    objects: Family<ObjectLabels, Counter>,
}

/// One for the whole program, as the log is: requests are sent from many places.
static COUNTS: LazyLock<Counts> = LazyLock::new(|| Counts {
    requests: Family::new_with_constructor(request_times),
    waits: Family::default(),
    waited: Family::default(),
    cycles: Family::default(),
    durations: Family::new_with_constructor(cycle_times),
    objects: Family::default(),
});

fn request_times() -> Histogram {
    Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

fn cycle_times() -> Histogram {
    Histogram::new([
        1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 14_400.0,
    ])
}

/// A request was sent once, whatever came of it.
pub(crate) fn request(side: Side, status: Option<u16>, took: Duration) {
    let status = match status {
        Some(100..200) => "1xx",
        Some(200..300) => "2xx",
        Some(300..400) => "3xx",
        Some(400..500) => "4xx",
        Some(500..) => "5xx",
        Some(_) | None => "none",
    };
    let side = side.as_str();
    let labels = RequestLabels { side, status };
    COUNTS
        .requests
        .get_or_create(&labels)
        .observe(took.as_secs_f64());
}

/// The other side asked for patience.
pub(crate) fn waits(side: Side, length: Duration) {
    let labels = SideLabels {
        side: side.as_str(),
    };
    COUNTS.waits.get_or_create(&labels).inc();
    COUNTS
        .waited
        .get_or_create(&labels)
        .inc_by(length.as_secs_f64());
}

/// A cycle of the service ended.
pub(crate) fn cycle(job: &str, outcome: &'static str, took: Duration) {
    let job = job.to_owned();
    let labels = JobLabels { job: job.clone() };
    COUNTS
        .durations
        .get_or_create(&labels)
        .observe(took.as_secs_f64());
    COUNTS
        .cycles
        .get_or_create(&CycleLabels { job, outcome })
        .inc();
}

/// Something happened to this many objects.
pub(crate) fn objects(job: &str, action: &str, outcome: &'static str, times: u64) {
    let labels = ObjectLabels {
        job: job.to_owned(),
        action: action.to_owned(),
        outcome,
    };
    COUNTS.objects.get_or_create(&labels).inc_by(times);
}

/// Enters everything that was counted.
pub(crate) fn register(registry: &mut Registry) {
    let Counts {
        requests,
        waits,
        waited,
        cycles,
        durations,
        objects,
    } = &*COUNTS;
    registry.register_with_unit(
        "request_duration",
        "Requests sent to the source and the target, by class of their status",
        Unit::Seconds,
        requests.clone(),
    );
    registry.register(
        "rate_limit_waits",
        "Waits because of 429 and 503",
        waits.clone(),
    );
    registry.register_with_unit(
        "rate_limit_wait",
        "Time waited because of 429 and 503",
        Unit::Seconds,
        waited.clone(),
    );
    registry.register(
        "cycles",
        "Cycles that ended, by how they ended",
        cycles.clone(),
    );
    registry.register_with_unit(
        "cycle_duration",
        "How long cycles took",
        Unit::Seconds,
        durations.clone(),
    );
    registry.register(
        "objects",
        "Actions on objects; each added or removed member counts",
        objects.clone(),
    );
}
