//! An audit: text for people and JSON for machines; `csv` is for spreadsheets.

mod csv;

use std::io::{self, Write};

use chrono::SecondsFormat;
use serde_json::{Value as Json, json};

use crate::engine::audit::{
    Attribute, Audit, Coverage, Differing, Duplicate, KindAudit, Likeness, NearMiss, Orphan,
};
use crate::engine::model::{ObjectKind, TargetId};
use crate::engine::plan::{DriftRemedy, Skipped};
use crate::report::command::command;
use crate::report::drift;
use crate::report::entry::Mark;
use crate::report::json::{FORMAT, subject_json, time_json, value_json};
use crate::report::sentence::{clean, number, optional, subject_text, things, value, why};
use crate::report::text::Style;
use crate::report::view::Names;

pub(crate) use self::csv::csv;

/// Findings of one section that are printed; `-v` prints all.
const SHOWN: usize = 20;

const NO_NAMES: Names<'static> = Names::Numbered(&|_| None);

pub(crate) fn text(out: &mut dyn Write, audit: &Audit, style: Style) -> io::Result<()> {
    let Audit {
        job,
        address,
        at,
        incomplete,
        kinds,
        requests,
    } = audit;
    let job = clean(job.as_str());
    writeln!(out, "{}", style.bold(&format!("Audit of {job}")))?;
    writeln!(
        out,
        "{}, {}",
        clean(address),
        at.to_rfc3339_opts(SecondsFormat::Secs, true)
    )?;
    if let Some(incomplete) = incomplete {
        let incomplete = clean(incomplete);
        writeln!(
            out,
            "{} The scope is not certain: {incomplete}",
            style.mark(Mark::Warn)
        )?;
    }
    writeln!(out, "\n            in target      linked    in scope")?;
    for one in kinds {
        writeln!(
            out,
            "  {:<8}{:>11}{:>12}{:>12}",
            format!("{}s", one.kind),
            number(one.in_target),
            number(one.linked),
            number(one.in_scope)
        )?;
    }
    for one in kinds {
        kind_text(out, one, style)?;
    }
    let differs = kinds.iter().any(|one| {
        let is_repaired = |attribute: &Attribute| attribute.remedy != Some(DriftRemedy::Report);
        let mut differing = one.differing.iter().flat_map(|one| &one.attributes);
        !one.missing.is_empty() || differing.any(is_repaired)
    });
    writeln!(
        out,
        "\n{} to the source, {} to the target; nothing was changed.",
        things(requests.source, "request"),
        number(requests.target)
    )?;
    if !audit.has_findings() {
        writeln!(
            out,
            "The target matches what was last written and what the mappings produce."
        )
    } else if differs {
        writeln!(
            out,
            "To see the repair: {}\nTo apply it: {}",
            command(&format!("audit {job} --plan")),
            command(&format!("sync {job} --initial"))
        )
    } else {
        Ok(())
    }
}

fn kind_text(out: &mut dyn Write, audit: &KindAudit, style: Style) -> io::Result<()> {
    let KindAudit {
        kind,
        in_target: _,
        linked: _,
        in_scope,
        differing,
        missing,
        orphans,
        duplicates,
        ambiguous,
        coverage,
        not_shown,
    } = audit;
    let of_kind = match kind {
        ObjectKind::User => "Users",
        ObjectKind::Group => "Groups",
    };
    let differing = differing.iter().map(|one| differing_text(one, style));
    let missing = missing.iter().map(|(subject, target)| {
        let id = clean(target.as_str());
        let mark = style.mark(Mark::Remove);
        vec![format!(
            "{mark} {} (id {id}) is gone",
            subject_text(subject)
        )]
    });
    let title = format!("{of_kind} that differ from what was last written or is wanted");
    section(
        out,
        &title,
        &missing.chain(differing).collect::<Vec<_>>(),
        style,
    )?;
    let active = orphans.iter().filter(|orphan| orphan.active).count() as u64;
    let title = match kind {
        ObjectKind::User => {
            format!(
                "Accounts without a user in scope, {} of them active",
                number(active)
            )
        }
        ObjectKind::Group => "Groups without a group in scope".to_owned(),
    };
    let lines = orphans
        .iter()
        .map(|orphan| vec![orphan_text(orphan, style)]);
    section(out, &title, &lines.collect::<Vec<_>>(), style)?;
    let lines = duplicates.iter().map(|one| {
        let Duplicate {
            path,
            value: shared,
            targets,
        } = one;
        let mark = style.mark(Mark::Warn);
        let shared = value(shared, NO_NAMES);
        vec![format!("{mark} {path} {shared}: ids {}", ids(targets))]
    });
    section(
        out,
        &format!("{of_kind} that exist more than once"),
        &lines.collect::<Vec<_>>(),
        style,
    )?;
    let lines = ambiguous.iter().map(|one| {
        let Skipped {
            subject,
            why: reason,
        } = one;
        let mark = style.mark(Mark::Fail);
        let reason = why(reason, subject.kind, NO_NAMES);
        vec![format!("{mark} {}: {reason}", subject_text(subject))]
    });
    section(
        out,
        &format!("{of_kind} whose match is ambiguous"),
        &lines.collect::<Vec<_>>(),
        style,
    )?;
    let of = format!("{} in scope", things(*in_scope, kind.word()));
    coverage_section(out, coverage, &of, style)?;
    if !not_shown.is_empty() {
        let paths: Vec<String> = not_shown.iter().map(ToString::to_string).collect();
        writeln!(
            out,
            "\n{} Not compared, because the target returns no value: {}",
            style.mark(Mark::Warn),
            paths.join(", ")
        )?;
    }
    Ok(())
}

fn coverage_section(
    out: &mut dyn Write,
    coverage: &[Coverage],
    of: &str,
    style: Style,
) -> io::Result<()> {
    if coverage.is_empty() {
        return Ok(());
    }
    let title = format!("Match coverage of {of}");
    writeln!(out, "\n{}", style.bold(&title))?;
    let lengths = coverage.iter().map(|pair| pair_text(pair).chars().count());
    let width = lengths.max().unwrap_or_default();
    for pair in coverage {
        writeln!(out, "{}", coverage_text(pair, width))?;
    }
    writeln!(out, "  * A matching attribute of the job.")
}

/// A section with the number of its findings; each is some lines.
fn section(
    out: &mut dyn Write,
    title: &str,
    findings: &[Vec<String>],
    style: Style,
) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let count = findings.len();
    writeln!(
        out,
        "\n{}",
        style.bold(&format!("{title} ({})", number(count as u64)))
    )?;
    let shown = if style.details { count } else { SHOWN };
    for finding in findings.iter().take(shown) {
        for line in finding {
            writeln!(out, "  {line}")?;
        }
    }
    let more = count.saturating_sub(shown) as u64;
    if more > 0 {
        writeln!(out, "  and {} more (-v lists them)", number(more))?;
    }
    Ok(())
}

fn differing_text(differing: &Differing, style: Style) -> Vec<String> {
    let Differing {
        subject,
        target,
        attributes,
    } = differing;
    let id = clean(target.as_str());
    let mark = style.mark(Mark::Change);
    let mut lines = vec![format!("{mark} {} (id {id})", subject_text(subject))];
    lines.extend(
        attributes
            .iter()
            .map(|one| format!("    {}", attribute_text(one))),
    );
    lines
}

fn attribute_text(attribute: &Attribute) -> String {
    let Attribute {
        path,
        written,
        held,
        wanted,
        remedy,
    } = attribute;
    let one = |side| optional(side, NO_NAMES);
    match remedy {
        Some(remedy) if path.is_members() => {
            drift::what(path, written.as_ref(), held.as_ref(), *remedy)
        }
        Some(remedy) => {
            let text = drift::what(path, written.as_ref(), held.as_ref(), *remedy);
            if wanted == written {
                text
            } else {
                format!("{text}, wanted: {}", one(wanted.as_ref()))
            }
        }
        None => format!(
            "{path} {} as written, wanted: {}",
            one(held.as_ref()),
            one(wanted.as_ref())
        ),
    }
}

fn orphan_text(orphan: &Orphan, style: Style) -> String {
    let Orphan {
        target,
        name,
        active,
        linked_to,
        near,
    } = orphan;
    let mark = style.mark(if *active { Mark::Warn } else { Mark::Skip });
    let state = if *active { "active" } else { "inactive" };
    let whose = match linked_to {
        Some(subject) => format!("of {}, out of scope", subject_text(subject)),
        None => "never linked".to_owned(),
    };
    let near = near.as_ref().map(|near| format!("; {}", near_text(near)));
    format!(
        "{mark} {} (id {}): {state}, {whose}{}",
        clean(name),
        clean(target.as_str()),
        near.unwrap_or_default()
    )
}

fn near_text(near: &NearMiss) -> String {
    let NearMiss {
        subject,
        is_linked,
        by,
    } = near;
    let by = match by {
        Likeness::Address => "the same address",
        Likeness::Alias => "the same name before the @",
        Likeness::DisplayName => "the same display name",
    };
    let linked = if *is_linked {
        ", linked to another"
    } else {
        ", not linked"
    };
    format!("near {} ({by}{linked})", subject_text(subject))
}

fn pair_text(pair: &Coverage) -> String {
    format!("{} = {}", pair.path, clean(&pair.attribute))
}

fn coverage_text(pair: &Coverage, width: usize) -> String {
    let mark = if pair.is_used { "*" } else { " " };
    let several = if pair.several > 0 {
        format!("; {} find several", number(pair.several))
    } else {
        String::new()
    };
    format!(
        "  {mark} {:<width$}{:>7} %{:>7}{several}",
        pair_text(pair),
        share(pair),
        number(pair.one)
    )
}

/// With one decimal; rounded down, so that 100.0 means all.
fn share(pair: &Coverage) -> String {
    let permille = (pair.one * 1_000).checked_div(pair.of).unwrap_or_default();
    format!("{}.{}", permille / 10, permille % 10)
}

fn ids(targets: &[TargetId]) -> String {
    let ids: Vec<String> = targets.iter().map(|id| clean(id.as_str())).collect();
    ids.join(", ")
}

pub(crate) fn json(out: &mut dyn Write, audit: &Audit) -> io::Result<()> {
    let Audit {
        job,
        address,
        at,
        incomplete,
        kinds,
        requests,
    } = audit;
    let mut document = json!({
        "format": FORMAT,
        "job": job.as_str(),
        "target": address,
        "time": time_json(*at),
        "incomplete": incomplete,
        "requests": { "source": requests.source, "target": requests.target },
    });
    for one in kinds {
        let name = match one.kind {
            ObjectKind::User => "users",
            ObjectKind::Group => "groups",
        };
        document[name] = kind_json(one);
    }
    writeln!(out, "{document}")
}

fn kind_json(audit: &KindAudit) -> Json {
    let KindAudit {
        kind: _,
        in_target,
        linked,
        in_scope,
        differing,
        missing,
        orphans,
        duplicates,
        ambiguous,
        coverage,
        not_shown,
    } = audit;
    let differing = differing.iter().map(|one| {
        let attributes = one.attributes.iter().map(|attribute| {
            let side = |value: &Option<_>| value.as_ref().map(value_json);
            json!({
                "attribute": attribute.path.to_string(),
                "written": side(&attribute.written),
                "held": side(&attribute.held),
                "wanted": side(&attribute.wanted),
                "remedy": attribute.remedy.map_or("repair", drift::remedy_word),
            })
        });
        json!({
            "subject": subject_json(&one.subject),
            "target": one.target.as_str(),
            "attributes": attributes.collect::<Json>(),
        })
    });
    let missing = missing.iter().map(
        |(subject, target)| json!({ "subject": subject_json(subject), "target": target.as_str() }),
    );
    let orphans = orphans.iter().map(|orphan| {
        let near = orphan.near.as_ref().map(|near| {
            json!({
                "subject": subject_json(&near.subject),
                "linked": near.is_linked,
                "by": likeness_word(near.by),
            })
        });
        json!({
            "target": orphan.target.as_str(),
            "name": orphan.name,
            "active": orphan.active,
            "linked_to": orphan.linked_to.as_ref().map(subject_json),
            "near": near,
        })
    });
    let duplicates = duplicates.iter().map(|one| {
        let targets: Vec<&str> = one.targets.iter().map(TargetId::as_str).collect();
        json!({
            "attribute": one.path.to_string(),
            "value": value_json(&one.value),
            "targets": targets,
        })
    });
    let ambiguous = ambiguous.iter().map(|one| {
        json!({
            "subject": subject_json(&one.subject),
            "reason": one.why.word(),
            "text": why(&one.why, one.subject.kind, NO_NAMES),
        })
    });
    let coverage = coverage.iter().map(|pair| {
        json!({
            "attribute": pair.path.to_string(),
            "source": pair.attribute,
            "used": pair.is_used,
            "one": pair.one,
            "several": pair.several,
            "of": pair.of,
        })
    });
    let not_shown: Vec<String> = not_shown.iter().map(ToString::to_string).collect();
    json!({
        "in_target": in_target,
        "linked": linked,
        "in_scope": in_scope,
        "differing": differing.collect::<Json>(),
        "missing": missing.collect::<Json>(),
        "orphans": orphans.collect::<Json>(),
        "duplicates": duplicates.collect::<Json>(),
        "ambiguous": ambiguous.collect::<Json>(),
        "coverage": coverage.collect::<Json>(),
        "not_shown": not_shown,
    })
}

fn likeness_word(by: Likeness) -> &'static str {
    match by {
        Likeness::Address => "address",
        Likeness::Alias => "alias",
        Likeness::DisplayName => "display-name",
    }
}
