//! When a job runs.

use std::str::FromStr as _;
use std::time::Duration;

use super::length;
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::config::settings::Schedule;
use crate::config::{duration, file};
use crate::engine::model::nearest;

pub(in crate::config) const INTERVAL: Duration = Duration::from_mins(40);

/// What is done between two cycles is done so often.
const BETWEEN: Duration = Duration::from_mins(1);

/// A shorter interval is worth a remark.
const SHORTEST_USUAL: Duration = Duration::from_mins(1);

/// A job's own rhythm, else that of all jobs; jitter and time zone each from the job where it has
/// them.
pub(super) fn resolve_schedule(
    own: &file::Schedule,
    global: &file::Schedule,
    log: &mut Log,
) -> Option<Schedule> {
    let rhythm = if own.interval.is_some() || own.cron.is_some() {
        own
    } else {
        global
    };
    let jitter = own.jitter.as_ref().or(global.jitter.as_ref());
    let jitter_length = match jitter {
        Some(typed) => match duration::parse(&typed.value) {
            Some(length) => length,
            None => return length(typed, log).and(None),
        },
        None => Duration::ZERO,
    };
    let zone = zone_of(own, global, log)?;
    if let Some(cron) = &rhythm.cron {
        return match cron::Schedule::from_str(cron.value.trim()) {
            Ok(expression) => Some(Schedule::Cron {
                expression: Box::new(expression),
                timezone: zone,
                jitter: jitter_length,
            }),
            Err(err) => {
                let fields = cron.value.split_whitespace().count();
                let remedy = if fields == 5 {
                    format!("the first field is the second: \"0 {}\"", cron.value.trim())
                } else {
                    "write second, minute, hour, day, month and weekday, as in \"0 0 * * * *\""
                        .to_owned()
                };
                log.problem(
                    cron.place
                        .problem(format!("not a cron expression:\n{err}"), remedy),
                );
                None
            }
        };
    }
    let every = match &rhythm.interval {
        Some(interval) => {
            let every = length(interval, log)?;
            if every < SHORTEST_USUAL {
                log.warning(interval.place.problem(
                    "with such a short interval, Graph may throttle the requests (429)",
                    "make it \"1m\" or longer; the default is \"40m\"",
                ));
            }
            every
        }
        None => INTERVAL,
    };
    if let Some(zone) = own.timezone.as_ref() {
        log.problem(zone.place.key_problem(
            "a time zone has no effect on an interval",
            "use cron instead of interval, or remove timezone",
        ));
        return None;
    }
    if let Some(jitter) = jitter.filter(|_| jitter_length >= every) {
        log.problem(jitter.place.problem(
            "the jitter is as long as the interval itself",
            "make it shorter than the interval",
        ));
        return None;
    }
    Some(Schedule::Interval {
        every,
        jitter: jitter_length,
    })
}

/// The time zone of a job. `None`: what is wrong with it is on the log.
pub(super) fn zone_of(
    own: &file::Schedule,
    global: &file::Schedule,
    log: &mut Log,
) -> Option<chrono_tz::Tz> {
    match own.timezone.as_ref().or(global.timezone.as_ref()) {
        Some(typed) => time_zone(typed, log),
        None => Some(chrono_tz::UTC),
    }
}

/// How often leavers are looked for, and after how long it is tried again what failed; `None`: never.
pub(super) fn resolve_or_off(typed: Option<&Typed<String>>, log: &mut Log) -> Option<Duration> {
    match typed {
        None => Some(BETWEEN),
        Some(typed) if typed.value.trim() == "off" => None,
        Some(typed) => length(typed, log),
    }
}

/// How often linked objects are compared with what the target holds; `None`: never.
pub(super) fn resolve_verify(
    own: &file::Schedule,
    global: &file::Schedule,
    log: &mut Log,
) -> Option<Duration> {
    let typed = own.verify.as_ref().or(global.verify.as_ref())?;
    match typed.value.trim() {
        "off" => None,
        "daily" => Some(Duration::from_hours(24)),
        "weekly" => Some(Duration::from_hours(7 * 24)),
        _ => length(typed, log),
    }
}

fn time_zone(typed: &Typed<String>, log: &mut Log) -> Option<chrono_tz::Tz> {
    let zone = chrono_tz::Tz::from_str(typed.value.trim()).ok();
    if zone.is_none() {
        let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let remedy = match nearest(&typed.value, names) {
            Some(near) => format!("did you mean {near}?"),
            None => "write a name of the IANA list, such as Europe/Berlin".to_owned(),
        };
        let message = format!("there is no time zone {:?}", typed.value);
        log.problem(typed.place.problem(message, remedy));
    }
    zone
}
