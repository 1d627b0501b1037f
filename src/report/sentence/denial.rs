//! That a source refuses to be read.

use super::{capital, clean};
use crate::engine::denial::{DeniedSource, Refuses};

/// What is wrong: the subject and the predicate of a sentence.
pub(crate) fn refuses(refuses: Refuses, source: &str) -> String {
    match refuses {
        Refuses::SignIn => format!("Microsoft Entra refuses the credential{}", of(source)),
        Refuses::Permission => format!("a permission is missing in the tenant{}", of(source)),
    }
}

/// The same once it is over.
pub(crate) fn refuses_no_more(refuses: Refuses, source: &str) -> String {
    match refuses {
        Refuses::SignIn => format!("Microsoft Entra accepts the credential{} again", of(source)),
        Refuses::Permission => format!(
            "the permission that was missing in the tenant{} is granted",
            of(source)
        ),
    }
}

/// ` of source north`; nothing for the only one.
fn of(source: &str) -> String {
    match source {
        "" => String::new(),
        name => format!(" of source {}", clean(name)),
    }
}

/// Since when a source refuses what, why, and what to do.
pub(crate) fn denied(source: &DeniedSource) -> String {
    let DeniedSource {
        name,
        tenant: _,
        since,
        denial,
        jobs: _,
    } = source;
    let words = capital(&refuses(denial.refuses, name));
    let since = since.format("%Y-%m-%d %H:%M UTC");
    let because = clean(&denial.because);
    let remedy = match &denial.remedy {
        Some(remedy) => format!("; {}", clean(remedy)),
        None => String::new(),
    };
    format!("{words} since {since}: {because}{remedy}")
}
