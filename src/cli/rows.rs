//! The rows of a plan for the reports: read from the ledger, a few hundred at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use crate::cycle::{self, Marked};
use crate::engine::model::{Key, ObjectKind, SourceId};
use crate::engine::plan::{Action, Step, Subject};
use crate::engine::record::LogEntry;
use crate::engine::redact::{Redactions, Shown};
use crate::report::{About, Entries, Folded, Names, Order, Part, PlanRow, Rows};
use crate::store::{self, Named, Place, Row, RowsOf, Store};

/// Rows that are read at once.
const CHUNK: usize = 500;

/// What a page can be filtered by, besides what it shows anyway.
const DEPARTMENT: &str = "department";
const GROUP_NAME: &str = "displayName";

/// The rows of one plan.
pub(super) struct LedgerRows<'a> {
    store: &'a Store,
    cycle: i64,
    redactions: Redactions,
    /// What the objects are called that the last rows mention.
    names: RefCell<BTreeMap<Key, (SourceId, String)>>,
}

impl<'a> LedgerRows<'a> {
    pub(super) fn new(store: &'a Store, cycle: i64, redactions: Redactions) -> Self {
        Self {
            store,
            cycle,
            redactions,
            names: RefCell::default(),
        }
    }

    fn by_name(
        &self,
        of: RowsOf,
        most: usize,
        each: &mut dyn FnMut(Folded<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let lists = self.store.places_by_name(self.cycle, of);
        for places in lists.map_err(io::Error::other)? {
            let takes_away = places.first().is_some_and(|one| one.step.takes_away());
            let shown = if takes_away {
                places.len()
            } else {
                places.len().min(most)
            };
            for chunk in places[..shown].chunks(CHUNK) {
                let rows = self.store.rows_at(chunk).map_err(io::Error::other)?;
                self.pass(&rows, &mut |action, step| {
                    each(Folded::Action(action, step))
                })?;
            }
            if shown < places.len() {
                each(Folded::More((places.len() - shown) as u64))?;
            }
        }
        Ok(())
    }

    fn actions(
        &self,
        of: RowsOf,
        order: Order,
        each: &mut dyn FnMut(PlanRow<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        match order {
            Order::Execution => self.in_execution(of, each),
            Order::Name => self.by_name(of, usize::MAX, &mut |row| match row {
                Folded::Action(action, step) => each(PlanRow::Action(action, step)),
                Folded::More(_) => Ok(()),
            }),
        }
    }

    fn in_execution(
        &self,
        of: RowsOf,
        each: &mut dyn FnMut(PlanRow<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut after = None;
        loop {
            let rows = self.store.rows(self.cycle, of, after, CHUNK);
            let rows = rows.map_err(io::Error::other)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after = Some(*last);
            self.pass(&rows, &mut |action, step| {
                each(PlanRow::Action(action, step))
            })?;
        }
    }

    fn pass(
        &self,
        rows: &[(Place, Row)],
        each: &mut dyn FnMut(&Shown<'_, Action>, Step) -> io::Result<()>,
    ) -> io::Result<()> {
        let mentioned = rows.iter().flat_map(|(_, row)| {
            let referenced = row.action.operation.referenced();
            referenced.into_iter().map(|one| one.key)
        });
        self.learn(mentioned.collect())?;
        for (place, row) in rows {
            each(&self.redactions.action(&row.action), place.step)?;
        }
        Ok(())
    }

    fn skipped(&self, each: &mut dyn FnMut(PlanRow<'_>) -> io::Result<()>) -> io::Result<()> {
        let mut after = None;
        loop {
            let rows = self.store.skipped(self.cycle, after, CHUNK);
            let rows = rows.map_err(io::Error::other)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after = Some(*last);
            let mentioned = rows.iter().filter_map(|(_, skipped)| skipped.why.other());
            self.learn(mentioned.collect())?;
            for (_, skipped) in &rows {
                each(PlanRow::Skipped(&self.redactions.skipped(skipped)))?;
            }
        }
    }

    /// Looks up in one statement what the next rows mention.
    fn learn(&self, mut keys: Vec<Key>) -> io::Result<()> {
        keys.sort_unstable();
        keys.dedup();
        let named = self.store.named(&keys).map_err(io::Error::other)?;
        let named = named.into_iter();
        *self.names.borrow_mut() = named.map(|(key, one)| (key, self.called(one))).collect();
        Ok(())
    }

    fn look_up(&self, key: Key) -> Result<Option<(SourceId, String)>, store::Error> {
        let named = self.store.named(&[key])?.remove(&key);
        Ok(named.map(|one| self.called(one)))
    }

    fn called(&self, named: Named) -> (SourceId, String) {
        let Named { kind, id, label } = named;
        (id, self.redactions.label(kind, label))
    }
}

/// What came to an end in one cycle.
pub(super) struct LedgerEntries<'a> {
    store: &'a Store,
    cycle: i64,
    marked: &'a Marked,
}

impl<'a> LedgerEntries<'a> {
    pub(super) fn new(store: &'a Store, cycle: i64, marked: &'a Marked) -> Self {
        Self {
            store,
            cycle,
            marked,
        }
    }
}

impl Entries for LedgerEntries<'_> {
    fn each(&self, each: &mut dyn FnMut(&LogEntry, Names<'_>) -> io::Result<()>) -> io::Result<()> {
        let ids = self.store.ended(self.cycle).map_err(io::Error::other)?;
        for chunk in ids.chunks(CHUNK) {
            let mut entries = self.store.entries(chunk).map_err(io::Error::other)?;
            cycle::hide(&mut entries, self.marked);
            cycle::with_names(Some(self.store), |names| {
                entries.iter().try_for_each(|logged| each(logged, names))
            })?;
        }
        Ok(())
    }

    fn about(&self, subject: &Subject) -> About {
        let hides = |kind, name| {
            let mut all = self.marked.values();
            all.any(|one| one.hides_attribute(kind, name))
        };
        let mut about = about(self.store, self.cycle, subject);
        if hides(subject.kind, DEPARTMENT) {
            about.department = None;
        }
        if hides(ObjectKind::Group, GROUP_NAME) {
            about.groups.clear();
        }
        about
    }
}

/// A report without them is a report, too.
fn about(store: &Store, cycle: i64, subject: &Subject) -> About {
    match subject.kind {
        ObjectKind::Group => About {
            department: None,
            groups: vec![subject.label.clone()],
        },
        ObjectKind::User => {
            let object = store.object(subject.kind, &subject.id).ok().flatten();
            let department = object.and_then(|object| {
                let department = object.attributes.text(DEPARTMENT);
                department.map(str::to_owned)
            });
            About {
                department,
                groups: store.group_names(cycle, subject.key).unwrap_or_default(),
            }
        }
    }
}

impl Rows for LedgerRows<'_> {
    fn each(
        &self,
        part: Part,
        order: Order,
        each: &mut dyn FnMut(PlanRow<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        match part {
            Part::Cleared => self.actions(RowsOf::Cleared, order, each),
            Part::Held => self.actions(RowsOf::Held, order, each),
            Part::Skipped => self.skipped(each),
        }
    }

    fn folded(
        &self,
        most: usize,
        each: &mut dyn FnMut(Folded<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.by_name(RowsOf::Cleared, most, each)
    }

    fn name(&self, key: Key) -> Option<(SourceId, String)> {
        let known = self.names.borrow().get(&key).cloned();
        // A report without a name shows that there is another object, and goes on.
        known.or_else(|| self.look_up(key).ok()?)
    }

    fn name_of(&self, id: &SourceId) -> Option<String> {
        ObjectKind::ALL.into_iter().find_map(|kind| {
            let object = self.store.object(kind, id).ok()??;
            Some(self.redactions.label(kind, object.label().to_owned()))
        })
    }

    fn about(&self, subject: &Subject) -> About {
        let mut about = about(self.store, self.cycle, subject);
        if self.redactions.hides_attribute(subject.kind, DEPARTMENT) {
            about.department = None;
        }
        for group in &mut about.groups {
            *group = self
                .redactions
                .label(ObjectKind::Group, std::mem::take(group));
        }
        about
    }
}
