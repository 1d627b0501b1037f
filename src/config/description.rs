//! A job's configuration in words, key by key, as it is kept with its cycles: what is in force, defaults and
//! presets included. Of a secret it says where it is.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::access::{Authentication, OAuth, SignIn};
use super::credential::Certificate;
use super::fingerprint::{hexadecimal_digest, value_text};
use super::settings::{Application, DialectSettings, Job, JobNotify, Schedule, Target};
use crate::engine::configuration::Configuration;
use crate::engine::filter::{ClauseGroup, Filter};
use crate::engine::job::{
    Actions, Exception, GroupObjects, Limit, Limits, Rules, Safety, Scope, ScopeMode,
};
use crate::engine::mapping::{Apply, Mapping, OnEmpty, Source};

impl Job {
    pub(crate) fn configuration(&self) -> Configuration {
        let Self {
            rules,
            enabled,
            observes,
            sources,
            application,
            target,
            schedule,
            verify,
            notify,
            fingerprint: _,
        } = self;
        let mut words = Words::default();
        words.put("enabled", enabled);
        words.put("mode", if *observes { "observe" } else { "provision" });
        if sources.iter().any(|name| !name.is_empty()) {
            words.put_list("sources", sources);
        }
        let (how, who) = match application {
            Application::AppId(id) => ("app_id", id),
            Application::ServicePrincipalId(id) => ("service_principal_id", id),
            Application::DisplayName(name) => ("display_name", name),
        };
        words.put(format!("application.{how}"), who);
        words.target(target);
        words.schedule(schedule);
        words.put_some("schedule.verify", verify.map(length));
        words.notify(notify);
        words.scope(&rules.scope);
        words.rules("users", &rules.users);
        words.rules("groups", &rules.groups);
        words.put("groups.one_group_each", rules.one_group_each);
        words.put("groups.nested_members", rules.nested_members);
        words.limits(&rules.limits);
        words.safety(&rules.safety);
        let entries = words.0;
        let mut text = String::new();
        for (key, value) in &entries {
            let _ = writeln!(text, "{key:?} {value:?}");
        }
        Configuration {
            digest: hexadecimal_digest(&text),
            entries,
        }
    }
}

#[derive(Default)]
struct Words(BTreeMap<String, String>);

impl Words {
    fn put(&mut self, key: impl Into<String>, value: impl Display) {
        self.0.insert(key.into(), value.to_string());
    }

    fn put_some(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn put_list(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            self.put(key, values.join(", "));
        }
    }

    fn target(&mut self, target: &Target) {
        let Target {
            base_url,
            access,
            proxy,
            concurrency,
            requests_per_second,
            timeout,
            visibility_delay,
            ca_certificate,
            dialect,
        } = target;
        self.put("target.base_url", base_url);
        match &access.sign_in {
            SignIn::Token(_) | SignIn::Headers => {}
            SignIn::Basic { user, passwords: _ } => self.put("target.basic.user", user),
            SignIn::OAuth(OAuth {
                token_url,
                client_id,
                secrets: _,
                scope,
                audience,
                authentication,
            }) => {
                self.put("target.oauth.token_url", token_url);
                self.put("target.oauth.client_id", client_id);
                self.put_some("target.oauth.scope", scope.as_ref());
                self.put_some("target.oauth.audience", audience.as_ref());
                let mut words = Authentication::WORDS.iter();
                let word = words.find(|(_, one)| Some(*one) == *authentication);
                self.put_some("target.oauth.authentication", word.map(|(word, _)| *word));
            }
            SignIn::Entra { scope } => self.put("target.entra.scope", scope),
        }
        if let Some(certificate) = &access.client_certificate {
            let place = match certificate {
                Certificate::Pem { certificate, .. } => certificate,
                Certificate::Pkcs12 { file, .. } => file,
            };
            self.put("target.client_certificate", place);
        }
        for (key, one) in access.keyed() {
            self.put(format!("target.{key}"), &one.secret);
        }
        self.put_some("target.proxy", proxy.as_ref());
        self.put("target.concurrency", concurrency);
        self.put_some("target.requests_per_second", *requests_per_second);
        self.put("target.timeout", length(*timeout));
        self.put("target.visibility_delay", length(*visibility_delay));
        let certificate = ca_certificate.as_ref().map(|path| path.display());
        self.put_some("target.ca_certificate", certificate);
        let DialectSettings {
            filterable,
            member_chunk,
            page_size,
            knobs,
        } = dialect;
        let lists = [("users", &filterable.users), ("groups", &filterable.groups)];
        for (kind, names) in lists {
            if let Some(names) = names {
                self.put(format!("target.filterable.{kind}"), names.join(", "));
            }
        }
        self.put("target.member_chunk", member_chunk);
        self.put_some("target.page_size", *page_size);
        for (knob, word) in knobs.words() {
            self.put(format!("target.{knob}"), word);
        }
    }

    fn schedule(&mut self, schedule: &Schedule) {
        let jitter = match schedule {
            Schedule::Interval { every, jitter } => {
                self.put("schedule.interval", length(*every));
                jitter
            }
            Schedule::Cron {
                expression,
                timezone,
                jitter,
            } => {
                self.put("schedule.cron", expression);
                self.put("schedule.timezone", timezone);
                jitter
            }
        };
        if !jitter.is_zero() {
            self.put("schedule.jitter", length(*jitter));
        }
    }

    fn notify(&mut self, notify: &JobNotify) {
        let JobNotify {
            to,
            webhooks,
            heartbeat,
        } = notify;
        let to = to.as_ref().map(|to| {
            let to = to.iter().map(ToString::to_string);
            to.collect::<Vec<_>>().join(", ")
        });
        self.put_some("notify.to", to);
        let webhooks = webhooks.as_ref().map(|names| names.join(", "));
        self.put_some("notify.webhooks", webhooks);
        self.put_some("notify.heartbeat", heartbeat.as_ref());
    }

    fn scope(&mut self, scope: &Scope) {
        let Scope {
            mode,
            nested_groups,
            exclude,
            exclude_default_access,
            group_objects,
        } = scope;
        let (mode, names) = match mode {
            ScopeMode::Assigned => ("assigned", None),
            ScopeMode::All => ("all", None),
            ScopeMode::Groups(groups) => ("groups", Some(("scope.groups", groups))),
            ScopeMode::AdministrativeUnits(units) => (
                "administrative_unit",
                Some(("scope.administrative_units", units)),
            ),
        };
        self.put("scope.mode", mode);
        if let Some((key, names)) = names {
            self.put_list(key, names);
        }
        self.put("scope.nested_groups", nested_groups);
        self.put_list("scope.exclude", exclude);
        self.put("scope.exclude_default_access", exclude_default_access);
        if let GroupObjects::Named(groups) = group_objects {
            self.put("groups.provision", groups.join(", "));
        }
    }

    fn rules(&mut self, kind: &str, rules: &Rules) {
        let Rules {
            enabled,
            actions,
            when_out_of_scope,
            exceptions,
            create_blocked,
            delete_after,
            filter,
            mappings,
        } = rules;
        self.put(format!("{kind}.enabled"), enabled);
        let Actions {
            create,
            update,
            delete,
        } = *actions;
        let actions = [("create", create), ("update", update), ("delete", delete)];
        let actions = actions.into_iter().filter(|(_, is_on)| *is_on);
        let actions: Vec<&str> = actions.map(|(word, _)| word).collect();
        self.put(format!("{kind}.actions"), actions.join(", "));
        let when = when_out_of_scope.as_str();
        self.put(format!("{kind}.when_out_of_scope"), when);
        for exception in exceptions {
            let Exception {
                group,
                when_out_of_scope: when,
            } = exception;
            self.put(format!("{kind}.exceptions.{group}"), when.as_str());
        }
        self.put_some(
            &format!("{kind}.create_blocked"),
            create_blocked.then_some(true),
        );
        self.put_some(&format!("{kind}.delete_after"), delete_after.map(length));
        let Filter { groups } = filter;
        for (place, ClauseGroup { name, clauses }) in groups.iter().enumerate() {
            let clauses = clauses.iter().map(ToString::to_string);
            let clauses = clauses.collect::<Vec<_>>().join(" and ");
            let place = (place + 1).to_string();
            let name = name.as_ref().unwrap_or(&place);
            self.put(format!("{kind}.filters.{name}"), clauses);
        }
        for mapping in mappings {
            let key = format!("{kind}.mappings.{}", mapping.target);
            self.put(key, mapping_words(mapping));
        }
    }

    fn limits(&mut self, limits: &Limits) {
        let Limits {
            max_deletions,
            max_membership_removals,
            max_creations,
            min_active,
        } = limits;
        let limit = |limit: Limit| match limit {
            Limit::Count(count) => count.to_string(),
            Limit::Percent(share) => format!("{share}%"),
        };
        self.put_some("safety.max_deletions", max_deletions.map(limit));
        self.put_some(
            "safety.max_membership_removals",
            max_membership_removals.map(limit),
        );
        self.put_some("safety.max_creations", *max_creations);
        self.put_some("safety.min_active", *min_active);
    }

    fn safety(&mut self, safety: &Safety) {
        let Safety {
            on_drift,
            never_disable,
            only_created,
            min_members,
            deletes,
        } = safety;
        self.put("safety.on_drift", on_drift.as_str());
        self.put_list("safety.never_disable", never_disable);
        self.put("safety.only_created", only_created);
        for (group, least) in min_members {
            self.put(format!("safety.min_members.{group}"), least);
        }
        self.put_some("safety.deletes", deletes.as_ref());
    }
}

fn length(length: Duration) -> String {
    format!("{}s", length.as_secs())
}

/// As it would be typed, without what is as it is anyway.
fn mapping_words(mapping: &Mapping) -> String {
    let Mapping {
        target: _,
        source,
        default,
        matching,
        apply,
        on_empty,
        target_type: _,
        multi_valued: _,
        case_exact: _,
        required,
        on_drift,
    } = mapping;
    let mut words = vec![match source {
        Source::Attribute(name) => format!("source {name}"),
        Source::Constant(value) => format!("constant {}", value_text(value)),
        Source::Expression(expression) => format!("expression {expression}"),
        Source::None => "no source".to_owned(),
    }];
    words.extend(
        default
            .as_ref()
            .map(|value| format!("default {}", value_text(value))),
    );
    words.extend(matching.map(|place| format!("match {place}")));
    words.extend((*apply == Apply::OnCreate).then(|| "apply on-create".to_owned()));
    words.extend(match on_empty {
        OnEmpty::Keep => Some("on_empty keep".to_owned()),
        OnEmpty::Fail => Some("on_empty fail".to_owned()),
        OnEmpty::Default | OnEmpty::Clear => None,
    });
    words.extend(required.then(|| "required".to_owned()));
    words.extend(on_drift.map(|drift| format!("on_drift {}", drift.as_str())));
    words.join(", ")
}
