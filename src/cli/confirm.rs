//! What a person at the terminal is asked before something that cannot be taken back.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Whether a person at the terminal says yes. Where there is none, no question is put.
pub(super) fn confirmed() -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut err = io::stderr();
    write!(err, "Go on? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
