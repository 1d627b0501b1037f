//! Saved plans as files: written by `plan --out FILE.json`, read by `apply`. A file is sealed: what was
//! changed in it by hand is refused.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::config::Job;
use crate::cycle::{Agent, Approved, Expected, ExpectedRow, Only, Options, Portion, SavedRow};
use crate::engine::model::{JobName, ObjectKind, SourceId};
use crate::engine::redact::Redactions;
use crate::report::json::{Harmless, action_json, time_json};
use crate::report::{Names, PlanView, Predicted, predicted};
use crate::scim::Request;
use crate::store::StateKey;

/// Of the file. Another is refused.
const FORMAT: u64 = 1;
/// What the digests of a file are made for.
const SEAL: &str = "saved plan";

/// A file of the plans of one or more jobs.
pub(super) struct SavedFile<W: Write> {
    out: Harmless<W>,
    made: String,
    options: Options,
    /// People have pseudonyms in it, so that nothing can be compared with it.
    is_redacted: bool,
    /// What the plans so far are sealed with.
    key: Option<StateKey>,
    /// The digest of each job's plan.
    all: Vec<String>,
    digests: Digests,
}

/// The digest of each job's plan; none where it cannot be applied.
pub(super) type Digests = Vec<(JobName, Option<String>)>;

impl<W: Write> SavedFile<W> {
    /// `options`: what was asked for.
    pub(super) fn begin(
        out: W,
        made: DateTime<Utc>,
        options: Options,
        is_redacted: bool,
    ) -> io::Result<Self> {
        let made = time_json(made);
        let mut out = Harmless::new(out);
        write!(
            out,
            "{{\"saved_plan\":{FORMAT},\"redacted\":{is_redacted},\"entrain\":{},\"made\":{made},\"jobs\":[",
            json!(env!("CARGO_PKG_VERSION")),
        )?;
        Ok(Self {
            out,
            made: text(&made).to_owned(),
            options,
            is_redacted,
            key: None,
            all: Vec::new(),
            digests: Vec::new(),
        })
    }

    pub(super) fn plan(
        &mut self,
        agent: &Agent,
        tenant: &str,
        job: &Job,
        cycle: i64,
        redactions: &Redactions,
        view: &PlanView<'_>,
    ) -> anyhow::Result<()> {
        let key = agent.key();
        let only = self.options.only.as_ref();
        let only = only.and_then(|only| only.objects.first());
        // With the key, a pseudonym could be recognised by trying names.
        let unkept = key.unkept().filter(|_| !self.is_redacted);
        let only = only.filter(|_| !self.is_redacted);
        let head = json!({
            "job": view.job.as_str(),
            "tenant_id": tenant,
            "base_url": job.target.base_url,
            "configuration": key.digest("configuration", &job.fingerprint),
            "key": unkept,
            "initial": self.options.initial,
            "only": only.map(|(kind, name)| json!({ "kind": kind.map(ObjectKind::word), "name": name })),
        });
        let separator = if self.all.is_empty() { "\n" } else { ",\n" };
        write!(self.out, "{separator}{{\"head\":{head},\"rows\":[")?;
        let predicted = predicted(view);
        let mut seals = head.to_string();
        let mut is_first = true;
        agent.each_saved_row(
            job,
            cycle,
            key,
            redactions,
            &mut |row| -> anyhow::Result<()> {
                let row = row_json(&row, view, &predicted);
                let text = row.to_string();
                let seal = key.digest(SEAL, &sum(&text));
                let separator = if is_first { "\n" } else { ",\n" };
                is_first = false;
                write!(
                    self.out,
                    "{separator}{{\"seal\":\"{seal}\",\"row\":{text}}}"
                )?;
                seals.push_str(&seal);
                Ok(())
            },
        )?;
        let digest = key.digest(SEAL, &seals);
        write!(self.out, "],\"digest\":\"{digest}\"}}")?;
        self.key = Some(key.clone());
        self.all.push(digest.clone());
        let digest = (!self.is_redacted).then_some(digest);
        self.digests.push((view.job.clone(), digest));
        Ok(())
    }

    /// No plan was put into it.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The file, and the digest of each job's plan.
    pub(super) fn end(mut self) -> io::Result<(W, Digests)> {
        let whole = whole(&self.made, env!("CARGO_PKG_VERSION"), &self.all);
        let seal = self.key.map(|key| key.digest(SEAL, &whole));
        writeln!(self.out, "\n],\"seal\":{}}}", json!(seal))?;
        Ok((self.out.into_inner(), self.digests))
    }
}

/// What is sealed of a file as a whole: no plan may be taken out of it.
fn whole(made: &str, version: &str, digests: &[String]) -> String {
    format!("{made} {version} {}", digests.join(" "))
}

fn row_json(row: &SavedRow<'_>, view: &PlanView<'_>, predicted: &Predicted) -> Json {
    let SavedRow {
        action,
        step,
        is_held,
        digest,
        request,
    } = row;
    let mut json = action_json(action, *step, Names::Rows(view.rows));
    let key = (
        action.subject.kind,
        action.subject.id.clone(),
        action.as_str().to_owned(),
    );
    json["predicted"] = json!(predicted.get(&key));
    json["held"] = json!(is_held);
    json["digest"] = json!(digest);
    json["request"] = json!(request.as_ref().map(request_json));
    json
}

fn request_json(request: &Request) -> Json {
    let body = request.body.as_deref();
    let body = body.and_then(|body| serde_json::from_slice::<Json>(body).ok());
    json!({ "method": request.method.as_str(), "path": request.path, "body": body })
}

/// What is sealed of a row, so that the row itself is not needed to check the seal.
fn sum(row: &str) -> String {
    format!("{:x}", Sha256::digest(row))
}

/// What was asked for when a file is applied.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Apply {
    /// Only the first so many users of it.
    pub(super) only_users: Option<u32>,
    /// Only this group of it and its members.
    pub(super) only_group: Option<String>,
    /// The digest was named, and is the file's.
    pub(super) is_expected: bool,
    /// So many removals that it holds are approved by this person.
    pub(super) approved: Option<(u64, String)>,
}

impl Apply {
    /// Only this part of it.
    pub(super) fn portion(&self) -> Option<Portion> {
        let group = self.only_group.clone().map(Portion::Group);
        self.only_users.map(Portion::Users).or(group)
    }
}

/// One job's plan as read from a file, not yet compared with anything. Of the rows only what is needed for that.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct SavedPlan {
    job: String,
    pub(super) digest: String,
    head: Map<String, Json>,
    rows: Vec<Sealed>,
    /// What is sealed of the whole file, and its seal.
    whole: String,
    seal: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Sealed {
    seal: String,
    sum: String,
    digest: String,
    action: String,
    kind: String,
    id: String,
    label: String,
    /// Why the target would refuse it.
    predicted: Option<String>,
}

/// The plans of a file.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<SavedPlan>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read the saved plan {}", path.display()))?;
    let file: Json = serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is not a saved plan, or is truncated: make a new one with entrain plan --out FILE.json",
            path.display()
        )
    })?;
    let plans = plans(&file);
    plans.with_context(|| format!("{} cannot be applied", path.display()))
}

fn plans(file: &Json) -> anyhow::Result<Vec<SavedPlan>> {
    match file["saved_plan"].as_u64() {
        Some(FORMAT) => {}
        Some(other) => {
            bail!("its format is {other}, but this version of entrain supports {FORMAT}")
        }
        None => bail!("it is not a saved plan: make one with entrain plan --out FILE.json"),
    }
    if file["redacted"] == Json::Bool(true) {
        bail!("it was saved with --redact: make one with entrain plan --out FILE.json");
    }
    let jobs = file["jobs"]
        .as_array()
        .context("it holds no list of jobs")?;
    if jobs.is_empty() {
        bail!("it holds no plan, because none could be made: make a new one");
    }
    let digests = jobs.iter().map(|job| text(&job["digest"]).to_owned());
    let digests: Vec<String> = digests.collect();
    let whole = whole(text(&file["made"]), text(&file["entrain"]), &digests);
    jobs.iter()
        .map(|job| {
            let head = job["head"]
                .as_object()
                .context("the plan of a job in it is incomplete: it has no head")?;
            let name = head.get("job").and_then(Json::as_str);
            let rows = job["rows"].as_array().context("a job in it has no rows")?;
            let rows = rows.iter().map(|row| {
                let seal = row["seal"]
                    .as_str()
                    .context("an action in it has no seal, which protects it from changes")?;
                let row = &row["row"];
                let subject = &row["subject"];
                Ok(Sealed {
                    seal: seal.to_owned(),
                    sum: sum(&row.to_string()),
                    digest: text(&row["digest"]).to_owned(),
                    action: text(&row["action"]).to_owned(),
                    kind: text(&subject["kind"]).to_owned(),
                    id: text(&subject["id"]).to_owned(),
                    label: text(&subject["label"]).to_owned(),
                    predicted: row["predicted"].as_str().map(str::to_owned),
                })
            });
            Ok(SavedPlan {
                job: name.context("a job in it has no name")?.to_owned(),
                digest: text(&job["digest"]).to_owned(),
                head: head.clone(),
                rows: rows.collect::<anyhow::Result<_>>()?,
                whole: whole.clone(),
                seal: text(&file["seal"]).to_owned(),
            })
        })
        .collect()
}

impl SavedPlan {
    pub(super) fn job(&self) -> &str {
        &self.job
    }

    /// What it predicted.
    pub(super) fn predicted(&self) -> Predicted {
        let rows = self.rows.iter().filter_map(|row| {
            let key = (kind(&row.kind)?, SourceId::new(&row.id), row.action.clone());
            Some((key, row.predicted.clone()?))
        });
        rows.collect()
    }

    /// What was asked for when it was made.
    pub(super) fn options(&self) -> Options {
        let asked = |name: &str| self.head.get(name).unwrap_or(&Json::Null);
        let only = asked("only");
        Options {
            initial: asked("initial") == &Json::Bool(true),
            only: kind(text(&only["kind"])).map(|kind| Only {
                objects: vec![(Some(kind), text(&only["name"]).to_owned())],
                with_members: false,
            }),
            ..Options::default()
        }
    }

    /// What is to be expected of this job, if the file is whole and was made for the job as it is now.
    pub(super) fn expected(
        &self,
        key: &StateKey,
        tenant: &str,
        job: &Job,
        how: &Apply,
    ) -> anyhow::Result<Expected> {
        let key = match self.head.get("key").and_then(Json::as_str) {
            // Who changes such a file can seal it again, too.
            Some(_) if !how.is_expected => bail!(
                "it was made before there was a state, so only its digest can show that it was not \
                 changed: add --expect with the digest that entrain plan printed"
            ),
            Some(own) => StateKey::of(own),
            None => key.clone(),
        };
        let said = |name: &str| self.head.get(name).map_or("", text);
        if said("tenant_id") != tenant {
            bail!("it was made for another tenant ({})", said("tenant_id"));
        }
        let mut seals = Json::Object(self.head.clone()).to_string();
        let mut is_whole = true;
        for row in &self.rows {
            is_whole &= key.digest(SEAL, &row.sum) == row.seal;
            seals.push_str(&row.seal);
        }
        is_whole &= key.digest(SEAL, &self.whole) == self.seal;
        if !is_whole || key.digest(SEAL, &seals) != self.digest {
            bail!(
                "it was changed after it was made, or made with the key of another state: make a new plan"
            );
        }
        if said("configuration") != key.digest("configuration", &job.fingerprint) {
            bail!(
                "the configuration of the job {} has changed since it was made: make a new plan",
                self.job
            );
        }
        let rows = self.rows.iter().map(Sealed::expected);
        Ok(Expected {
            rows: rows.collect::<anyhow::Result<_>>()?,
            digest: self.digest.clone(),
            key,
            only: how.portion(),
            approved: how
                .approved
                .clone()
                .map(|(removals, who)| Approved { removals, who }),
        })
    }
}

impl Sealed {
    fn expected(&self) -> anyhow::Result<ExpectedRow> {
        Ok(ExpectedRow {
            digest: self.digest.clone(),
            action: self.action.clone(),
            kind: kind(&self.kind).context("a row in it is about neither a user nor a group")?,
            id: SourceId::new(&self.id),
            label: self.label.clone(),
        })
    }
}

fn kind(word: &str) -> Option<ObjectKind> {
    let mut kinds = ObjectKind::ALL.into_iter();
    kinds.find(|kind| kind.word() == word)
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}
