//! Takes the values out of their sections, and reports what is missing or of the wrong type.

use std::rc::Rc;

use figment::value::Value;

use super::{
    Application, Clause, Exception, File, FilterGroup, Flow, Job, JobNotify, Mail, Mapping, Notify,
    Preset, Provision, Proxy, Reports, Rules, Safety, Schedule, Scope, Source, State, Target, Tls,
    Web, Webhook,
};
use crate::config::document::Document;
use crate::config::keys::{
    APPLICATION, FLOWS, MAPPING, PRESET_SECTIONS, PRESET_TOP, SECTIONS, Section, TOP,
    WHICH_APPLICATION,
};
use crate::config::problem::Log;
use crate::config::reader::{Table, Typed, whole, wrong};
use crate::engine::job::Limit;

impl File {
    pub(in crate::config) fn read(document: &Rc<Document>, log: &mut Log) -> Self {
        let top = Table::root(document, &TOP);
        top.check_keys(SECTIONS, log);
        let jobs = top.tables("jobs", log);
        if jobs.as_ref().is_some_and(Vec::is_empty) || !top.has("jobs") {
            let place = top.place.name("jobs");
            log.problem(place.problem("no job is configured", "add a section [[jobs]]"));
        }
        Self {
            state: State::read(&top, log),
            sources: Source::read_all(&top, log),
            schedule: Schedule::read(&top, log),
            web: Web::read(&top, log),
            reports: Reports::read(&top, log),
            notify: Notify::read(&top, log),
            jobs: jobs
                .unwrap_or_default()
                .iter()
                .map(|job| Job::read(job, log))
                .collect(),
        }
    }
}

impl File {
    /// The sources alone.
    pub(in crate::config) fn read_sources(document: &Rc<Document>, log: &mut Log) -> Vec<Source> {
        Source::read_all(&Table::root(document, &TOP), log)
    }
}

impl State {
    fn read(top: &Table, log: &mut Log) -> Self {
        let table = top.table_or_empty("state", log);
        table.check_keys(SECTIONS, log);
        Self {
            path: table.text("path", log),
            key: table.secret("key", log),
            keep_log: table.text("keep_log", log),
            keep_log_rows: table.integer("keep_log_rows", log),
            url: table.text("url", log),
            password: table.secret("password", log),
            client_certificate: Tls::read(&table, "client_certificate", log),
            ca_certificate: table.text("ca_certificate", log),
            schema: table.text("schema", log),
            lease: table.text("lease", log),
        }
    }
}

impl Tls {
    fn read(table: &Table, key: &str, log: &mut Log) -> Option<Self> {
        let tls = table.table(key, log)?;
        tls.check_keys(SECTIONS, log);
        let mut part = |key: &str| {
            tls.is_missing(key, log);
            tls.secret(key, log)
        };
        Some(Self {
            certificate: part("certificate"),
            private_key: part("private_key"),
        })
    }
}

impl Reports {
    fn read(top: &Table, log: &mut Log) -> Option<Self> {
        let table = top.table("reports", log)?;
        table.check_keys(SECTIONS, log);
        Some(Self {
            folder: table.required_text("folder", log),
            formats: table.texts("formats", log),
            keep: table.text("keep", log),
        })
    }
}

impl Web {
    fn read(top: &Table, log: &mut Log) -> Option<Self> {
        let table = top.table("web", log)?;
        table.check_keys(SECTIONS, log);
        Some(Self {
            listen: table.required_text("listen", log),
            token: table.secret("token", log),
            open_on_loopback: table.boolean("open_on_loopback", log),
            hosts: table.texts("hosts", log),
            tls: Tls::read(&table, "tls", log),
            client_ca: table.text("client_ca", log),
            proxy: table.table("proxy", log).map(|proxy| {
                proxy.check_keys(SECTIONS, log);
                Proxy {
                    header: proxy.required_text("header", log),
                    secret: proxy.secret("secret", log),
                    place: proxy.place,
                }
            }),
            place: table.place,
        })
    }
}

impl Notify {
    fn read(top: &Table, log: &mut Log) -> Option<Self> {
        let table = top.table("notify", log)?;
        table.check_keys(SECTIONS, log);
        let webhooks = table.tables("webhooks", log).unwrap_or_default();
        Some(Self {
            mail: table.table("mail", log).map(|mail| Mail::read(mail, log)),
            webhooks: webhooks
                .iter()
                .map(|webhook| Webhook::read(webhook, log))
                .collect(),
            heartbeat: table.secret("heartbeat", log),
            place: table.place,
        })
    }
}

impl Mail {
    fn read(table: Table, log: &mut Log) -> Self {
        table.check_keys(SECTIONS, log);
        table.is_missing("to", log);
        Self {
            server: table.required_text("server", log),
            port: table.integer("port", log),
            encryption: table.text("encryption", log),
            user: table.text("user", log),
            password: table.secret("password", log),
            from: table.required_text("from", log),
            to: table.texts("to", log),
            ca_certificate: table.text("ca_certificate", log),
            place: table.place,
        }
    }
}

impl Webhook {
    fn read(table: &Table, log: &mut Log) -> Self {
        table.check_keys(SECTIONS, log);
        table.is_missing("url", log);
        Self {
            name: table.required_text("name", log),
            url: table.secret("url", log),
            form: table.text("form", log),
            token: table.secret("token", log),
        }
    }
}

impl JobNotify {
    fn read(job: &Table, log: &mut Log) -> Self {
        let table = job.table_or_empty("notify", log);
        table.check_keys(SECTIONS, log);
        Self {
            to: table.texts("to", log),
            webhooks: table.texts("webhooks", log),
            heartbeat: table.secret("heartbeat", log),
        }
    }
}

impl Schedule {
    fn read(parent: &Table, log: &mut Log) -> Self {
        let table = parent
            .table_or_empty("schedule", log)
            .prefer_overriding(&["interval", "cron"]);
        table.check_keys(SECTIONS, log);
        if table.has("interval") && table.has("cron") {
            log.problem(
                table
                    .place
                    .name("cron")
                    .key_problem("interval and cron are both set", "remove one of them"),
            );
        }
        Self {
            interval: table.text("interval", log),
            cron: table.text("cron", log),
            timezone: table.text("timezone", log),
            jitter: table.text("jitter", log),
            verify: table.text("verify", log),
            leavers: table.text("leavers", log),
            retries: table.text("retries", log),
        }
    }
}

impl Job {
    fn read(table: &Table, log: &mut Log) -> Self {
        table.check_keys(SECTIONS, log);
        let target = table.table("target", log);
        table.is_missing("target", log);
        let is_missing = target.is_none();
        let target = target.unwrap_or_else(|| table.table_or_empty("target", &mut Log::default()));
        target.check_keys(SECTIONS, log);
        Self {
            name: table.required_text("name", log),
            enabled: table.boolean("enabled", log),
            mode: table.text("mode", log),
            preset: table.text("preset", log),
            sources: table.texts("sources", log),
            application: Application::read(table, log),
            target: Target::read(&target, is_missing, log),
            scope: Scope::read(table, SECTIONS, log),
            users: Rules::read(table, "users", SECTIONS, log),
            groups: Rules::read(table, "groups", SECTIONS, log),
            safety: Safety::read(table, log),
            schedule: Schedule::read(table, log),
            notify: JobNotify::read(table, log),
            place: table.place.clone(),
        }
    }
}

impl Safety {
    fn read(job: &Table, log: &mut Log) -> Self {
        let table = job.table_or_empty("safety", log);
        table.check_keys(SECTIONS, log);
        let groups = table.table_or_empty("min_members", log);
        let mut min_members = Vec::new();
        for name in groups.names() {
            let least = groups.integer_of(&name, 0, log);
            min_members.extend(least.map(|least| (name, least)));
        }
        Self {
            max_deletions: read_limit(&table, "max_deletions", log),
            max_membership_removals: read_limit(&table, "max_membership_removals", log),
            on_drift: table.text("on_drift", log),
            deletes: table.text("deletes", log),
            max_creations: table.integer("max_creations", log),
            min_active: table.integer("min_active", log),
            min_members,
            never_disable: table.texts("never_disable", log),
            only_created: table.boolean("only_created", log),
        }
    }
}

impl Application {
    fn read(job: &Table, log: &mut Log) -> Option<Self> {
        if job.is_missing("application", log) {
            return None;
        }
        let keys: Vec<_> = APPLICATION.names().collect();
        let table = job.table("application", log)?.prefer_overriding(&keys);
        table.check_keys(SECTIONS, log);
        let given: Vec<_> = keys.iter().filter(|key| table.has(key)).collect();
        match given.as_slice() {
            [key] => {
                let text = table.required_text(key, log)?;
                Some(match **key {
                    "app_id" => Self::AppId(text),
                    "service_principal_id" => Self::ServicePrincipalId(text),
                    _ => Self::DisplayName(text),
                })
            }
            [] => {
                log.problem(
                    table
                        .place
                        .problem("the application is missing", WHICH_APPLICATION),
                );
                None
            }
            [_, ..] => {
                log.problem(table.place.problem(
                    "only one of app_id, service_principal_id and display_name can be set",
                    "keep one of them",
                ));
                None
            }
        }
    }
}

impl Scope {
    fn read(parent: &Table, all: &[&Section], log: &mut Log) -> Self {
        let table = parent.table_or_empty("scope", log);
        table.check_keys(all, log);
        Self {
            mode: table.text("mode", log),
            nested_groups: table.boolean("nested_groups", log),
            groups: table.texts("groups", log),
            administrative_units: table.texts("administrative_units", log),
            exclude: table.texts("exclude", log),
            exclude_default_access: table.boolean("exclude_default_access", log),
            place: table.place,
        }
    }
}

impl Rules {
    fn read(parent: &Table, key: &str, all: &[&Section], log: &mut Log) -> Self {
        let table = parent.table_or_empty(key, log);
        table.check_keys(all, log);
        let filters = table.tables("filters", log);
        let mappings = table.tables("mappings", log).unwrap_or_default();
        let exceptions = table.tables("exceptions", log).unwrap_or_default();
        Self {
            enabled: table.boolean("enabled", log),
            actions: table.texts("actions", log),
            when_out_of_scope: table.text("when_out_of_scope", log),
            exceptions: exceptions
                .iter()
                .map(|exception| Exception::read(exception, log))
                .collect(),
            create_blocked: table.boolean("create_blocked", log),
            delete_after: table.text("delete_after", log),
            filters: filters.map(|groups| {
                groups
                    .iter()
                    .map(|group| FilterGroup::read(group, log))
                    .collect()
            }),
            mappings: mappings
                .iter()
                .map(|mapping| Mapping::read(mapping, log))
                .collect(),
            provision: Provision::read(&table, log),
            one_group_each: table.boolean("one_group_each", log),
            nested_members: table.boolean("nested_members", log),
            warning: table.text("warning", &mut Log::default()),
            place: table.place,
        }
    }
}

impl Exception {
    fn read(table: &Table, log: &mut Log) -> Self {
        table.check_keys(&[], log);
        Self {
            group: table.required_text("group", log),
            when_out_of_scope: table.required_text("when_out_of_scope", log),
        }
    }
}

impl Provision {
    fn read(table: &Table, log: &mut Log) -> Option<Self> {
        let Typed { value, place } = table.any("provision")?;
        match &value {
            Value::String(..) => table.text("provision", log).map(Self::Word),
            Value::Array(..) => table.texts("provision", log).map(Self::Named),
            other => {
                let remedy = "write \"in-scope\", or a list of ids and display names";
                wrong(&place, "a word or a list of texts", other, remedy, log)
            }
        }
    }
}

impl FilterGroup {
    fn read(table: &Table, log: &mut Log) -> Self {
        table.check_keys(&[], log);
        let all = table.tables("all", log);
        if all.as_ref().is_some_and(Vec::is_empty) || !table.has("all") {
            log.problem(table.place.problem(
                "the group has no clause, so everything passes",
                "add all = [ { attribute = \"…\", operator = \"…\", value = \"…\" } ], or remove \
                 the group",
            ));
        }
        Self {
            name: table.text("name", log),
            all: all
                .unwrap_or_default()
                .iter()
                .map(|clause| Clause::read(clause, log))
                .collect(),
        }
    }
}

impl Clause {
    fn read(table: &Table, log: &mut Log) -> Self {
        table.check_keys(&[], log);
        let value = table.any("value").and_then(|Typed { value, place }| {
            // A number or a Boolean is compared as the text that it is.
            let text = match &value {
                _ if place.overriding_text().is_some() => {
                    place.overriding_text().map(str::to_owned)
                }
                Value::String(_, text) => Some(text.clone()),
                Value::Bool(_, true) => Some("True".to_owned()),
                Value::Bool(_, false) => Some("False".to_owned()),
                number => whole(number).map(|number| number.to_string()),
            };
            match text {
                Some(value) => Some(Typed { value, place }),
                None => wrong(&place, "text", &value, "write it in quotes", log),
            }
        });
        Self {
            attribute: table.required_text("attribute", log),
            operator: table.required_text("operator", log),
            value,
            full: table.boolean("full", log),
        }
    }
}

impl Mapping {
    fn read(table: &Table, log: &mut Log) -> Self {
        table.check_keys(&[], log);
        Self {
            target: table.required_text("target", log),
            flow: Flow::read(table, log),
            default: table.any("default"),
            matching: table.integer("match", log),
            apply: table.text("apply", log),
            on_empty: table.text("on_empty", log),
            target_type: table.text("type", log),
            multi_valued: table.boolean("multi_valued", log),
            required: table.boolean("required", log),
            case_exact: table.boolean("case_exact", log),
            on_drift: table.text("on_drift", log),
            place: table.place.clone(),
        }
    }
}

impl Flow {
    fn read(table: &Table, log: &mut Log) -> Option<Self> {
        // A flag that says no is as good as none.
        let off = |key: &str, log: &mut Log| table.boolean(key, log).is_some_and(|is| !is.value);
        let (no_none, no_remove) = (off("none", log), off("remove", log));
        let given: Vec<_> = FLOWS
            .iter()
            .copied()
            .filter(|key| table.has(key))
            .filter(|key| !(*key == "none" && no_none || *key == "remove" && no_remove))
            .collect();
        let place = &table.place;
        match given.as_slice() {
            ["source"] => Some(Self::Attribute(table.required_text("source", log)?)),
            ["expression"] => Some(Self::Expression(table.required_text("expression", log)?)),
            ["constant"] => table.any("constant").map(Self::Constant),
            ["none"] => Some(Self::None),
            ["remove"] => {
                let extra = MAPPING.names().filter(|key| table.has(key));
                let extra: Vec<_> = extra
                    .filter(|key| !["target", "remove", "none"].contains(key))
                    .collect();
                if !extra.is_empty() {
                    log.problem(place.name("remove").key_problem(
                        format!("remove is set together with {}", extra.join(", ")),
                        "keep target and remove only, or leave remove out",
                    ));
                }
                Some(Self::Removed)
            }
            [] => {
                log.problem(place.problem(
                    "the mapping has no source",
                    "add one of source, expression, constant and none = true; or remove = true to \
                     remove the preset's mapping",
                ));
                None
            }
            [first, ..] => {
                log.problem(place.name(first).key_problem(
                    format!("{} are set together", given.join(" and ")),
                    "keep one of them",
                ));
                None
            }
        }
    }
}

impl Preset {
    pub(in crate::config) fn read(document: &Rc<Document>, log: &mut Log) -> Self {
        let top = Table::root(document, &PRESET_TOP);
        top.check_keys(PRESET_SECTIONS, log);
        let target = top.table_or_empty("target", log);
        target.check_keys(PRESET_SECTIONS, log);
        Self {
            title: top.text("title", log),
            target: Target::read(&target, true, log),
            scope: Scope::read(&top, PRESET_SECTIONS, log),
            users: Rules::read(&top, "users", PRESET_SECTIONS, log),
            groups: Rules::read(&top, "groups", PRESET_SECTIONS, log),
        }
    }
}

fn read_limit(safety: &Table, key: &str, log: &mut Log) -> Option<Typed<Limit>> {
    let Typed { value, place } = safety.any(key)?;
    let remedy = "write a number such as 500, or a percentage such as \"10%\"";
    let limit = match &value {
        Value::Num(..) => {
            let Some(count) = whole(&value).and_then(|count| u64::try_from(count).ok()) else {
                log.problem(place.problem("this is not a whole number of objects", remedy));
                return None;
            };
            Limit::Count(count)
        }
        Value::String(_, text) => {
            let percent = text
                .trim()
                .strip_suffix('%')
                .map(|text| text.trim().parse::<u8>());
            match percent {
                Some(Ok(percent)) if percent <= 100 => Limit::Percent(percent),
                Some(_) => {
                    let message = format!("{text:?} is not a whole percentage from 0% to 100%");
                    log.problem(place.problem(message, remedy));
                    return None;
                }
                None => {
                    let message = format!("{text:?} is neither a number nor a percentage");
                    log.problem(place.problem(message, remedy));
                    return None;
                }
            }
        }
        other => return wrong(&place, "a number or a percentage", other, remedy, log),
    };
    Some(Typed {
        value: limit,
        place,
    })
}
