//! How the text looks: colour, marks in front of lines, and how much is told.

/// How the text looks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    /// Also the attributes of creates, every member, and everybody who is skipped.
    pub(crate) details: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Mark {
    Add,
    Change,
    Remove,
    Skip,
    Warn,
    Fail,
    Good,
}

impl Style {
    pub(super) fn mark(self, mark: Mark) -> String {
        let (sign, colour) = match mark {
            Mark::Add => ("+", "32"),
            Mark::Change => ("~", "33"),
            Mark::Remove => ("-", "31"),
            Mark::Skip => ("·", "2"),
            Mark::Warn => ("!", "33"),
            Mark::Fail => ("✗", "31"),
            Mark::Good => ("✓", "32"),
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

    pub(super) fn bold(self, text: &str) -> String {
        if self.colour {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
