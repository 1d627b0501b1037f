//! `entrain eval`: tries a mapping expression on one user, or a whole file of cases. No network, and
//! no configuration unless the user is to come from the state.

mod cases;
mod input;
mod world;

use std::io::Write as _;
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::args;
use super::exit::Exit;
use super::load;
use super::output::Output;
use super::usage::Usage;
use crate::engine::expr::{Error, Expression};
use crate::engine::model::{AppRole, ObjectKind, Presence, source};
use crate::report::eval::{self as report, EvalView, InputView};
use crate::scheduler;
use crate::store::Store;
use cases::Cases;
use input::{Object, WireRole};
use world::{Seed, World, compile};

/// What stands in the way of an evaluation, and the exit code that it means.
struct Obstacle {
    view: InputView,
    exit: Exit,
}

impl From<InputView> for Obstacle {
    /// A file that cannot be read was named wrongly or written wrongly.
    fn from(view: InputView) -> Self {
        Self {
            view,
            exit: Exit::Usage,
        }
    }
}

impl From<anyhow::Error> for Obstacle {
    fn from(error: anyhow::Error) -> Self {
        let exit = if error.is::<Usage>() {
            Exit::Usage
        } else {
            Exit::Failed
        };
        let view = InputView {
            message: format!("{error:#}"),
            file: None,
            line: None,
            column: None,
        };
        Self { view, exit }
    }
}

pub(super) fn eval(output: Output, file: Option<&Path>, args: &args::Eval) -> anyhow::Result<Exit> {
    let done = match &args.cases {
        Some(cases) => run_cases(output, cases, args),
        None => run_one(output, file, args),
    };
    match done? {
        Ok(exit) => Ok(exit),
        Err(Obstacle { view, exit }) => {
            output.message(&report::input_text(&view));
            if output.is_json() {
                let mut out = output.results();
                report::input_json(&mut out, &view)?;
                out.flush()?;
            }
            Ok(exit)
        }
    }
}

/// The outer error is one of writing the result.
type Done = anyhow::Result<Result<Exit, Obstacle>>;

fn run_cases(output: Output, file: &Path, args: &args::Eval) -> Done {
    let cases = match Cases::read(file) {
        Ok(cases) => cases,
        Err(view) => return Ok(Err(view.into())),
    };
    let now = args.now.unwrap_or_else(scheduler::now);
    let view = cases.run(now, args.default_domain.as_deref());
    let mut out = output.results();
    if output.is_json() {
        report::cases_json(&mut out, &view)?;
    } else {
        report::cases_text(&mut out, &view)?;
    }
    out.flush()?;
    Ok(Ok(if view.differences.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    }))
}

fn run_one(output: Output, file: Option<&Path>, args: &args::Eval) -> Done {
    let Given {
        text,
        object,
        roles,
        default_domain,
    } = match given(output, file, args) {
        Ok(given) => given,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    let world = World {
        object: &object,
        roles: roles.as_deref().unwrap_or_default(),
        existing: &args.existing,
        default_domain: args.default_domain.as_deref().or(default_domain.as_deref()),
        now: args.now.unwrap_or_else(scheduler::now),
    };
    let (view, exit) = match compile(&text, &object) {
        // It was typed wrongly: wrong usage, as with any other argument.
        Err(error) => (failed(&text, error), Exit::Usage),
        Ok(expression) => {
            warn(output, &expression, &object);
            if args.user.is_some() {
                tell_unread(output, &expression, &object);
            }
            if expression.reads_roles() && args.user.is_some() && roles.is_none() {
                output.message(report::ROLES_UNKNOWN);
            }
            let view = evaluated(&text, &expression, &world, args.explain);
            let exit = match &view.outcome {
                Ok(_) => Exit::Done,
                Err(_) => Exit::Failed,
            };
            (view, exit)
        }
    };
    let mut out = output.results();
    if output.is_json() {
        report::json(&mut out, &view)?;
    } else {
        report::text(&mut out, &view)?;
    }
    out.flush()?;
    if let Err(error) = &view.outcome {
        output.message(&report::failure(error, &text));
    }
    Ok(Ok(exit))
}

fn failed(text: &str, error: Error) -> EvalView<'_> {
    EvalView {
        text,
        outcome: Err(error),
        steps: None,
    }
}

fn evaluated<'a>(
    text: &'a str,
    expression: &Expression,
    world: &World<'_>,
    explain: bool,
) -> EvalView<'a> {
    let steps = explain.then(|| world.with(Seed::Random, |input| expression.explain(input)));
    // A second evaluation would have another clock and other random bits than the steps show.
    let whole = steps.as_ref().and_then(|steps| steps.first());
    let outcome = whole.and_then(|whole| whole.outcome.clone());
    EvalView {
        text,
        outcome: outcome
            .unwrap_or_else(|| world.with(Seed::Random, |input| expression.evaluate(input))),
        steps,
    }
}

/// What was asked for, read.
struct Given {
    text: String,
    object: Object,
    /// `None` when it was not given.
    roles: Option<Vec<AppRole>>,
    /// What the state knows of it, when the user came from there.
    default_domain: Option<String>,
}

fn given(output: Output, file: Option<&Path>, args: &args::Eval) -> Result<Given, Obstacle> {
    let text = match (&args.expression, &args.expression_file) {
        (Some(text), _) if text == "-" => input::read_text(Path::new("-"))?,
        (Some(text), _) => text.clone(),
        (None, Some(file)) => input::read_text(file)?,
        // The arguments see to it that one of them is there.
        (None, None) => String::new(),
    };
    let (object, default_domain) = match (&args.object, &args.user) {
        (Some(file), _) => {
            let members: Map<String, Json> = input::read_json(file)?;
            (Object::from_json(&members), None)
        }
        (None, Some(user)) => from_state(output, file, user)?,
        (None, None) => (Object::from_json(&Map::new()), None),
    };
    let roles = match &args.roles {
        Some(file) => {
            let roles: Vec<WireRole> = input::read_json(file)?;
            Some(roles.into_iter().map(AppRole::from).collect())
        }
        None => None,
    };
    Ok(Given {
        text,
        object,
        roles,
        default_domain,
    })
}

/// A user as the state knows them; those that are present come first. With the tenant's default
/// domain, where a cycle had to know it.
fn from_state(
    output: Output,
    file: Option<&Path>,
    user: &str,
) -> anyhow::Result<(Object, Option<String>)> {
    let config = load::config(output, file)?;
    let store = Store::open_read_only(&config.state)?;
    let mut found = store.find(ObjectKind::User, user)?.into_iter();
    match (found.next(), found.next()) {
        (Some(_), Some(other)) if other.presence == Presence::Present => {
            anyhow::bail!("several users are named {user}; give the object id of one")
        }
        (Some(object), _) => {
            let domain = store.default_domain(None, object.source)?;
            Ok((Object::from_state(object), domain))
        }
        (None, _) => anyhow::bail!(
            "the state has no user {user}; give a principal name or an object id (the state contains \
             only objects that a cycle has read)"
        ),
    }
}

/// Remarks on what the state may lack only because no job reads it: null does not mean empty then.
fn tell_unread(output: Output, expression: &Expression, object: &Object) {
    let unread = expression.attributes().into_iter();
    let unread: Vec<_> = unread.filter(|name| object.may_be_unread(name)).collect();
    if !unread.is_empty() {
        output.message(&report::not_in_the_state(&unread));
    }
}

/// Prints names in another case, and attributes that no configuration may read, which are most often
/// mistyped.
fn warn(output: Output, expression: &Expression, object: &Object) {
    for place in expression.respelled() {
        output.message(&report::other_case(place, expression.text()));
    }
    let names: Vec<_> = source::names(ObjectKind::User).collect();
    if let Some(error) = expression.unknown_attribute(|name| object.knows(name), &names) {
        output.message(&report::unknown_attribute(&error, expression.text()));
    }
}
