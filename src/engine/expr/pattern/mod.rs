//! Regular expressions as .NET has them. A pattern is translated once, then matched by an engine
//! that backtracks only where a pattern needs it, and then only so far.

mod translate;

use std::collections::BTreeMap;

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::error::ErrorKind;
use super::eval::MAX_RESULT_BYTES;

/// Longer patterns are of no use and slow to compile.
const MAX_PATTERN_BYTES: usize = 2_000;
/// What one compiled pattern may take, in bytes and in instructions.
const MAX_COMPILED_BYTES: usize = 1 << 20;
const MAX_INSTRUCTIONS: usize = 20_000;
/// Patterns with look-around, back-references or atomic groups may take exponential time, so they
/// get short texts and few steps. All others take linear time. A step may look through the whole text
/// (what stands in a look-around is searched for at once), which takes up to 10 µs for this length.
const MAX_BACKTRACKING_BYTES: usize = 1_024;
/// A search is tried with these numbers of steps, one after the other. The engine does not say how
/// many it took, so what it was allowed is what it costs.
const BACKTRACKING_STEPS: [usize; 3] = [100, 1_000, 6_000];
/// What all searches of one evaluation may cost together: the longest, and a hundred matches near by.
const MAX_BACKTRACKING_STEPS: usize = 16_000;

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// For text without line feeds, where `$` is the very end.
    regex: Ladder,
    /// For text with line feeds, where `$` is also before the last one. `None` if that makes no
    /// difference.
    with_line_feeds: Option<Ladder>,
    /// The engine's numbers of each group; a name may be used more than once.
    groups: BTreeMap<String, Vec<usize>>,
    backtracks: bool,
}

/// One expression, compiled once for each number of steps that a search may take.
#[derive(Clone, Debug)]
struct Ladder(Vec<(usize, Regex)>);

/// What takes the place of a match.
#[derive(Clone, Copy, Debug)]
pub(super) enum Replacement<'r> {
    /// This text, with `$1`, `${name}` and the like filled in.
    Expanded(&'r str),
    /// The match itself, with this text in place of what the group matched.
    OfGroup { group: &'r str, text: &'r str },
}

/// Why matching was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    TextTooLong,
    TooSlow,
    ResultTooLong(usize),
}

impl From<Trouble> for ErrorKind {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::TextTooLong => Self::TextTooLongForPattern,
            Trouble::TooSlow => Self::PatternTooSlow,
            Trouble::ResultTooLong(limit) => Self::ResultTooLong { limit },
        }
    }
}

impl Pattern {
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(format!("it has more than {MAX_PATTERN_BYTES} bytes"));
        }
        let translation = translate::translate(text)?;
        let regex = Ladder::build(&translation.text, translation.backtracks)?;
        let with_line_feeds = match &translation.text_with_line_feeds {
            Some(text) => Some(Ladder::build(text, translation.backtracks)?),
            None => None,
        };
        Ok(Self {
            regex,
            with_line_feeds,
            groups: translation.groups,
            backtracks: translation.backtracks,
        })
    }

    /// Whether there is a group of this name or number. Group 0 is the whole match.
    pub(super) fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// Replaces every match, from the first to the last; `None` if nothing matches.
    pub(super) fn replace(
        &self,
        text: &str,
        replacement: &Replacement<'_>,
        limit: usize,
    ) -> Result<Option<String>, Trouble> {
        let mut replaced = String::new();
        let mut copied = 0;
        let matched = self.for_each_match(text, |captures| {
            let whole = captures.get(0).map_or(0..0, |found| found.range());
            replaced.push_str(&text[copied..whole.start]);
            copied = whole.end;
            match replacement {
                Replacement::Expanded(template) => {
                    self.expand(template, text, captures, &mut replaced);
                }
                Replacement::OfGroup { group, text: new } => match self.group(captures, group) {
                    // A look-ahead or look-behind may capture text outside the match.
                    Some(found) if found.start >= whole.start && found.end <= whole.end => {
                        replaced.push_str(&text[whole.start..found.start]);
                        replaced.push_str(new);
                        replaced.push_str(&text[found.end..whole.end]);
                    }
                    Some(_) | None => replaced.push_str(&text[whole]),
                },
            }
            if replaced.len() + text.len() - copied > limit {
                return Err(Trouble::ResultTooLong(limit));
            }
            Ok(true)
        })?;
        if !matched {
            return Ok(None);
        }
        replaced.push_str(&text[copied..]);
        Ok(Some(replaced))
    }

    /// What a group matched in the first match.
    pub(super) fn first_group(&self, text: &str, group: &str) -> Result<Option<String>, Trouble> {
        let mut found = None;
        self.for_each_match(text, |captures| {
            found = self
                .group(captures, group)
                .map(|range| text[range].to_owned());
            Ok(false)
        })?;
        Ok(found)
    }

    /// Goes through the matches as .NET does: after an empty match the next one is looked for a
    /// character further on, but an empty match may follow right after another match. Stops when
    /// `visit` says false. The answer is whether there was a match.
    fn for_each_match(
        &self,
        text: &str,
        mut visit: impl FnMut(&Captures<'_, str>) -> Result<bool, Trouble>,
    ) -> Result<bool, Trouble> {
        let longest = if self.backtracks {
            MAX_BACKTRACKING_BYTES
        } else {
            MAX_RESULT_BYTES
        };
        if text.len() > longest {
            return Err(Trouble::TextTooLong);
        }
        let regex = match &self.with_line_feeds {
            Some(regex) if text.contains('\n') => regex,
            Some(_) | None => &self.regex,
        };
        let mut steps_left = MAX_BACKTRACKING_STEPS;
        let mut matched = false;
        let mut at = 0;
        while at <= text.len() {
            let Some(captures) = regex.search(text, at, &mut steps_left)? else {
                break;
            };
            let Some(whole) = captures.get(0) else {
                break;
            };
            matched = true;
            if !visit(&captures)? {
                break;
            }
            at = whole.end();
            if whole.start() == whole.end() {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        Ok(matched)
    }

    /// Where a group matched. Of several groups with one name the last one in the text counts.
    fn group(&self, captures: &Captures<'_, str>, name: &str) -> Option<std::ops::Range<usize>> {
        let numbers = self.groups.get(name)?;
        numbers
            .iter()
            .filter_map(|number| captures.get(*number))
            .map(|found| found.range())
            .max_by_key(|range| range.start)
    }

    /// Fills in a replacement. What names no group stays as it is, as in .NET.
    fn expand(&self, template: &str, text: &str, captures: &Captures<'_, str>, out: &mut String) {
        let whole = captures.get(0).map_or(0..0, |found| found.range());
        let mut rest = template;
        while let Some(dollar) = rest.find('$') {
            out.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let braced = rest
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'));
            let (inserted, length) = match (rest.bytes().next(), braced) {
                (Some(b'$'), _) => ("$", 1),
                (Some(b'&'), _) => (&text[whole.clone()], 1),
                (Some(b'`'), _) => (&text[..whole.start], 1),
                (Some(b'\''), _) => (&text[whole.end..], 1),
                (Some(b'_'), _) => (text, 1),
                (Some(b'+'), _) => (self.inserted(captures, text, &self.last_group()), 1),
                (_, Some((name, _))) if self.has_group(name) => {
                    (self.inserted(captures, text, name), name.len() + 2)
                }
                _ if digits > 0 && self.has_group(number(&rest[..digits])) => (
                    self.inserted(captures, text, number(&rest[..digits])),
                    digits,
                ),
                _ => ("$", 0),
            };
            out.push_str(inserted);
            rest = &rest[length..];
        }
        out.push_str(rest);
    }

    fn inserted<'t>(&self, captures: &Captures<'_, str>, text: &'t str, group: &str) -> &'t str {
        self.group(captures, group).map_or("", |range| &text[range])
    }

    fn last_group(&self) -> String {
        let numbers = self
            .groups
            .keys()
            .filter_map(|name| name.parse::<usize>().ok());
        numbers.max().unwrap_or(0).to_string()
    }
}

/// The number of a group without leading zeros.
fn number(digits: &str) -> &str {
    let shortened = digits.trim_start_matches('0');
    if shortened.is_empty() { "0" } else { shortened }
}

impl Ladder {
    /// What does not backtrack needs one rung, and no steps.
    fn build(text: &str, backtracks: bool) -> Result<Self, String> {
        let rungs: &[usize] = if backtracks {
            &BACKTRACKING_STEPS
        } else {
            &[0]
        };
        let rungs = rungs.iter();
        let rungs = rungs.map(|steps| Ok((*steps, build(text, *steps)?)));
        rungs.collect::<Result<_, _>>().map(Self)
    }

    /// The first match from here on. What a search may cost is taken from the steps that are left.
    fn search<'t>(
        &self,
        text: &'t str,
        at: usize,
        steps_left: &mut usize,
    ) -> Result<Option<Captures<'t, str>>, Trouble> {
        for (steps, regex) in &self.0 {
            *steps_left = steps_left.checked_sub(*steps).ok_or(Trouble::TooSlow)?;
            if let Ok(found) = regex.captures_from_pos(text, at) {
                return Ok(found);
            }
        }
        Err(Trouble::TooSlow)
    }
}

fn build(text: &str, steps: usize) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .backtrack_limit(steps)
        .delegate_size_limit(MAX_COMPILED_BYTES)
        .delegate_dfa_size_limit(MAX_COMPILED_BYTES)
        .max_prog_size(MAX_INSTRUCTIONS)
        .build()
        .map_err(|error| match error {
            fancy_regex::Error::CompileError(_) => {
                "it is too large or uses what is not supported".to_owned()
            }
            // The position is that in the translation and would mislead.
            fancy_regex::Error::ParseError(_, reason) => reason.to_string().to_lowercase(),
            other => other.to_string().to_lowercase(),
        })
}

#[cfg(test)]
mod tests;
