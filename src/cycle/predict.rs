//! What the target would refuse of a plan, for its report. A cycle sends it anyway: what a target reports of
//! itself is not always so.

use super::{Context, Error, capabilities};
use crate::config::Booleans;
use crate::engine::mapping::searched;
use crate::engine::model::{MatchKey, Value};
use crate::engine::plan::Action;
use crate::engine::predict::{Predictor, Problem, Refusal, Unique};
use crate::store::{Refused, RowsOf};

/// Rows that are read at once.
const CHUNK: usize = 500;
/// Values that are looked up in the target at most: each is a request.
const LOOKED_UP: usize = 200;

/// The actions that would be refused, in the order of execution.
pub(super) async fn refusals(context: &Context<'_>, cycle: i64) -> Result<Vec<Refusal>, Error> {
    let job = context.job.rules.name.clone();
    let known = capabilities::capabilities(&context.agent.store, &job)?;
    let before = context
        .state(move |store| store.refused_before(&job))
        .await?;
    let as_text = context.job.target.dialect.knobs.form().booleans == Booleans::Text;
    let mut predictor = Predictor::new(&known, as_text);
    let mut refusals = Vec::new();
    let mut left = LOOKED_UP;
    let mut after = None;
    loop {
        let rows = context
            .state(move |store| store.rows(cycle, RowsOf::Cleared, after, CHUNK))
            .await?;
        let Some((last, _)) = rows.last() else {
            return Ok(refusals);
        };
        after = Some(*last);
        for (_, row) in &rows {
            let problems = judge(context, &mut predictor, &before, &row.action, &mut left).await?;
            refusals.extend(problems.into_iter().map(|problem| Refusal {
                subject: row.action.subject.clone(),
                target: row.action.target.clone(),
                action: row.action.as_str(),
                problem,
            }));
        }
    }
}

async fn judge(
    context: &Context<'_>,
    predictor: &mut Predictor<'_>,
    before: &Refused,
    action: &Action,
    left: &mut usize,
) -> Result<Vec<Problem>, Error> {
    let before = before.get(&(action.subject.key, action.as_str()));
    let (mut problems, unique) = predictor.judge(action, before);
    if problems.is_empty() {
        for one in unique {
            if *left == 0 {
                break;
            }
            *left -= 1;
            problems.extend(taken(context, action, one).await?);
        }
    }
    Ok(problems)
}

/// Whether another object of the target has a value that may be there once.
async fn taken(
    context: &Context<'_>,
    action: &Action,
    unique: Unique,
) -> Result<Option<Problem>, Error> {
    let kind = action.subject.kind;
    let Unique { path, value } = unique;
    if !context.reader.can_filter(kind, &path) {
        return Ok(None);
    }
    let mappings = &context.job.rules.rules(kind).mappings;
    let wanted = searched(mappings, &path, value.clone());
    let is_wanted =
        |shown: &Value| wanted.is_some() && searched(mappings, &path, shown.clone()) == wanted;
    let key = MatchKey {
        path: path.clone(),
        value,
    };
    let found = context.reader.find(kind, &key, is_wanted, &[]).await;
    let Ok(found) = found else {
        // What is not known is not predicted.
        return Ok(None);
    };
    let others = found.into_iter().map(|object| object.id);
    let mut others = others.filter(|id| action.target.as_ref() != Some(id));
    Ok(others.next().map(|by| Problem::Taken { path, by }))
}
