//! The values of a job: what was sent of each object, and what is about to be.

use std::collections::BTreeMap;

use rusqlite::params;

use super::super::codec::unpack_sent;
use super::super::state::State;
use super::super::{Error, Store};
use super::body;
use crate::engine::model::{JobName, ObjectKind, TargetPath, Value};
use crate::engine::plan::{Change, Operation, WriteMode};

impl Store {
    /// Passes on every value that the job has in the target or in a row that is not at its end.
    pub(crate) fn each_value(
        &self,
        job: &JobName,
        mut each: impl FnMut(ObjectKind, &TargetPath, &Value),
    ) -> Result<(), Error> {
        self.read("read what was sent", |state| {
            let job = state.job_or_none(job)?;
            each_sent(state, job, &mut each)?;
            each_planned(state, job, &mut each)
        })
    }
}

type Each<'e> = &'e mut dyn FnMut(ObjectKind, &TargetPath, &Value);

fn each_sent(state: &State, job: i64, each: Each<'_>) -> rusqlite::Result<()> {
    let mut statement = state.prepare_cached("SELECT kind, sent FROM links WHERE job = ?1")?;
    let mut rows = statement.query(params![job])?;
    while let Some(row) = rows.next()? {
        let kind = row.get(0)?;
        for (path, value) in &unpack_sent(state, row.get_ref(1)?.as_blob()?)? {
            each(kind, path, value);
        }
    }
    Ok(())
}

fn each_planned(state: &State, job: i64, each: Each<'_>) -> rusqlite::Result<()> {
    let mut statement = state.prepare_cached(
        "SELECT o.kind, a.operation, a.body FROM actions a CROSS JOIN objects o ON o.key = a.source
         WHERE a.job = ?1 AND a.state <= 4",
    )?;
    let mut rows = statement.query(params![job])?;
    while let Some(row) = rows.next()? {
        let kind = row.get(0)?;
        let operation = body::unpack_operation(state, row.get(1)?, row.get_ref(2)?.as_blob()?)?;
        match &operation {
            Operation::Create {
                attributes, keys, ..
            } => {
                each_of(kind, attributes, each);
                for key in keys {
                    each(kind, &key.path, &key.value);
                }
            }
            Operation::Adopt {
                key,
                current,
                changes,
                ..
            } => {
                each(kind, &key.path, &key.value);
                each_of(kind, &current.values, each);
                each_changed(kind, changes, each);
            }
            Operation::HandOver(hand) => {
                each(kind, &hand.key.path, &hand.key.value);
                each_of(kind, &hand.current, each);
                each_changed(kind, hand.all_changes(), each);
            }
            Operation::Update { changes }
            | Operation::Enable { changes }
            | Operation::Disable { changes, .. } => each_changed(kind, changes, each),
            Operation::Delete { .. }
            | Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. }
            | Operation::SetReference { .. } => {}
        }
    }
    Ok(())
}

fn each_of(kind: ObjectKind, values: &BTreeMap<TargetPath, Value>, each: Each<'_>) {
    for (path, value) in values {
        each(kind, path, value);
    }
}

fn each_changed<'c>(
    kind: ObjectKind,
    changes: impl IntoIterator<Item = &'c Change>,
    each: Each<'_>,
) {
    for change in changes {
        let added = match &change.written {
            WriteMode::Whole | WriteMode::Selected => &[],
            WriteMode::Added(added) => added.as_slice(),
        };
        for value in change.old.iter().chain(&change.new).chain(added) {
            each(kind, &change.path, value);
        }
    }
}
