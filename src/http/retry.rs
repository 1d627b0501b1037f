//! When a request is sent again, and after how long. Pure: the random number is handed in.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// Sendings of one request at most, where the server names no time of its own.
pub(super) const MAX_ATTEMPTS: u32 = 5;
/// Likewise, where the server says when to come back: it means to serve us.
pub(super) const MAX_ATTEMPTS_ASKED: u32 = 12;
/// The first wait; it doubles with each attempt.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The same after a refusal for the rate (429). Limits are most often by the second: what comes before it is over is
/// refused again, and shows nothing of them.
const FIRST_WAIT_FOR_RATE: Duration = Duration::from_secs(1);
/// The longest wait that we choose ourselves.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// All waits for one request together. Beyond it, the failure is reported and the object goes to
/// escrow, which waits longer than a cycle should.
const MAX_TOTAL_WAIT: Duration = Duration::from_mins(5);
/// Added to what the server asked for, so that many callers do not come back in one instant.
const MAX_SPREAD: Duration = Duration::from_secs(1);

/// Seconds that mean a moment rather than a time.
const EPOCH: u64 = 1_000_000_000;
/// A limit that is used up for longer is left to the server to refuse.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What may be done with a request whose fate is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// Sending it twice does what sending it once does: reads.
    Always,
    /// Only when the failure proves that it was not carried out: creates, changes, deletes.
    IfNotProcessed,
    /// Not at all: a person is waiting for the first answer.
    Never,
}

/// How an attempt ended, if not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// No connection came about, so nothing was sent.
    NotConnected,
    /// The connection broke or time ran out after sending began.
    NoAnswer,
    Status {
        status: u16,
        retry_after: Option<Duration>,
    },
}

impl Ended {
    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => retry_after,
            Self::NotConnected | Self::NoAnswer => None,
        }
    }

    /// How long the server wants to be left alone. "At once" is no time: a server that says so is overloaded
    /// anyway.
    pub(super) fn asked(self) -> Option<Duration> {
        self.retry_after().filter(|asked| *asked >= FIRST_WAIT)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait(Duration),
    GiveUp,
}

/// Decides after attempt number `attempt` (from 1), with `waited` spent on waits so far.
pub(super) fn decide(
    ended: Ended,
    repeat: Idempotency,
    attempt: u32,
    waited: Duration,
    random: u64,
) -> Verdict {
    if !may_repeat(ended, repeat) {
        return Verdict::GiveUp;
    }
    let (limit, wait) = if let Some(asked) = ended.asked() {
        let spread = part_of(asked.min(MAX_SPREAD), random);
        (MAX_ATTEMPTS_ASKED, asked.saturating_add(spread))
    } else {
        let doubled = |first: Duration| {
            first
                .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
                .min(MAX_WAIT)
        };
        let own = match ended {
            Ended::Status { status: 429, .. } => {
                let least = doubled(FIRST_WAIT_FOR_RATE);
                least + part_of(least / 2, random)
            }
            Ended::Status { .. } | Ended::NotConnected | Ended::NoAnswer => {
                let full = doubled(FIRST_WAIT);
                full / 2 + part_of(full / 2, random)
            }
        };
        (
            MAX_ATTEMPTS,
            own.max(ended.retry_after().unwrap_or_default()),
        )
    };
    if attempt >= limit || waited.saturating_add(wait) > MAX_TOTAL_WAIT {
        return Verdict::GiveUp;
    }
    Verdict::Wait(wait)
}

fn may_repeat(ended: Ended, repeat: Idempotency) -> bool {
    let (unprocessed, transient) = match ended {
        // RFC 6585 section 4: a rate limit refuses the request before it is carried out.
        Ended::NotConnected | Ended::Status { status: 429, .. } => (true, true),
        Ended::NoAnswer => (false, true),
        // A 503 may come from a proxy whose backend went on working.
        Ended::Status { status, .. } => (false, matches!(status, 408 | 500 | 502 | 503 | 504)),
    };
    match repeat {
        Idempotency::Always => transient,
        Idempotency::IfNotProcessed => unprocessed,
        Idempotency::Never => false,
    }
}

/// A part of `whole` chosen by `random`, from nothing to all of it.
fn part_of(whole: Duration, random: u64) -> Duration {
    const STEPS: u64 = 1_000;
    let step = u32::try_from(random % (STEPS + 1)).expect("at most 1,000");
    whole / 1_000 * step
}

/// `Retry-After` in either of its forms (RFC 9110 section 10.2.3). A date is measured against the
/// answer's own `Date`, so that a wrong clock on either side does no harm.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // Some servers send fractions.
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = httpdate::parse_http_date(text).ok()?;
    let now = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

/// How long a server is left alone by which little is left of a limit that it reports: what is left is for
/// others. In each form that servers use, from `X-RateLimit-Remaining` to `RateLimit: "name";r=0;t=5`.
pub(super) fn used_up(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let number = |names: [&str; 2]| {
        let mut found = names.iter().filter_map(|name| text(name));
        found.find_map(|text| text.split([',', ';']).next()?.trim().parse::<u64>().ok())
    };
    let parts = || {
        text("ratelimit")
            .into_iter()
            .flat_map(|text| text.split([',', ';']))
    };
    let part = |names: [&str; 2]| {
        parts().find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let is_named = names.contains(&name.trim());
            is_named.then(|| value.trim().parse::<u64>().ok())?
        })
    };
    let left = number(["ratelimit-remaining", "x-ratelimit-remaining"])
        .or_else(|| part(["remaining", "r"]))?;
    let reset =
        number(["ratelimit-reset", "x-ratelimit-reset"]).or_else(|| part(["reset", "t"]))?;
    let limit = number(["ratelimit-limit", "x-ratelimit-limit"]).or_else(|| part(["limit", "q"]));
    if left > limit.unwrap_or_default() / 10 {
        return None;
    }
    // Some write the moment instead of the time until then.
    let seconds = if reset > EPOCH {
        let now = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
        let now = now.duration_since(UNIX_EPOCH).ok()?;
        reset.saturating_sub(now.as_secs())
    } else {
        reset
    };
    Some(Duration::from_secs(seconds)).filter(|wait| *wait <= LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WAIT_YET: Duration = Duration::ZERO;

    fn status(status: u16) -> Ended {
        Ended::Status {
            status,
            retry_after: None,
        }
    }

    fn asked(status: u16, seconds: u64) -> Ended {
        Ended::Status {
            status,
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    fn is_repeated(ended: Ended, repeat: Idempotency) -> bool {
        decide(ended, repeat, 1, NO_WAIT_YET, 7) != Verdict::GiveUp
    }

    #[test]
    fn reads_are_repeated_after_every_transient_failure() {
        for ended in [Ended::NotConnected, Ended::NoAnswer] {
            assert!(is_repeated(ended, Idempotency::Always));
        }
        for code in [408, 429, 500, 502, 503, 504] {
            assert!(is_repeated(status(code), Idempotency::Always), "{code}");
        }
        for code in [200, 204, 301, 400, 401, 403, 404, 409, 413, 501] {
            assert!(!is_repeated(status(code), Idempotency::Always), "{code}");
        }
    }

    #[test]
    fn writes_are_repeated_only_when_nothing_was_carried_out() {
        let repeated = |ended| is_repeated(ended, Idempotency::IfNotProcessed);
        assert!(repeated(Ended::NotConnected));
        assert!(repeated(status(429)));
        assert!(!repeated(asked(503, 1)));
        assert!(!repeated(Ended::NoAnswer));
        assert!(!repeated(status(503)));
        assert!(!repeated(status(500)));
        assert!(!is_repeated(status(429), Idempotency::Never));
    }

    #[test]
    fn waits_double_and_vary() {
        let wait = |attempt, random| {
            decide(
                status(500),
                Idempotency::Always,
                attempt,
                NO_WAIT_YET,
                random,
            )
        };
        assert_eq!(wait(1, 0), Verdict::Wait(Duration::from_millis(250)));
        assert_eq!(wait(1, 1_000), Verdict::Wait(Duration::from_millis(500)));
        assert_eq!(wait(3, 0), Verdict::Wait(Duration::from_secs(1)));
        assert_eq!(wait(MAX_ATTEMPTS, 0), Verdict::GiveUp);
    }

    #[test]
    fn a_server_is_never_asked_earlier_than_it_said() {
        for random in [0, 1, 999, 1_000, u64::MAX] {
            let Verdict::Wait(wait) =
                decide(asked(429, 7), Idempotency::Always, 1, NO_WAIT_YET, random)
            else {
                panic!("gave up");
            };
            assert!(wait >= Duration::from_secs(7) && wait <= Duration::from_secs(8));
        }
        let soon = Ended::Status {
            status: 429,
            retry_after: Some(Duration::from_millis(400)),
        };
        let wait = decide(soon, Idempotency::Always, 1, NO_WAIT_YET, 0);
        assert_eq!(wait, Verdict::Wait(Duration::from_secs(1)));
    }

    #[test]
    fn a_server_that_says_at_once_is_waited_for_like_one_that_says_nothing() {
        for attempt in 1..=MAX_ATTEMPTS {
            for random in [0, 500, 1_000] {
                let wait = |ended| {
                    decide(
                        ended,
                        Idempotency::IfNotProcessed,
                        attempt,
                        NO_WAIT_YET,
                        random,
                    )
                };
                assert_eq!(wait(asked(429, 0)), wait(status(429)), "{attempt} {random}");
            }
        }
        let wait = |random| decide(asked(429, 0), Idempotency::Always, 1, NO_WAIT_YET, random);
        assert_eq!(wait(0), Verdict::Wait(Duration::from_secs(1)));
        assert_ne!(wait(0), wait(1_000), "not all come back at once");
    }

    #[test]
    fn patience_ends() {
        let late = |ended, waited| decide(ended, Idempotency::Always, 2, waited, 0);
        assert_eq!(late(asked(429, 3_600), NO_WAIT_YET), Verdict::GiveUp);
        assert_eq!(late(asked(429, u64::MAX), NO_WAIT_YET), Verdict::GiveUp);
        assert_eq!(
            late(asked(429, 2), Duration::from_secs(299)),
            Verdict::GiveUp
        );
        let huge = decide(status(500), Idempotency::Always, u32::MAX, NO_WAIT_YET, 0);
        assert_eq!(huge, Verdict::GiveUp);
    }

    #[test]
    fn what_is_left_of_a_limit_is_read_in_every_form() {
        let read = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            used_up(&headers).map(|wait| wait.as_secs())
        };
        let left = |left, reset| {
            read(&[
                ("x-ratelimit-limit", "100"),
                ("x-ratelimit-remaining", left),
                ("x-ratelimit-reset", reset),
            ])
        };
        assert_eq!(left("11", "5"), None);
        assert_eq!(left("10", "5"), Some(5));
        assert_eq!(left("0", "3600"), None);
        let old = [("ratelimit-remaining", "0"), ("ratelimit-reset", "7")];
        assert_eq!(read(&old), Some(7));
        let draft = "limit=100, remaining=3, reset=50";
        assert_eq!(read(&[("ratelimit", draft)]), Some(50));
        assert_eq!(read(&[("ratelimit", "\"default\";r=0;t=5")]), Some(5));
        assert_eq!(read(&[("ratelimit", "\"default\";r=50;t=5")]), None);
        let then = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1763719230"),
            ("date", "Fri, 21 Nov 2025 10:00:00 GMT"),
        ];
        assert_eq!(read(&then), Some(30));
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        let read = |retry: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            retry_after(&headers)
        };
        assert_eq!(read("120", None), Some(Duration::from_mins(2)));
        assert_eq!(read("0.5", None), Some(Duration::from_millis(500)));
        assert_eq!(read("-1", None), None);
        assert_eq!(read("soon", None), None);
        let then = "Fri, 21 Nov 2025 10:00:30 GMT";
        let now = Some("Fri, 21 Nov 2025 10:00:00 GMT");
        assert_eq!(read(then, now), Some(Duration::from_secs(30)));
        assert_eq!(read(then, None), None);
        assert_eq!(
            read("Fri, 21 Nov 2025 09:00:00 GMT", now),
            Some(Duration::ZERO)
        );
    }
}
