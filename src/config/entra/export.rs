//! Writes a job as the schema of a provisioning job of Entra's, and lists what that cannot say.

use serde_json::{Value as Json, json};

use super::names::{self, to_directory};
use super::written::directory_name;
use super::{Left, beside, filters, judge, shape, tree};
use crate::config::settings::{self, Application};
use crate::engine::expr::Expression;
use crate::engine::job::{Actions, Rules};
use crate::engine::mapping::{Apply, Mapping, OnEmpty, Source};
use crate::engine::model::schema::{self, CORE_GROUP, ENTERPRISE_USER};
use crate::engine::model::source::{self, SourceType};
use crate::engine::model::{ObjectKind, TargetType, Value};

/// Ids and names of a non-gallery application in the published samples. Only names join the parts of
/// a schema; to use it in another job, keep the ids of that job.
const RULE_ID: &str = "03f7d90d-bf71-41b1-bda6-aaf0ddbee5d8";
const RULE_NAME: &str = "USERGROUP_OUTBOUND_USERGROUP";
const SOURCE_ID: &str = "66e4a8cc-1b7b-435e-95f8-f06cea133828";
const TARGET_ID: &str = "09760868-cafb-47ac-9031-0a3262300427";
const TARGET_DIRECTORY: &str = "customappsso";

/// A schema, and what it could not say.
#[derive(Clone, Debug)]
pub(crate) struct Exported {
    pub(crate) schema: String,
    pub(crate) left: Vec<Left>,
}

pub(crate) fn export(job: &settings::Job, source: &settings::Source) -> Exported {
    let mut left = Vec::new();
    let rules = [
        (ObjectKind::Group, &job.rules.groups),
        (ObjectKind::User, &job.rules.users),
    ];
    let used: Vec<_> = rules
        .into_iter()
        .filter(|(_, rules)| rules.enabled || !rules.mappings.is_empty())
        .collect();
    let mappings: Vec<_> = used
        .iter()
        .map(|(kind, rules)| object_mapping(*kind, rules, &mut left))
        .collect();
    let (sources, targets): (Vec<_>, Vec<_>) = used
        .iter()
        .map(|(kind, rules)| (source_object(*kind, rules), target_object(*kind, rules)))
        .unzip();
    let mut schema = json!({
        "id": id(job, source),
        "version": "",
        "synchronizationRules": [{
            "containerFilter": null,
            "editable": true,
            "groupFilter": null,
            "id": RULE_ID,
            "name": RULE_NAME,
            "priority": 1,
            "sourceDirectoryName": names::SOURCE_DIRECTORY,
            "targetDirectoryName": TARGET_DIRECTORY,
            "metadata": [],
            "objectMappings": mappings,
        }],
        "directories": [
            directory(SOURCE_ID, names::SOURCE_DIRECTORY, true, &sources),
            directory(TARGET_ID, TARGET_DIRECTORY, false, &targets),
        ],
    });
    if let Application::ServicePrincipalId(principal) = &job.application {
        schema["@odata.context"] = json!(format!(
            "{}/v1.0/$metadata#servicePrincipals('{principal}')/synchronization/jobs('{}')/schema/$entity",
            source.graph_url,
            id(job, source),
        ));
    }
    left.extend(beside::list(job));
    Exported {
        schema: format!("{schema:#}"),
        left,
    }
}

/// The id of Entra's job: template, tenant and, where it is known, application.
fn id(job: &settings::Job, source: &settings::Source) -> String {
    let tenant = source.tenant_id.replace(['-', '.'], "");
    match &job.application {
        Application::AppId(app) => format!("scim.{tenant}.{app}"),
        Application::ServicePrincipalId(_) | Application::DisplayName(_) => {
            format!("scim.{tenant}")
        }
    }
}

fn directory(id: &str, name: &str, read_only: bool, objects: &[Json]) -> Json {
    json!({
        "id": id,
        "name": name,
        "discoverabilities": "None",
        "discoveryDateTime": null,
        "readOnly": read_only,
        "version": "",
        "objects": objects,
    })
}

fn object_names(kind: ObjectKind) -> (&'static str, &'static str) {
    match kind {
        ObjectKind::User => ("User", ENTERPRISE_USER),
        ObjectKind::Group => ("Group", CORE_GROUP),
    }
}

fn object_mapping(kind: ObjectKind, rules: &Rules, left: &mut Vec<Left>) -> Json {
    let (source, target) = object_names(kind);
    let attributes: Vec<_> = rules
        .mappings
        .iter()
        .filter_map(|mapping| attribute_mapping(kind, mapping, left))
        .collect();
    let (scope, is_whole) = filters::write(kind, &rules.filter, left);
    json!({
        // By another scope, other people would be provisioned.
        "enabled": rules.enabled && is_whole,
        "flowTypes": flow_types(rules.actions),
        "name": format!("Provision {} {source}s", names::SOURCE_DIRECTORY),
        "sourceObjectName": source,
        "targetObjectName": target,
        "scope": scope,
        "attributeMappings": attributes,
        "metadata": [],
    })
}

fn flow_types(actions: Actions) -> String {
    let Actions {
        create,
        update,
        delete,
    } = actions;
    let all = [(create, "Add"), (update, "Update"), (delete, "Delete")];
    let allowed: Vec<_> = all
        .iter()
        .filter(|(is_allowed, _)| *is_allowed)
        .map(|(_, word)| *word)
        .collect();
    allowed.join(", ")
}

fn attribute_mapping(kind: ObjectKind, mapping: &Mapping, left: &mut Vec<Left>) -> Option<Json> {
    let Mapping {
        target,
        source,
        default,
        matching,
        apply,
        on_empty,
        target_type,
        multi_valued: _, // These three are told by the target's directory.
        case_exact: _,
        required: _,
        on_drift,
    } = mapping;
    let place = format!("{}, mapping of {target}", judge::section(kind));
    let mut leave = |what: &str, why: &str| {
        left.push(Left {
            place: place.clone(),
            what: what.to_owned(),
            why: why.to_owned(),
        });
    };
    if let Some(drift) = on_drift {
        let what = format!("on_drift = {:?}", drift.as_str());
        leave(&what, "Entra does not compare what the target holds");
    }
    let text = default.as_ref().and_then(plain);
    if *target_type == TargetType::Complex && !is_object_to_entra(kind, mapping) {
        leave(
            "type = \"complex\"",
            "Entra has no type for objects; it is written as a string",
        );
    }
    if default.is_some() && text.is_none() {
        leave("the default", "Entra's defaults are plain text");
    }
    let default = text;
    let flows = !matches!(source, Source::None | Source::Constant(_));
    match on_empty {
        OnEmpty::Fail => leave(
            "on_empty = \"fail\"",
            "Entra provisions such an object anyway",
        ),
        OnEmpty::Clear | OnEmpty::Default if default.is_some() && flows => leave(
            "on_empty",
            "Entra uses a default when it creates an object, and never afterwards",
        ),
        OnEmpty::Clear | OnEmpty::Keep | OnEmpty::Default => {}
    }
    let (source, only_new) = match source {
        Source::Attribute(name) => {
            let name = directory_name(kind, name, &format!("mapping of {target}"), left);
            (node("Attribute", &name, &format!("[{name}]")), false)
        }
        Source::Expression(expression) => (expression_node(kind, expression, &place, left), false),
        Source::Constant(value) => {
            let Some(text) = plain(value) else {
                leave("the mapping", "Entra's constants are plain text");
                return None;
            };
            let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
            (node("Constant", &text, &format!("\"{quoted}\"")), false)
        }
        // Without a source the default is the value; here it is one for new objects alone.
        Source::None => (Json::Null, default.is_some()),
    };
    let on_create = *apply == Apply::OnCreate || only_new;
    Some(json!({
        "defaultValue": default,
        "exportMissingReferences": false,
        "flowBehavior": "FlowWhenChanged",
        "flowType": if on_create { "ObjectAddOnly" } else { "Always" },
        "matchingPriority": matching.unwrap_or(0),
        "targetAttributeName": target.to_string(),
        "source": source,
    }))
}

/// Whether it shows by the attribute or by the function that the value is an object.
fn is_object_to_entra(kind: ObjectKind, mapping: &Mapping) -> bool {
    let known = schema::definition(kind, &mapping.target);
    let by_function = match &mapping.source {
        Source::Expression(expression) => shape::ROLE_OBJECTS
            .iter()
            .any(|function| expression.uses(function)),
        Source::Attribute(_) | Source::Constant(_) | Source::None => false,
    };
    by_function || known.is_some_and(|known| known.target_type == TargetType::Complex)
}

fn node(kind: &str, name: &str, expression: &str) -> Json {
    json!({ "expression": expression, "name": name, "type": kind, "parameters": [] })
}

fn expression_node(
    kind: ObjectKind,
    expression: &Expression,
    place: &str,
    left: &mut Vec<Left>,
) -> Json {
    for name in expression.attributes() {
        directory_name(kind, name, place, left);
    }
    let text = expression.with_attributes_renamed(&|name| to_directory(name).to_owned());
    // Other names make no other tree, and the directory's are shorter.
    let renamed = Expression::compile(&text);
    let outline = renamed.as_ref().unwrap_or(expression).outline();
    let mut json = tree::json(&outline);
    json["expression"] = json!(text);
    json
}

/// A single value as Entra writes it.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.to_string()),
        Value::Boolean(true) => Some("True".to_owned()),
        Value::Boolean(false) => Some("False".to_owned()),
        Value::Integer(number) => Some(number.to_string()),
        Value::List(values) => match values.as_slice() {
            [only] => plain(only),
            _ => None,
        },
        Value::Object(_) | Value::Reference(_) => None,
    }
}

/// The attributes that the job reads, and the one that identifies an object.
fn source_object(kind: ObjectKind, rules: &Rules) -> Json {
    let mut read: Vec<&str> = vec!["objectId"];
    for mapping in &rules.mappings {
        match &mapping.source {
            Source::Attribute(name) => read.push(name),
            Source::Expression(expression) => read.extend(expression.attributes()),
            Source::Constant(_) | Source::None => {}
        }
    }
    read.extend(rules.filter.attributes());
    let mut names: Vec<_> = read.into_iter().map(to_directory).collect();
    names.sort_unstable();
    names.dedup();
    let attributes: Vec<_> = names
        .into_iter()
        .filter_map(|name| {
            let known = source::attribute(kind, name).ok()?;
            let attribute_type = match known.source_type {
                SourceType::Boolean => "Boolean",
                SourceType::DateTime => "DateTime",
                SourceType::Reference => "Reference",
                SourceType::Text | SourceType::Object | SourceType::Roles | SourceType::Any => {
                    "String"
                }
            };
            Some(definition(&Defined {
                name,
                attribute_type,
                anchor: name == "objectId",
                multivalued: known.multi_valued,
                case_exact: false,
                required: false,
                flow_null_values: false,
                references: match known.source_type {
                    SourceType::Reference => references(kind, "User", "Group"),
                    _ => Vec::new(),
                },
            }))
        })
        .collect();
    let (source, _) = object_names(kind);
    object(source, &attributes)
}

fn target_object(kind: ObjectKind, rules: &Rules) -> Json {
    let id = Defined {
        name: "id",
        attribute_type: "String",
        anchor: true,
        multivalued: false,
        case_exact: true,
        required: false,
        flow_null_values: false,
        references: Vec::new(),
    };
    let mut attributes = vec![definition(&id)];
    for mapping in &rules.mappings {
        let attribute_type = match mapping.target_type {
            // Entra has no word for objects.
            TargetType::String | TargetType::Complex => "String",
            TargetType::Boolean => "Boolean",
            TargetType::Integer => "Integer",
            TargetType::DateTime => "DateTime",
            TargetType::Reference => "Reference",
            TargetType::Binary => "Binary",
        };
        attributes.push(definition(&Defined {
            name: &mapping.target.to_string(),
            attribute_type,
            anchor: false,
            multivalued: mapping.multi_valued,
            case_exact: mapping.case_exact,
            required: mapping.required,
            flow_null_values: matches!(mapping.on_empty, OnEmpty::Clear),
            references: match mapping.target_type {
                TargetType::Reference => references(kind, ENTERPRISE_USER, CORE_GROUP),
                _ => Vec::new(),
            },
        }));
    }
    let (_, target) = object_names(kind);
    object(target, &attributes)
}

/// What a reference of users or of groups may lead to.
fn references<'n>(kind: ObjectKind, user: &'n str, group: &'n str) -> Vec<(&'n str, &'static str)> {
    match kind {
        ObjectKind::User => vec![(user, "manager")],
        ObjectKind::Group => vec![(user, "members"), (group, "members")],
    }
}

fn object(name: &str, attributes: &[Json]) -> Json {
    json!({ "name": name, "supportedApis": [], "metadata": [], "attributes": attributes })
}

/// An attribute in one of the two directories.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the format has these flags, each by itself"
)]
struct Defined<'n> {
    name: &'n str,
    attribute_type: &'n str,
    anchor: bool,
    multivalued: bool,
    case_exact: bool,
    required: bool,
    flow_null_values: bool,
    references: Vec<(&'n str, &'static str)>,
}

fn definition(defined: &Defined<'_>) -> Json {
    let Defined {
        name,
        attribute_type,
        anchor,
        multivalued,
        case_exact,
        required,
        flow_null_values,
        references,
    } = defined;
    let references: Vec<_> = references
        .iter()
        .map(|(object, property)| {
            json!({ "referencedObjectName": object, "referencedProperty": property })
        })
        .collect();
    json!({
        "anchor": anchor,
        "caseExact": case_exact,
        "defaultValue": null,
        "flowNullValues": flow_null_values,
        "multivalued": multivalued,
        "mutability": "ReadWrite",
        "name": name,
        "required": required,
        "type": attribute_type,
        "apiExpressions": [],
        "metadata": [],
        "referencedObjects": references,
    })
}
