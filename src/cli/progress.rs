//! The progress bar of a cycle, on a terminal.

use std::fmt;
use std::time::Duration;

use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::output::Output;
use crate::engine::model::JobName;
use crate::engine::summary::Progress;
use crate::report::progress::Shown;

const TICK: Duration = Duration::from_millis(120);
/// Bars are drawn this often, however fast the cycle is.
const REDRAW: Duration = Duration::from_millis(80);

/// A longer name of a job is cut: the line must fit.
const LONGEST_NAME: usize = 16;

const COUNTING: &str = "{spinner} {prefix}: {msg} ({elapsed})";
const MEASURED: &str = "{spinner} {prefix}: {msg} {wide_bar} {human_pos}/{human_len}{left}";

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
        bar.set_style(style(false));
        bar.set_prefix(short(job.as_str()));
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
    let mut shown = Shown::default();
    let mut step = None;
    loop {
        let line = shown.next(*progress.borrow_and_update());
        if step != Some(line.step) {
            step = Some(line.step);
            bar.set_style(style(line.measured.is_some()));
            bar.reset_eta();
        }
        bar.set_message(line.words);
        if let Some((done, total)) = line.measured {
            bar.set_length(total);
            bar.set_position(done);
        }
        if progress.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(REDRAW).await;
    }
}

fn style(is_measured: bool) -> ProgressStyle {
    let template = if is_measured { MEASURED } else { COUNTING };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("left", |state: &ProgressState, out: &mut dyn fmt::Write| {
            let words = left(state.eta(), state.pos(), state.len().unwrap_or_default());
            // A line that cannot be written is drawn again.
            let _ = out.write_str(&words);
        })
}

/// How long it still takes; nothing before the first and after the last, where it is not known.
fn left(eta: Duration, done: u64, total: u64) -> String {
    if done == 0 || done >= total {
        return String::new();
    }
    format!(
        " ({:#} left)",
        HumanDuration(eta.max(Duration::from_secs(1)))
    )
}

fn short(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    let start: String = name.chars().take(LONGEST_NAME - 1).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_understood() {
        for template in [COUNTING, MEASURED] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn while_it_works_there_is_always_some_time_left() {
        let second = Duration::from_secs(1);
        assert_eq!(left(Duration::ZERO, 1, 2), " (1s left)");
        assert_eq!(left(second * 90, 1, 2), " (2m left)");
        assert_eq!(left(second, 0, 2), "");
        assert_eq!(left(second, 2, 2), "");
    }

    #[test]
    fn a_line_fits_a_terminal() {
        let job = short("a-job-with-a-name-that-is-as-long-as-names-may-be");
        assert_eq!(job.chars().count(), LONGEST_NAME);
        let words = "applying, 1000000 failed";
        let rest = "⠁ :  1,000,000/1,000,000 (59m left)";
        let whole = job.chars().count() + words.len() + rest.chars().count();
        assert!(whole <= 80, "{whole}");
    }
}
