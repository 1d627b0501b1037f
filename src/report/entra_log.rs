//! The provisioning log in the form of Entra's own: `provisioningObjectSummary` of Microsoft Graph, for tools that read
//! that. What Entra numbers by GUIDs is numbered by GUIDs that are made of our numbers.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::json::{time_json, value_json};
use super::sentence::{clean, reason as reason_text};
use super::view::Names;
use crate::engine::model::{ObjectKind, TargetId, Value};
use crate::engine::record::{LogEntry, LogStatus, LoggedChange, Reason};

/// What entries do not say of their job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OfJob {
    pub(crate) tenant: Option<String>,
    pub(crate) service_principal: Option<String>,
    /// What the application is called, or is known by.
    pub(crate) application: Option<String>,
    pub(crate) target: Option<String>,
}

/// The document of a command that ends, as `GET /auditLogs/provisioning` answers.
pub(crate) fn document(
    out: &mut dyn Write,
    entries: &[LogEntry],
    names: Names<'_>,
    about: &dyn Fn(&LogEntry) -> OfJob,
) -> io::Result<()> {
    let value = entries
        .iter()
        .map(|entry| summary(entry, names, &about(entry)));
    let document = json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#auditLogs/provisioning",
        "value": value.collect::<Json>(),
    });
    writeln!(out, "{document}")
}

/// One line per entry, for a reader who follows.
pub(crate) fn line(
    out: &mut dyn Write,
    entry: &LogEntry,
    names: Names<'_>,
    about: &OfJob,
) -> io::Result<()> {
    writeln!(out, "{}", summary(entry, names, about))
}

fn summary(entry: &LogEntry, names: Names<'_>, about: &OfJob) -> Json {
    let subject = entry.subject.as_ref();
    let source = subject.map(|one| {
        json!({
            "id": one.id.as_str(),
            "displayName": one.label,
            "identityType": source_type(one.kind),
            "details": {},
        })
    });
    let target = subject.map(|one| {
        json!({
            "id": entry.target.as_ref().map_or("", TargetId::as_str),
            "displayName": "",
            "identityType": target_type(one.kind),
            "details": {},
        })
    });
    json!({
        "id": guid(1, entry.id),
        "activityDateTime": time_json(entry.at),
        "tenantId": about.tenant,
        "jobId": entry.job.as_str(),
        "cycleId": guid(2, entry.cycle),
        "changeId": guid(3, entry.id),
        "provisioningAction": action(entry),
        "durationInMilliseconds": entry.duration_ms,
        "initiatedBy": { "id": "", "displayName": "entrain", "initiatorType": "system" },
        "servicePrincipal": {
            "id": about.service_principal,
            "displayName": about.application,
        },
        "sourceSystem": {
            "id": about.tenant,
            "displayName": "Microsoft Entra ID",
            "details": {},
        },
        "targetSystem": { "id": about.target, "displayName": entry.job.as_str(), "details": {} },
        "sourceIdentity": source,
        "targetIdentity": target,
        "provisioningStatusInfo": {
            "status": status(entry.status),
            "errorInformation": error(entry, names),
        },
        "provisioningSteps": steps(entry, names),
        "modifiedProperties": entry.changes.iter().flat_map(properties).collect::<Json>(),
    })
}

fn guid(kind: u16, number: i64) -> String {
    format!("00000000-0000-0000-{kind:04x}-{number:012x}")
}

fn source_type(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::User => "User",
        ObjectKind::Group => "Group",
    }
}

fn target_type(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::User => "urn:ietf:params:scim:schemas:core:2.0:User",
        ObjectKind::Group => "urn:ietf:params:scim:schemas:core:2.0:Group",
    }
}

fn action(entry: &LogEntry) -> &'static str {
    match entry.action.as_str() {
        "create" => "create",
        "disable" => "disable",
        "delete" => "delete",
        "update" | "enable" | "add-members" | "remove-members" | "set-reference" | "hand-over" => {
            "update"
        }
        "adopt" if !entry.changes.is_empty() => "update",
        _ => "other",
    }
}

fn status(status: LogStatus) -> &'static str {
    match status {
        LogStatus::Succeeded | LogStatus::AlreadyExists => "success",
        LogStatus::Failed => "failure",
        LogStatus::Gone | LogStatus::InParts => "warning",
        LogStatus::NotTried | LogStatus::Skipped => "skipped",
    }
}

fn error(entry: &LogEntry, names: Names<'_>) -> Json {
    let reason = match (&entry.reason, &entry.subject) {
        (Some(reason @ Reason::Skipped(_)), Some(subject)) => {
            Some(reason_text(reason, subject.kind, names))
        }
        _ => entry.error.clone(),
    };
    let (code, category) = match entry.status {
        LogStatus::Succeeded | LogStatus::AlreadyExists => return Json::Null,
        LogStatus::Skipped | LogStatus::NotTried => (skip_code(entry), "nonServiceFailure"),
        LogStatus::Failed | LogStatus::Gone | LogStatus::InParts => {
            let is_ours = entry.http_status.is_some_and(|status| status < 500);
            let category = if is_ours {
                "nonServiceFailure"
            } else {
                "failure"
            };
            (error_code(entry.http_status), category)
        }
    };
    json!({
        "errorCode": code,
        "reason": reason.map(|words| clean(&words)),
        "additionalDetails": entry.http_status.map(|status| format!("status {status}")),
        "errorCategory": category,
        "recommendedAction": null,
    })
}

/// Entra's codes ("How to read the provisioning logs", error codes).
fn error_code(status: Option<u16>) -> &'static str {
    match status {
        Some(401) => "Unauthorized",
        Some(402) => "LicenseLimitExceeded",
        Some(403) => "InsufficientRights",
        Some(404 | 410) => "InvalidAnchor",
        Some(405) => "MethodNotAllowed",
        Some(408) => "Timeout",
        Some(409) => "EntryConflict",
        Some(429) => "TooManyRequests",
        Some(501) => "NotImplemented",
        Some(500..) => "InternalServerError",
        Some(400..) => "UnprocessableEntity",
        Some(_) | None => "InternalError",
    }
}

fn skip_code(entry: &LogEntry) -> &'static str {
    match entry.reason.as_ref().map(Reason::word) {
        Some("no-matching-value") => "ImportSkipped",
        Some("ambiguous") => "DuplicateTargetEntries",
        Some("duplicate-source") => "DuplicateSourceEntries",
        Some(_) | None => "EntrySynchronizationSkipped",
    }
}

/// The steps that led to the entry, as far as it shows them.
fn steps(entry: &LogEntry, names: Names<'_>) -> Json {
    let Some(subject) = &entry.subject else {
        return json!([]);
    };
    let step = |name: &str, kind: &str, status: &str, description: String, details: Json| {
        json!({
            "name": name,
            "provisioningStepType": kind,
            "status": status,
            "description": description,
            "details": details,
        })
    };
    let label = clean(&subject.label);
    let source = source_type(subject.kind);
    let mut steps = vec![step(
        "EntryImport",
        "import",
        "success",
        format!("{source} '{label}' was read from Microsoft Entra ID"),
        json!({}),
    )];
    if let Some(reason) = entry.reason.as_ref() {
        let words = reason_text(reason, subject.kind, names);
        let (name, kind, status) = match reason {
            Reason::Skipped(_) => ("EntrySynchronizationSkip", "processing", "skipped"),
            Reason::Removed(_) | Reason::Left(_) | Reason::LeftEach | Reason::Member => {
                ("EntrySynchronizationScoping", "scoping", "success")
            }
        };
        steps.push(step(
            name,
            kind,
            status,
            words,
            json!({ "SkipReason": reason.word() }),
        ));
    }
    let export = match action(entry) {
        "create" => Some("EntryExportAdd"),
        "update" | "disable" => Some("EntryExportUpdate"),
        "delete" => Some("EntryExportDelete"),
        _ => None,
    };
    if let Some(name) = export.filter(|_| entry.status != LogStatus::Skipped) {
        let words = entry.error.as_ref().map(|words| clean(words));
        let words = words.unwrap_or_else(|| format!("{source} '{label}': {}", entry.action));
        steps.push(step(name, "export", status(entry.status), words, json!({})));
    }
    Json::Array(steps)
}

/// Of a list of members, one property for each: an addition has a new value, a removal an old one.
fn properties(change: &LoggedChange) -> Vec<Json> {
    let LoggedChange {
        attribute,
        before,
        after,
        why: _,
        more: _,
    } = change;
    let property = |old: Option<&Value>, new: Option<&Value>| {
        json!({
            "displayName": attribute,
            "oldValue": old.map(text_of),
            "newValue": new.map(text_of),
        })
    };
    match (attribute.as_str(), before, after) {
        ("members", None, Some(Value::List(added))) => {
            added.iter().map(|one| property(None, Some(one))).collect()
        }
        ("members", Some(Value::List(removed)), None) => removed
            .iter()
            .map(|one| property(Some(one), None))
            .collect(),
        (_, before, after) => vec![property(before.as_ref(), after.as_ref())],
    }
}

fn text_of(value: &Value) -> String {
    if let Value::Reference(id) = value {
        return id.to_string();
    }
    let value = value_json(value);
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
