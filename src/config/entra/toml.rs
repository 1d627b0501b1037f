//! The job as TOML, for a person to read, complete and keep: one mapping per line, what could not be
//! carried over as a comment where it would stand.

use std::fmt::Write as _;

use super::flow::Flow;
use super::{Imported, Left, Missing, Settings, judge};
use crate::engine::model::ObjectKind;

/// The job as it is known before it is written.
pub(super) struct Draft {
    pub(super) name: String,
    /// Lines for the top, without the mark of a comment.
    pub(super) about: Vec<String>,
    /// `{ app_id = "…" }`, where the schema has it.
    pub(super) application: Option<String>,
    pub(super) settings: Settings,
    pub(super) users: Side,
    pub(super) groups: Side,
    pub(super) left: Vec<Left>,
}

/// One kind of object.
pub(super) struct Side {
    pub(super) kind: ObjectKind,
    pub(super) enabled: bool,
    /// Why it is not enabled, where the schema says that it is, or has none.
    pub(super) why_disabled: Option<String>,
    /// `None`: all.
    pub(super) actions: Option<Vec<&'static str>>,
    pub(super) filters: Vec<Group>,
    /// Why the filters are comments.
    pub(super) why_no_filters: Option<String>,
    pub(super) lines: Vec<Line>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) name: Option<String>,
    pub(super) clauses: Vec<Clause>,
}

#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) attribute: String,
    pub(super) operator: String,
    /// More than one only in a comment: the configuration has no such clause.
    pub(super) values: Vec<String>,
}

/// A mapping, or the comment that is left of it.
pub(super) enum Line {
    Mapping(Mapping),
    Comment { text: String, why: String },
}

#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) target: String,
    pub(super) flow: Flow,
    pub(super) default: Option<String>,
    pub(super) matching: Option<u32>,
    pub(super) on_create: bool,
    pub(super) target_type: Option<&'static str>,
    pub(super) multi_valued: Option<bool>,
    pub(super) case_exact: Option<bool>,
    pub(super) required: Option<bool>,
}

impl Mapping {
    /// An inline table on one line.
    pub(super) fn line(&self) -> String {
        let Self {
            target,
            flow,
            default,
            matching,
            on_create,
            target_type,
            multi_valued,
            case_exact,
            required,
        } = self;
        let mut line = format!("{{ target = {}", quoted(target));
        let _ = match flow {
            Flow::Attribute(name) => write!(line, ", source = {}", quoted(name)),
            Flow::Expression(text) => write!(line, ", expression = {}", quoted(text)),
            Flow::Constant(value) => write!(line, ", constant = {}", quoted(value)),
            Flow::None => write!(line, ", none = true"),
        };
        if let Some(default) = default {
            let _ = write!(line, ", default = {}", quoted(default));
            // Entra uses a default when it creates an object, and never afterwards.
            if *flow != Flow::None {
                line.push_str(", on_empty = \"keep\"");
            }
        }
        if let Some(matching) = matching {
            let _ = write!(line, ", match = {matching}");
        }
        if *on_create {
            line.push_str(", apply = \"on-create\"");
        }
        if let Some(target_type) = target_type {
            let _ = write!(line, ", type = \"{target_type}\"");
        }
        for (key, value) in [
            ("multi_valued", multi_valued),
            ("case_exact", case_exact),
            ("required", required),
        ] {
            if let Some(value) = value {
                let _ = write!(line, ", {key} = {value}");
            }
        }
        line.push_str(" }");
        line
    }
}

pub(super) fn write(draft: Draft) -> Imported {
    let to_fill_in = missing(&draft);
    let hint = |key: &str| {
        let found = to_fill_in.iter().find(|missing| missing.key == key);
        found.map_or("", |missing| missing.hint.as_str())
    };
    let mut text = String::new();
    for line in &draft.about {
        let _ = writeln!(text, "# {}", comment(line));
    }
    let _ = writeln!(text, "[[jobs]]\nname = {}", quoted(&draft.name));
    text.push_str("preset = \"none\"                       # all mappings are below\n");
    let _ = match &draft.application {
        Some(application) => writeln!(text, "application = {application}"),
        None => writeln!(
            text,
            "# application = {{ app_id = \"…\" }}     # {}",
            hint("jobs.application")
        ),
    };
    let Settings {
        app_id: _,
        base_url,
        sync_all,
        keeps_out_of_scope,
        max_deletions,
    } = &draft.settings;
    text.push_str("\n[jobs.target]\n");
    let _ = match base_url {
        Some(base_url) => writeln!(text, "base_url = {}", quoted(base_url)),
        None => writeln!(
            text,
            "# base_url = \"https://…\"              # {}",
            hint("jobs.target.base_url")
        ),
    };
    let _ = writeln!(
        text,
        "# token = {{ env = \"{}\" }}   # {}",
        variable(&draft.name),
        hint("jobs.target.token"),
    );
    let _ = match sync_all {
        Some(true) => writeln!(text, "\n[jobs.scope]\nmode = \"all\""),
        Some(false) => writeln!(text, "\n[jobs.scope]\nmode = \"assigned\""),
        None => writeln!(
            text,
            "\n[jobs.scope]\n# mode = \"assigned\"                   # {}",
            hint("jobs.scope.mode")
        ),
    };
    let when = match keeps_out_of_scope {
        Some(true) => "when_out_of_scope = \"keep\"".to_owned(),
        Some(false) => "when_out_of_scope = \"disable\"".to_owned(),
        None => format!(
            "# when_out_of_scope = \"disable\"       # {}",
            hint("jobs.users.when_out_of_scope")
        ),
    };
    write_side(&mut text, &draft.users, Some(&when));
    write_side(&mut text, &draft.groups, None);
    let _ = match max_deletions {
        Some(most) => writeln!(text, "\n[jobs.safety]\nmax_deletions = {most}"),
        None => writeln!(
            text,
            "\n[jobs.safety]\n# max_deletions = 500                 # {}",
            hint("jobs.safety.max_deletions")
        ),
    };
    Imported {
        name: draft.name,
        toml: text,
        left: draft.left,
        to_fill_in,
    }
}

/// Settings that Entra keeps next to the schema.
fn missing(draft: &Draft) -> Vec<Missing> {
    let one = |key: &str, hint: &str, required| Missing {
        key: key.to_owned(),
        hint: hint.to_owned(),
        required,
    };
    let application = one(
        "jobs.application",
        "the enterprise application whose assignments count",
        true,
    );
    let all = [
        one("jobs.target.base_url", "Entra: Tenant URL", true),
        one("jobs.target.token", "Entra: Secret Token", true),
        one(
            "jobs.scope.mode",
            "\"all\" where Entra syncs all users and groups",
            false,
        ),
        one(
            "jobs.users.when_out_of_scope",
            "\"keep\" where Entra has SkipOutOfScopeDeletions",
            false,
        ),
        one(
            "jobs.safety.max_deletions",
            "Entra: accidental deletion threshold",
            false,
        ),
    ];
    let settings = &draft.settings;
    let is_known = |missing: &Missing| match missing.key.as_str() {
        "jobs.target.base_url" => settings.base_url.is_some(),
        "jobs.scope.mode" => settings.sync_all.is_some(),
        "jobs.users.when_out_of_scope" => settings.keeps_out_of_scope.is_some(),
        "jobs.safety.max_deletions" => settings.max_deletions.is_some(),
        _ => false,
    };
    let application = draft.application.is_none().then_some(application);
    let all = all.into_iter().filter(|missing| !is_known(missing));
    application.into_iter().chain(all).collect()
}

fn write_side(text: &mut String, side: &Side, when_out_of_scope: Option<&str>) {
    let Side {
        kind,
        enabled,
        why_disabled,
        actions,
        filters,
        why_no_filters,
        lines,
    } = side;
    let _ = writeln!(text, "\n[jobs.{}]", judge::section(*kind));
    let _ = match why_disabled {
        Some(why) => writeln!(text, "# {}\nenabled = {enabled}", comment(why)),
        None => writeln!(text, "enabled = {enabled}"),
    };
    if let Some(actions) = actions {
        let actions: Vec<_> = actions.iter().map(|action| quoted(action)).collect();
        let _ = writeln!(text, "actions = [{}]", actions.join(", "));
    }
    if let Some(line) = when_out_of_scope {
        let _ = writeln!(text, "{line}");
    }
    if !filters.is_empty() {
        let list = filter_list(filters);
        match why_no_filters {
            Some(why) => {
                let _ = writeln!(text, "# Not converted: {}", comment(why));
                for line in format!("filters = {list}").lines() {
                    let _ = writeln!(text, "# {}", comment(line));
                }
            }
            None => {
                let _ = writeln!(text, "filters = {list}");
            }
        }
    }
    if lines.is_empty() {
        return;
    }
    text.push_str("mappings = [\n");
    for line in lines {
        let _ = match line {
            Line::Mapping(mapping) => writeln!(text, "    {},", mapping.line()),
            Line::Comment { text: line, why } => writeln!(
                text,
                "    # Not converted: {}\n    # {},",
                comment(why),
                comment(line)
            ),
        };
    }
    text.push_str("]\n");
}

/// The groups, a line for each clause.
pub(super) fn filter_list(groups: &[Group]) -> String {
    let mut text = String::from("[\n");
    for Group { name, clauses } in groups {
        text.push_str("    { ");
        if let Some(name) = name {
            let _ = write!(text, "name = {}, ", quoted(name));
        }
        text.push_str("all = [\n");
        for Clause {
            attribute,
            operator,
            values,
        } in clauses
        {
            let (attribute, operator) = (quoted(attribute), quoted(operator));
            let _ = write!(
                text,
                "        {{ attribute = {attribute}, operator = {operator}"
            );
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            let _ = match values.as_slice() {
                [] => Ok(()),
                [value] => write!(text, ", value = {value}"),
                several => write!(text, ", value = [{}]", several.join(", ")),
            };
            text.push_str(" },\n");
        }
        text.push_str("    ] },\n");
    }
    text.push(']');
    text
}

/// On one line: in double quotes, or in single ones where that spares escapes.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = !text.chars().any(is_unseen);
    if is_plain && text.contains(['"', '\\']) && !text.contains('\'') {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_unseen(c) => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Control characters, and those that turn the direction of writing: what they stand in would not
/// read as it is.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The longest part of a schema that a report repeats.
pub(super) const SHOWN_LENGTH: usize = 120;

/// The beginning of a text, on one line.
pub(super) fn shown(text: &str) -> String {
    let plain = |c: char| if is_unseen(c) { ' ' } else { c };
    let mut shown: String = text.chars().take(SHOWN_LENGTH).map(plain).collect();
    if text.chars().nth(SHOWN_LENGTH).is_some() {
        shown.push('…');
    }
    shown
}

/// The longest comment of one line.
const COMMENT_LENGTH: usize = 2_000;

/// What may stand in a comment: no line break, and nothing else that ends or breaks it.
fn comment(text: &str) -> String {
    let plain = |c: char| if is_unseen(c) { ' ' } else { c };
    let mut comment: String = text.chars().take(COMMENT_LENGTH).map(plain).collect();
    if text.chars().nth(COMMENT_LENGTH).is_some() {
        comment.push('…');
    }
    comment
}

/// The variable that may hold the target's token: `WIZER_TOKEN`.
fn variable(job: &str) -> String {
    let upper = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let name: String = job.chars().map(upper).collect();
    // A variable's name does not begin with a digit.
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{name}_TOKEN")
    } else {
        format!("{name}_TOKEN")
    }
}
