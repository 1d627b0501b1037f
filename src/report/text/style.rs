//! How the text looks: colour, marks in front of lines, and how much is shown.

use crate::report::entry::Mark;

/// How the text looks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    /// Also the attributes of creates, every member, and every user who is skipped.
    pub(crate) details: bool,
}

impl Style {
    pub(in crate::report) fn mark(self, mark: Mark) -> String {
        let sign = mark.sign();
        let colour = match mark {
            Mark::Add | Mark::Good => "32",
            Mark::Change | Mark::Warn => "33",
            Mark::Remove | Mark::Fail => "31",
            Mark::Skip => "2",
        };
        if self.colour {
            format!("\x1b[{colour}m{sign}\x1b[0m")
        } else {
            sign.to_owned()
        }
    }

    /// The mark of what went well, or did not.
    pub(crate) fn good_or_bad(self, good: bool) -> String {
        self.mark(if good { Mark::Good } else { Mark::Fail })
    }

    pub(in crate::report) fn bold(self, text: &str) -> String {
        if self.colour {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
