//! The progress bar of a cycle, on a terminal.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::output::Output;
use crate::engine::model::JobName;
use crate::engine::summary::Progress;

const TICK: Duration = Duration::from_millis(120);
/// Bars are drawn this often, however fast the cycle is.
const REDRAW: Duration = Duration::from_millis(80);

const COUNTING: &str = "{spinner} {prefix}: {msg} ({elapsed})";
const MEASURED: &str = "{spinner} {prefix}: {msg} {bar:30} {human_pos}/{human_len} ({eta} left)";

/// Follows a cycle until it is dropped, and leaves nothing on the screen.
pub(super) struct Follower {
    bar: Option<(ProgressBar, JoinHandle<()>)>,
}

/// The bars of the cycles that run at the same time; none without a terminal.
pub(super) struct Bars(Option<MultiProgress>);

impl Bars {
    pub(super) fn new(output: Output) -> Self {
        let target = || MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self(output.shows_progress().then(target))
    }

    /// Where a cycle reports its progress, and what shows it.
    pub(super) fn follow(&self, job: &JobName) -> (watch::Sender<Progress>, Follower) {
        let (sender, progress) = watch::channel(Progress::default());
        let Some(bars) = &self.0 else {
            return (sender, Follower { bar: None });
        };
        let bar = bars.add(ProgressBar::no_length());
        bar.set_style(style(Progress::Waiting));
        bar.set_prefix(job.to_string());
        bar.enable_steady_tick(TICK);
        let task = tokio::spawn(draw(bar.clone(), progress));
        let bar = Some((bar, task));
        (sender, Follower { bar })
    }

    /// Does something while no bar is on the screen.
    pub(super) fn suspend<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(bars) => bars.suspend(work),
            None => work(),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some((bar, task)) = self.bar.take() {
            task.abort();
            bar.finish_and_clear();
        }
    }
}

async fn draw(bar: ProgressBar, mut progress: watch::Receiver<Progress>) {
    let mut step = None;
    loop {
        let now = *progress.borrow_and_update();
        let discriminant = std::mem::discriminant(&now);
        if step != Some(discriminant) {
            step = Some(discriminant);
            bar.set_style(style(now));
            bar.reset_eta();
        }
        let (message, measured) = describe(now);
        bar.set_message(message);
        if let Some((done, total)) = measured {
            bar.set_length(total);
            bar.set_position(done);
        }
        if progress.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(REDRAW).await;
    }
}

fn style(progress: Progress) -> ProgressStyle {
    let template = match describe(progress).1 {
        Some(_) => MEASURED,
        None => COUNTING,
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn describe(progress: Progress) -> (String, Option<(u64, u64)>) {
    match progress {
        Progress::Waiting => ("waiting".to_owned(), None),
        Progress::Reading(count) => {
            let text = format!("reading, {} users, {} groups", count.users, count.groups);
            (text, None)
        }
        Progress::Matching { done, total } => ("matching".to_owned(), Some((done, total))),
        Progress::Planning { done, total } => ("planning".to_owned(), Some((done, total))),
        Progress::Applying {
            done,
            failed: 0,
            total,
        } => ("applying".to_owned(), Some((done, total))),
        Progress::Applying {
            done,
            failed,
            total,
        } => (format!("applying, {failed} failed"), Some((done, total))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Count;

    #[test]
    fn templates_are_understood() {
        for template in [COUNTING, MEASURED] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn a_step_with_a_known_end_is_measured() {
        let measured = |progress| describe(progress).1;
        assert_eq!(measured(Progress::Reading(Count::default())), None);
        assert_eq!(
            measured(Progress::Applying {
                done: 3,
                failed: 1,
                total: 9
            }),
            Some((3, 9))
        );
    }
}
