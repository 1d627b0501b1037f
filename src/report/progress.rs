//! Where a cycle stands, in words that only move forward: for the bar on a terminal and for the status page.

use crate::engine::summary::Progress;

/// What a line shows of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) step: Step,
    pub(crate) words: String,
    /// So many of so many; `None` where the end is not known.
    pub(crate) measured: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Reading,
    Planning,
    Applying,
    /// Objects whose earlier write may still have been under way.
    PlanningAgain,
}

/// What was shown so far, because a line only moves forward: a cycle looks objects up in between, and
/// may plan and carry out a second part at its end.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    planned: Option<(u64, u64)>,
    /// Of the parts that were carried out before, and of the one that is.
    before: (u64, u64),
    applied: Option<(u64, u64)>,
}

impl Shown {
    pub(crate) fn next(&mut self, progress: Progress) -> Line {
        let line = |step, words: String, measured| Line {
            step,
            words,
            measured,
        };
        match progress {
            Progress::Waiting => line(Step::Reading, "waiting".to_owned(), None),
            Progress::Reading(count) => {
                let text = format!("reading, {} users, {} groups", count.users, count.groups);
                line(Step::Reading, text, None)
            }
            Progress::Matching { .. } | Progress::Planning { .. } if self.applied.is_some() => {
                line(Step::PlanningAgain, "planning the rest".to_owned(), None)
            }
            Progress::Matching { done, total } => match self.planned {
                Some(planned) => line(Step::Planning, "planning".to_owned(), Some(planned)),
                None => line(Step::Reading, format!("matching {done} of {total}"), None),
            },
            Progress::Planning { done, total } => {
                let done = done.max(self.planned.map_or(0, |(done, _)| done));
                self.planned = Some((done, total.max(done)));
                line(Step::Planning, "planning".to_owned(), self.planned)
            }
            Progress::Applying {
                done,
                failed,
                total,
            } => {
                if let Some((last, whole)) = self.applied.filter(|(last, _)| done < *last) {
                    self.before = (self.before.0 + last, self.before.1 + whole);
                }
                self.applied = Some((done, total));
                let words = match failed {
                    0 => "applying".to_owned(),
                    some => format!("applying, {some} failed"),
                };
                let measured = (self.before.0 + done, self.before.1 + total);
                line(Step::Applying, words, Some(measured))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Count;

    #[test]
    fn a_line_never_runs_backwards() {
        let matching = |done| Progress::Matching { done, total: 500 };
        let planning = |done| Progress::Planning { done, total: 1_000 };
        let applying = |done, total| Progress::Applying {
            done,
            failed: 0,
            total,
        };
        let mut shown = Shown::default();
        let mut lines = Vec::new();
        for progress in [
            Progress::Waiting,
            Progress::Reading(Count::default()),
            matching(500),
            planning(500),
            matching(1),
            planning(1_000),
            applying(0, 40),
            applying(40, 40),
            matching(1),
            planning(2),
            applying(0, 2),
            applying(2, 2),
        ] {
            lines.push(shown.next(progress));
        }
        let measured: Vec<_> = lines.iter().map(|line| line.measured).collect();
        let expected = [
            None,
            None,
            None,
            Some((500, 1_000)),
            Some((500, 1_000)),
            Some((1_000, 1_000)),
            Some((0, 40)),
            Some((40, 40)),
            None,
            None,
            Some((40, 42)),
            Some((42, 42)),
        ];
        assert_eq!(measured, expected);
    }
}
