//! Makes a job of a schema: picks the rules that read Entra (`rules`), one table of mappings for users and
//! one for groups (`mapping`), and asks the configuration's own checks about every mapping. Whatever does
//! not pass becomes a comment with the reason. `metadata` lists what has no place in a configuration, and
//! `about` is what the job says of itself.

mod about;
mod importer;
mod mapping;
mod metadata;
mod rules;

use super::toml::{Draft, Line, Side, quoted, shown};
use super::tree::word;
use super::{Error, Imported, Left, Settings, filters, judge, names, toml, wire};
use crate::config::{Answer, fault};
use crate::engine::model::ObjectKind;
use about::{about, application, default_name};
use importer::Importer;
use metadata::meaningful;
use rules::{Chosen, is_set_aside, no_rule, outbound};

/// Each may be a regular expression, which takes time to refuse.
const MAX_CLAUSES: usize = 500;

/// The job that a schema describes. Named after the target's directory unless `name` says otherwise.
pub(crate) fn import(bytes: &[u8], name: Option<&str>) -> Result<Imported, Error> {
    import_with(bytes, name, Settings::default())
}

/// The same with what is known of the job besides.
pub(crate) fn import_with(
    bytes: &[u8],
    name: Option<&str>,
    settings: Settings,
) -> Result<Imported, Error> {
    let schema = wire::read(bytes)?;
    let name = match name {
        Some(name) => match judge::name(&quoted(name)) {
            Some(why) => {
                let name = name.to_owned();
                return Err(Error::Name { name, why });
            }
            None => name.to_owned(),
        },
        None => default_name(&schema),
    };
    let mut left = Vec::new();
    for other in &schema.others {
        left.push(Left {
            place: "file".to_owned(),
            what: format!("the schema {}", shown(other)),
            why: "a job is made from one schema; save each schema as a separate file".to_owned(),
        });
    }
    let rules = outbound(&schema, &mut left);
    if rules.is_empty() {
        let why = match schema.rules.len() {
            0 => no_rule(&schema),
            _ => format!(
                "none of its rules reads {}, the only supported source",
                names::SOURCE_DIRECTORY
            ),
        };
        return Err(Error::NothingUsable { why, left });
    }
    let mut reader = Importer {
        schema: &schema,
        left,
        untyped: Vec::new(),
    };
    let chosen = reader.choose(&rules);
    let users = reader.side(ObjectKind::User, chosen.0)?;
    let groups = reader.side(ObjectKind::Group, chosen.1)?;
    let left = reader.left;
    let has_mapping = |side: &Side| {
        let mut lines = side.lines.iter();
        lines.any(|line| matches!(line, Line::Mapping(_)))
    };
    if !has_mapping(&users) && !has_mapping(&groups) {
        let why = "it has no mapping of users or groups that can be carried over".to_owned();
        return Err(Error::NothingUsable { why, left });
    }
    let mut left = left;
    let settings = with_usable_address(settings, &mut left);
    let by_id = settings.app_id.as_ref();
    let by_id = by_id.map(|id| format!("{{ app_id = {} }}", quoted(id)));
    let mut imported = toml::write(Draft {
        about: about(&schema),
        application: by_id.or_else(|| application(&schema)),
        settings,
        name,
        users,
        groups,
        left,
    });
    for problem in judge::job(&imported.toml) {
        imported.left.push(Left {
            place: "job".to_owned(),
            what: "the job as a whole".to_owned(),
            why: problem,
        });
    }
    Ok(imported)
}

/// The address without the flags that Entra takes behind a question mark, or none where there is none.
fn with_usable_address(mut settings: Settings, left: &mut Vec<Left>) -> Settings {
    let Some(address) = settings.base_url.take() else {
        return settings;
    };
    let mut leave = |what: &str, why: &str| {
        left.push(Left {
            place: "target".to_owned(),
            what: shown(what),
            why: why.to_owned(),
        });
    };
    let address = match address.split_once('?') {
        Some((address, flags)) => {
            let why = "a target's address has no query; settings in [jobs.target] choose the form of requests";
            leave(flags, why);
            address.to_owned()
        }
        None => address,
    };
    match fault(Answer::Address, &address) {
        None => settings.base_url = Some(address),
        Some(why) => leave(&address, &why),
    }
    settings
}

impl<'s> Importer<'s> {
    fn side(&mut self, kind: ObjectKind, chosen: Option<Chosen<'s>>) -> Result<Side, Error> {
        let mut side = Side {
            kind,
            enabled: false,
            why_disabled: Some(format!("The schema has no mapping of {kind}s.")),
            actions: None,
            filters: Vec::new(),
            why_no_filters: None,
            lines: Vec::new(),
        };
        let Some(Chosen { rule, mapping }) = chosen else {
            return Ok(side);
        };
        side.enabled = mapping.enabled.unwrap_or(true);
        side.why_disabled = None;
        let section = judge::section(kind);
        if side.enabled && is_set_aside(mapping) {
            side.enabled = false;
            let why = "the schema says that this mapping is not processed";
            self.leave(section, "Unsynchronized or Disposition", why);
        }
        for (key, value) in meaningful(&mapping.metadata) {
            let what = format!("{} {}", shown(key), shown(value));
            let why = "entrain has no such setting of users or of groups";
            self.leave(section, what, why);
        }
        self.actions(mapping, &mut side);
        if let Some(filter) = &mapping.scope {
            if filters::count(filter) > MAX_CLAUSES {
                return Err(too_many(MAX_CLAUSES, "clauses"));
            }
            filters::read(filter, &mut side, &mut self.left);
        }
        self.mappings(rule, mapping, &mut side)?;
        Ok(side)
    }

    /// `"Add, Update, Delete"`.
    fn actions(&mut self, mapping: &wire::ObjectMapping, side: &mut Side) {
        let Some(flow_types) = &mapping.flow_types else {
            return;
        };
        let section = judge::section(side.kind);
        let mut actions = Vec::new();
        for action in flow_types.split(',') {
            match word(Some(action)).as_str() {
                "add" | "create" => actions.push("create"),
                "update" => actions.push("update"),
                "delete" => actions.push("delete"),
                "" | "none" => {}
                other => {
                    let what = format!("the action {:?}", shown(other));
                    self.leave(section, what, "the actions are Add, Update and Delete");
                }
            }
        }
        actions.sort_unstable();
        actions.dedup();
        if actions.is_empty() && side.enabled {
            side.enabled = false;
            side.why_disabled =
                Some("Entra's job neither creates, updates nor deletes.".to_owned());
            let what = format!("flowTypes {:?}", shown(flow_types));
            self.leave(
                section,
                what,
                "no action is allowed, so it is written as enabled = false",
            );
        } else if !actions.is_empty() && actions.len() < 3 {
            let order = ["create", "update", "delete"].into_iter();
            let order = order.filter(|action| actions.contains(action));
            side.actions = Some(order.collect());
        }
    }
}

fn too_many(most: usize, what: &str) -> Error {
    Error::Implausible(format!("it has more than {most} {what} of one kind"))
}
