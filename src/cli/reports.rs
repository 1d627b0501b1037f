//! The reports that are written to files, before and after the fact: which kind, the name of the file says. A file appears whole or
//! not at all.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use tempfile::NamedTempFile;

use super::load;
use super::rows::LedgerEntries;
use super::saved::{Digests, SavedFile};
use super::usage::Usage;
use crate::config::{Config, ReportForm};
use crate::cycle::{self, Agent, Options};
use crate::engine::model::JobName;
use crate::engine::redact::Redactions;
use crate::report::html::Page;
use crate::report::json::Document;
use crate::report::period::{self, PeriodReport};
use crate::report::table::Table;
use crate::report::{CycleReport, Names, PlanView, Predicted, argument, command, markdown};
use crate::store::Store;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Report(ReportForm),
    /// Of a plan it is one for `apply`.
    Json,
}

/// A file to be written. Its kind is checked before anything else is done.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    path: PathBuf,
    kind: Kind,
}

impl Wanted {
    /// A report in this form, whatever its name.
    pub(super) fn report(path: PathBuf, form: ReportForm) -> Self {
        let kind = Kind::Report(form);
        Self { path, kind }
    }

    /// Whether it is a plan for `apply`, and not a report.
    pub(super) fn is_saved_plan(&self) -> bool {
        self.kind == Kind::Json
    }

    pub(super) fn parse_all(paths: &[PathBuf]) -> anyhow::Result<Vec<Self>> {
        paths.iter().map(|path| Self::parse(path)).collect()
    }

    fn parse(path: &Path) -> anyhow::Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let kind = match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("html" | "htm") => Kind::Report(ReportForm::Html),
            Some("md" | "markdown") => Kind::Report(ReportForm::Markdown),
            Some("csv") => Kind::Report(ReportForm::Csv),
            Some("json") => Kind::Json,
            _ => {
                return Err(Usage(format!(
                    "{}: the file name must end with .html, .md or .csv for a report, or with .json for \
                     JSON or a plan for apply",
                    path.display()
                ))
                .into());
            }
        };
        Ok(Self {
            path: path.to_owned(),
            kind,
        })
    }
}

type Out = BufWriter<NamedTempFile>;

enum Form {
    Json(Document<Out>),
    Html(Page<Out>),
    Markdown(Out),
    Csv(Box<Table<Out>>),
    Saved(SavedFile<Out>),
}

/// A report that grows job by job.
struct Report {
    path: PathBuf,
    form: Form,
}

/// How a plan is made that is to be saved.
#[derive(Clone, Copy)]
struct Planned<'o> {
    options: &'o Options,
    /// People have pseudonyms in it.
    is_redacted: bool,
}

/// All reports of one command.
pub(super) struct Reports {
    files: Vec<Report>,
    made: DateTime<Utc>,
    /// There is nothing to report so far.
    is_empty: bool,
    /// Jobs with plans that are not to be carried out: they only observe.
    observing: Vec<JobName>,
    /// What the plans predicted that are carried out.
    predicted: BTreeMap<JobName, Predicted>,
}

impl Reports {
    pub(super) fn begin(
        wanted: &[Wanted],
        made: DateTime<Utc>,
        options: &Options,
        is_redacted: bool,
    ) -> anyhow::Result<Self> {
        let planned = Planned {
            options,
            is_redacted,
        };
        let reports = wanted.iter().map(|one| {
            let Wanted { path, kind } = one;
            let report = Report::begin(path, *kind, made, Some(planned));
            report.with_context(|| cannot_write(path))
        });
        Ok(Self {
            files: reports.collect::<anyhow::Result<_>>()?,
            made,
            is_empty: true,
            observing: Vec::new(),
            predicted: BTreeMap::new(),
        })
    }

    /// The same for cycles that ran.
    pub(super) fn begin_done(wanted: &[Wanted], made: DateTime<Utc>) -> anyhow::Result<Self> {
        let reports = wanted.iter().map(|one| {
            let Wanted { path, kind } = one;
            let report = Report::begin(path, *kind, made, None);
            report.with_context(|| cannot_write(path))
        });
        Ok(Self {
            files: reports.collect::<anyhow::Result<_>>()?,
            made,
            is_empty: true,
            observing: Vec::new(),
            predicted: BTreeMap::new(),
        })
    }

    /// The same for cycles that carry out saved plans.
    pub(super) fn begin_applied(
        wanted: &[Wanted],
        made: DateTime<Utc>,
        predicted: BTreeMap<JobName, Predicted>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            predicted,
            ..Self::begin_done(wanted, made)?
        })
    }

    /// One cycle that ran.
    pub(super) fn cycle(&mut self, report: &CycleReport<'_>) -> anyhow::Result<()> {
        self.is_empty = false;
        for Report { path, form } in &mut self.files {
            let written = match form {
                Form::Html(page) => page.cycle(report),
                Form::Markdown(out) => markdown::cycle(out, report),
                Form::Csv(table) => table.cycle(report),
                Form::Json(document) => document.cycle(report),
                Form::Saved(_) => Ok(()),
            };
            written.with_context(|| cannot_write(path))?;
        }
        Ok(())
    }

    /// The last cycle of a job, where any report is wanted, and it ran since the report was begun.
    pub(super) fn last_cycle(
        &mut self,
        store: &Store,
        config: &Config,
        job: &JobName,
    ) -> anyhow::Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let Some(number) = store.newest_cycle(job)? else {
            return Ok(());
        };
        if let Some((job, cycle)) = store.cycle(number)?
            && cycle.started.timestamp_millis() >= self.made.timestamp_millis()
        {
            let marked = cycle::marked(config);
            let predicted = self.predicted.remove(&job);
            self.cycle(&CycleReport {
                job: &job,
                cycle: &cycle,
                entries: &LedgerEntries::new(store, number, &marked),
                predicted: predicted.as_ref(),
            })?;
        }
        Ok(())
    }

    /// One cycle of a period: only tables have all of it.
    pub(super) fn table(&mut self, report: &CycleReport<'_>) -> anyhow::Result<()> {
        for Report { path, form } in &mut self.files {
            if let Form::Csv(table) = form {
                table.cycle(report).with_context(|| cannot_write(path))?;
            }
        }
        Ok(())
    }

    pub(super) fn period(
        &mut self,
        report: &PeriodReport<'_>,
        names: Names<'_>,
    ) -> anyhow::Result<()> {
        self.is_empty = false;
        for Report { path, form } in &mut self.files {
            let written = match form {
                Form::Html(page) => page.period(report, names),
                Form::Markdown(out) => period::markdown(out, report, names),
                Form::Json(document) => document.period(report),
                Form::Csv(_) | Form::Saved(_) => Ok(()),
            };
            written.with_context(|| cannot_write(path))?;
        }
        Ok(())
    }

    pub(super) fn plan(
        &mut self,
        agent: &Agent,
        config: &Config,
        cycle: i64,
        redactions: &Redactions,
        view: &PlanView<'_>,
    ) -> anyhow::Result<()> {
        self.is_empty = false;
        if load::job(config, view.job.as_str())?.observes {
            self.observing.push(view.job.clone());
        }
        for Report { path, form } in &mut self.files {
            let written = match form {
                Form::Html(page) => page.plan(view).map_err(Into::into),
                Form::Markdown(out) => markdown::plan(out, view).map_err(Into::into),
                Form::Csv(table) => table.plan(view).map_err(Into::into),
                Form::Json(document) => document.plan(view).map_err(Into::into),
                Form::Saved(file) => {
                    let job = load::job(config, view.job.as_str())?;
                    file.plan(agent, &config.tenants_of(job), job, cycle, redactions, view)
                }
            };
            written.with_context(|| cannot_write(path))?;
        }
        Ok(())
    }

    /// A job that could not be planned. The others hold changes only.
    pub(super) fn error(&mut self, job: &JobName, words: &str) -> anyhow::Result<()> {
        self.is_empty = false;
        for Report { path, form } in &mut self.files {
            let written = match form {
                Form::Html(page) => page.error(job, words),
                Form::Markdown(out) => markdown::error(out, job, words),
                Form::Json(document) => document.error(job, words),
                Form::Csv(_) | Form::Saved(_) => Ok(()),
            };
            written.with_context(|| cannot_write(path))?;
        }
        Ok(())
    }

    /// Puts the files in their places; a sentence about each. A file that would say nothing is not written, and what
    /// has its name stays.
    pub(super) fn end(self) -> anyhow::Result<Vec<String>> {
        if self.is_empty {
            let sentence = |file: &Report| {
                let path = file.path.display();
                format!("There is nothing to report: {path} was not written")
            };
            return Ok(self.files.iter().map(sentence).collect());
        }
        let mut sentences = Vec::new();
        for Report { path, form } in self.files {
            if matches!(&form, Form::Saved(file) if file.is_empty()) {
                sentences.push(format!(
                    "No plan was made to be saved in {}",
                    path.display()
                ));
                continue;
            }
            let saved = form.end(&path).with_context(|| cannot_write(&path))?;
            if saved.is_empty() {
                sentences.push(format!("The report is in {}", path.display()));
                continue;
            }
            let jobs: Vec<&str> = saved.iter().map(|(job, _)| job.as_str()).collect();
            let jobs = jobs.join(", ");
            let digests = saved.iter().map(|(_, digest)| digest.as_deref());
            sentences.push(match digests.collect::<Option<Vec<_>>>() {
                None => format!(
                    "The plan of {jobs} is in {}, with pseudonyms for people; it cannot be applied",
                    path.display()
                ),
                Some(_) if !self.observing.is_empty() => {
                    let observing: Vec<&str> = self.observing.iter().map(JobName::as_str).collect();
                    format!(
                        "The plan of {jobs} is saved in {}. It cannot be applied, because {} only observes \
                         (mode = \"observe\")",
                        path.display(),
                        observing.join(", ")
                    )
                }
                Some(digests) => {
                    let expect = expect_each(digests.into_iter());
                    format!(
                        "The plan of {jobs} is saved in {}. To apply it:\n  {}",
                        path.display(),
                        command(&format!("apply {}{expect}", argument(&path)))
                    )
                }
            });
        }
        Ok(sentences)
    }
}

/// The options of a command that expects these digests.
pub(super) fn expect_each<'d>(digests: impl Iterator<Item = &'d str>) -> String {
    let options: Vec<String> = digests
        .map(|digest| format!(" --expect {digest}"))
        .collect();
    options.concat()
}

impl Report {
    fn begin(
        path: &Path,
        kind: Kind,
        made: DateTime<Utc>,
        planned: Option<Planned<'_>>,
    ) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        let out = BufWriter::new(file);
        let form = match (kind, planned) {
            (Kind::Report(ReportForm::Html), Some(_)) => {
                Form::Html(Page::begin(out, "entrain: what would change", made)?)
            }
            (Kind::Report(ReportForm::Html), None) => {
                Form::Html(Page::begin(out, "entrain: what was done", made)?)
            }
            (Kind::Report(ReportForm::Markdown), _) => Form::Markdown(out),
            (Kind::Report(ReportForm::Csv), Some(_)) => Form::Csv(Box::new(Table::begin(out)?)),
            (Kind::Report(ReportForm::Csv), None) => Form::Csv(Box::new(Table::begin_done(out)?)),
            (Kind::Json, Some(planned)) => {
                let Planned {
                    options,
                    is_redacted,
                } = planned;
                Form::Saved(SavedFile::begin(out, made, options.clone(), is_redacted)?)
            }
            (Kind::Json, None) => Form::Json(Document::begin(out)?),
        };
        Ok(Self {
            path: path.to_owned(),
            form,
        })
    }
}

impl Form {
    /// The digests of what was saved.
    fn end(self, path: &Path) -> anyhow::Result<Digests> {
        let mut saved = Digests::new();
        let out = match self {
            Self::Html(page) => page.end()?,
            Self::Markdown(out) => out,
            Self::Csv(table) => table.end()?,
            Self::Json(document) => document.end()?,
            Self::Saved(file) => {
                let (out, digests) = file.end()?;
                saved = digests;
                out
            }
        };
        let file = out
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.persist(path)?;
        Ok(saved)
    }
}

fn cannot_write(path: &Path) -> String {
    format!("could not write the report {}", path.display())
}
