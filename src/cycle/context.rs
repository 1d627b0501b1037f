//! What a cycle works with: how it is made, and what the steps of the cycle ask of it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::{OnceCell, watch};

use super::capabilities::{self, Adapted, Fact};
use super::tenant::Want;
use super::workers::Worker;
use super::{Agent, Between, Context, Error, Options};
use crate::config;
use crate::engine::model::{Key, ObjectKind, TargetId, TargetPath};
use crate::engine::quarantine::Pace;
use crate::engine::redact::{Known, Redactions};
use crate::engine::summary::{CycleKind, Progress, Requests};
use crate::graph;
use crate::scim;
use crate::store::{Store, TargetSettings};

impl Context<'_> {
    /// Reads what the target reports, where it is due, and goes on as it needs it.
    pub(super) async fn discover(&mut self) -> Result<(), Error> {
        if capabilities::discover(self).await? {
            let Adapted {
                job,
                remarks,
                facts,
            } = capabilities::adapted(&self.agent.store, self.configured)?;
            self.reader.adapt(&job.target.dialect);
            self.job = job;
            self.remarks = remarks;
            self.facts = facts;
        }
        Ok(())
    }

    /// What the target is reached with now.
    pub(super) fn settings(&self) -> TargetSettings {
        self.settings_of(&self.reader.identity())
    }

    /// The same with another credential.
    pub(super) fn settings_of(&self, identity: &str) -> TargetSettings {
        self.agent.settings(&self.job, identity)
    }

    /// The number of the cycle, once it has one.
    pub(super) fn cycle(&self) -> i64 {
        self.cycle.get().copied().unwrap_or_default()
    }

    /// The plan holds everything that is due.
    pub(super) fn plans_all(&self) -> bool {
        let is_portion = |saved: &super::Expected| saved.only.is_some();
        !self.options.is_partial()
            && self.pace == Pace::Full
            && !self.options.saved.as_deref().is_some_and(is_portion)
    }

    /// Works with the state on a thread that may wait for the disk.
    pub(super) async fn state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, crate::store::Error> + Send + 'static,
    ) -> Result<T, Error> {
        Ok(self.agent.store.run(work).await?)
    }

    /// For so long after it was sent something of a write may still arrive, or not show yet (safety.md §1).
    pub(super) fn waiting_time(&self) -> Duration {
        self.job.target.timeout + self.job.target.visibility_delay
    }

    /// The paths that mappings of this kind write, members aside.
    pub(super) fn mapped_paths(&self, kind: ObjectKind) -> Vec<TargetPath> {
        let mappings = self.job.rules.rules(kind).mappings.iter();
        let paths = mappings.map(|mapping| mapping.target.clone());
        paths.filter(|path| !path.is_members()).collect()
    }

    /// The source objects that these target objects of either kind are linked to, and those of them that
    /// are linked to none.
    pub(super) async fn linked(
        &self,
        targets: Vec<TargetId>,
    ) -> Result<(Vec<Key>, Vec<TargetId>), Error> {
        let job = self.job.rules.name.clone();
        self.state(move |store| store.linked(&job, targets)).await
    }

    /// A look-up that any working target answers.
    pub(super) async fn look_up_anything(&self) -> Result<(), scim::Error> {
        let rules = &self.job.rules;
        let kind = if rules.users.enabled {
            ObjectKind::User
        } else {
            ObjectKind::Group
        };
        self.reader.answers(kind).await
    }

    /// Whether a failed read is the trouble of what was read alone. A target that is down or no SCIM
    /// service, or a stop, ends the cycle.
    pub(super) async fn concerns_one_object(&self, error: &scim::Error) -> bool {
        if error.is_stop() {
            return false;
        }
        let may_be_all = error.stops_everything() || error.is_incompatible();
        !may_be_all || self.look_up_anything().await.is_ok()
    }

    pub(super) fn want(&self) -> Want {
        Want {
            job: self.job.clone(),
            kind: self.kind,
            progress: self.progress.clone(),
            requests: Arc::clone(&self.source_requests),
        }
    }

    /// Requests of this cycle so far. What several jobs share in a reading is counted for the first.
    pub(super) fn requests(&self) -> Requests {
        Requests {
            source: self.source_requests.load(Ordering::Relaxed),
            target: self.reader.requests(),
        }
    }
}

impl Agent {
    /// The same as [`Self::context`], for cycles that write.
    pub(super) fn writing_context<'a>(
        &'a self,
        job: &'a config::Job,
        options: &'a Options,
        progress: &'a watch::Sender<Progress>,
    ) -> Result<Context<'a>, Error> {
        for source in self.config.sources_of(job) {
            if let Some(key) = source.credential.personal() {
                let key = source.key(key);
                return Err(graph::Error::Personal { key }.into());
            }
        }
        self.context(job, options, progress)
    }

    pub(super) fn context<'a>(
        &'a self,
        job: &'a config::Job,
        options: &'a Options,
        progress: &'a watch::Sender<Progress>,
    ) -> Result<Context<'a>, Error> {
        let configured = job;
        let name = &configured.rules.name;
        let Adapted {
            job,
            remarks,
            facts,
        } = capabilities::adapted(&self.store, configured)?;
        self.sources.note(configured, &self.store, (self.now)())?;
        let sources = self.sources.of(configured)?;
        self.store.note_fingerprint(name, &job.fingerprint)?;
        let access = (!self.without_target)
            .then(|| self.access(&job))
            .transpose()?;
        if let Some(access) = &access {
            let settings = self.settings(&job, &access.identity());
            if self.store.compare_settings(name, &settings)? {
                tracing::warn!(
                    job = %name,
                    "the target's address or credential changed: verifying the links"
                );
                self.store.forget_target(name)?;
            }
        }
        if options.evaluate_all {
            self.store.restart(name)?;
        }
        let mut remembered = Vec::new();
        if options.initial {
            remembered = facts.iter().filter_map(Fact::as_rewritten).collect();
            self.store.restart(name)?;
            self.store.forget_target(name)?;
            self.store.read_from_beginning(name)?;
        }
        let kind = match options.between {
            Some(Between::Leavers) => CycleKind::Leavers,
            Some(Between::Retries) => CycleKind::Retries,
            None if self.store.job_state(name)?.full_evaluation => CycleKind::Initial,
            None => CycleKind::Incremental,
        };
        let redactions = self.redactions(&job);
        let reader = match access {
            Some(access) => self.reader_with(&job, access)?,
            None => scim::Reader::absent(&job.target, self.stop.clone())?,
        };
        let reader = reader.hiding(redactions.hidden());
        reader.note_verified(reader.identity());
        Ok(Context {
            agent: self,
            sources,
            job,
            configured,
            remarks,
            facts,
            rewritten: Mutex::default(),
            remembered,
            forms: Mutex::default(),
            options,
            progress,
            reader,
            is_first: !self.store.is_established(name)?,
            redactions,
            kind,
            pace: Pace::Full,
            source_requests: Arc::default(),
            hides_disabled: OnceCell::new(),
            worker: Worker::Plan,
            cycle: OnceLock::new(),
            first_gone: OnceCell::new(),
            renewed: tokio::sync::Mutex::default(),
        })
    }

    /// What is not shown of a job, as the state is when words are to be shown for the first time.
    pub(super) fn redactions(&self, job: &config::Job) -> Redactions {
        let redactions = Redactions::of(&job.rules);
        if redactions.is_empty() {
            return redactions;
        }
        let (store, name) = (Arc::clone(&self.store), job.rules.name.clone());
        let marked = redactions.clone();
        redactions.hiding(move || {
            let mut known = Known::default();
            let read = store.each_value(&name, |kind, path, value| {
                if marked.marks(kind, path) {
                    known.add(value);
                }
            });
            match read {
                Ok(()) => known,
                Err(error) => {
                    tracing::warn!(job = %name, %error, "the target's message is not shown");
                    Known::unknown()
                }
            }
        })
    }

    pub(super) fn reader(&self, job: &config::Job) -> Result<scim::Reader, Error> {
        self.reader_with(job, self.access(job)?)
    }

    fn reader_with(&self, job: &config::Job, access: scim::Access) -> Result<scim::Reader, Error> {
        let (stop, gate) = (self.stop.clone(), self.store.gate());
        Ok(scim::Reader::new(&job.target, access, stop, gate)?)
    }

    /// What the target is given; of several secrets, the one that the links were made with comes first.
    fn access(&self, job: &config::Job) -> Result<scim::Access, Error> {
        let name = &job.rules.name;
        let times = (self.stop.clone(), self.now);
        let issuer = self.issuers.of(job, &self.config, times)?;
        let (access, remarks) = scim::Access::read(&job.target.access, issuer)?;
        let access = access.at((self.now)());
        for words in remarks {
            tracing::warn!(job = %name, "{words}");
        }
        Ok(match self.store.settings(name)? {
            Some(known) => access.begin_with(|identity| self.settings(job, identity) == known),
            None => access,
        })
    }

    /// What a target is reached with, by what it knows the sender.
    pub(super) fn settings(&self, job: &config::Job, identity: &str) -> TargetSettings {
        TargetSettings {
            address: job.target.base_url.clone(),
            credential: self.key.digest("credential", identity),
        }
    }
}
