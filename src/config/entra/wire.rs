//! What stands in the file: the types of Graph's `synchronizationSchema`, read leniently. Fields may
//! be missing, lists null, flags and numbers written as text; names may begin with a capital, as
//! PowerShell writes them; what is not known is passed over.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::Error;

/// Objects in one file, above which it is no schema; so that memory stays bounded.
const MAX_OBJECTS: usize = 200_000;

/// What `ConvertTo-Json` writes for what lies deeper than `-Depth`: the name of a type, or the members of
/// an object in one text.
const CUT_OFF: [&str; 4] = [
    "\"System.Object[]\"",
    "\"System.Collections.",
    "\"Microsoft.Graph.PowerShell.Models.",
    "\"@{",
];

/// A schema, in whatever wrapping it came.
#[derive(Debug, Default)]
pub(super) struct Schema {
    pub(super) id: Option<String>,
    pub(super) version: Option<String>,
    /// The `@odata.context` around it.
    pub(super) context: Option<String>,
    pub(super) rules: Vec<Rule>,
    pub(super) directories: Vec<Directory>,
    /// Other schemas in the same file, by their ids.
    pub(super) others: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    rename_all = "camelCase",
    default,
    expecting = "a synchronization rule"
)]
pub(super) struct Rule {
    #[serde(alias = "Name", deserialize_with = "text")]
    pub(super) name: Option<String>,
    #[serde(alias = "Priority", deserialize_with = "number")]
    pub(super) priority: Option<i64>,
    #[serde(alias = "SourceDirectoryName", deserialize_with = "text")]
    pub(super) source_directory_name: Option<String>,
    #[serde(alias = "TargetDirectoryName", deserialize_with = "text")]
    pub(super) target_directory_name: Option<String>,
    #[serde(alias = "ObjectMappings", deserialize_with = "list")]
    pub(super) object_mappings: Vec<ObjectMapping>,
    #[serde(alias = "ContainerFilter")]
    pub(super) container_filter: Option<ContainerFilter>,
    #[serde(alias = "GroupFilter")]
    pub(super) group_filter: Option<GroupFilter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a container filter")]
pub(super) struct ContainerFilter {
    #[serde(alias = "IncludedContainers", deserialize_with = "list")]
    pub(super) included_containers: Vec<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a group filter")]
pub(super) struct GroupFilter {
    #[serde(alias = "IncludedGroups", deserialize_with = "list")]
    pub(super) included_groups: Vec<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "an object mapping")]
pub(super) struct ObjectMapping {
    #[serde(alias = "Name", deserialize_with = "text")]
    pub(super) name: Option<String>,
    #[serde(alias = "Enabled", deserialize_with = "flag")]
    pub(super) enabled: Option<bool>,
    #[serde(alias = "FlowTypes", deserialize_with = "text")]
    pub(super) flow_types: Option<String>,
    #[serde(alias = "SourceObjectName", deserialize_with = "text")]
    pub(super) source_object_name: Option<String>,
    #[serde(alias = "TargetObjectName", deserialize_with = "text")]
    pub(super) target_object_name: Option<String>,
    #[serde(alias = "Scope")]
    pub(super) scope: Option<Filter>,
    #[serde(alias = "AttributeMappings", deserialize_with = "list")]
    pub(super) attribute_mappings: Vec<AttributeMapping>,
    #[serde(alias = "Metadata", deserialize_with = "list")]
    pub(super) metadata: Vec<Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "an attribute mapping")]
pub(super) struct AttributeMapping {
    #[serde(alias = "TargetAttributeName", deserialize_with = "text")]
    pub(super) target_attribute_name: Option<String>,
    #[serde(alias = "Source")]
    pub(super) source: Option<Box<Source>>,
    #[serde(alias = "DefaultValue", deserialize_with = "text")]
    pub(super) default_value: Option<String>,
    #[serde(alias = "MatchingPriority", deserialize_with = "number")]
    pub(super) matching_priority: Option<i64>,
    #[serde(alias = "FlowType", deserialize_with = "text")]
    pub(super) flow_type: Option<String>,
    #[serde(alias = "FlowBehavior", deserialize_with = "text")]
    pub(super) flow_behavior: Option<String>,
    #[serde(alias = "ExportMissingReferences", deserialize_with = "flag")]
    pub(super) export_missing_references: Option<bool>,
}

/// A source attribute, a constant or a function, as text and as a tree.
#[derive(Debug, Default, Deserialize)]
#[serde(
    rename_all = "camelCase",
    default,
    expecting = "the source of a mapping"
)]
pub(super) struct Source {
    #[serde(rename = "type", alias = "Type", deserialize_with = "text")]
    pub(super) kind: Option<String>,
    #[serde(alias = "Name", deserialize_with = "text")]
    pub(super) name: Option<String>,
    #[serde(alias = "Expression", deserialize_with = "text")]
    pub(super) expression: Option<String>,
    #[serde(alias = "Parameters", deserialize_with = "list")]
    pub(super) parameters: Vec<Parameter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a parameter")]
pub(super) struct Parameter {
    #[serde(alias = "Key", deserialize_with = "text")]
    pub(super) key: Option<String>,
    #[serde(alias = "Value")]
    pub(super) value: Option<Source>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a scoping filter")]
pub(super) struct Filter {
    #[serde(alias = "Groups", deserialize_with = "list")]
    pub(super) groups: Vec<FilterGroup>,
    #[serde(alias = "InputFilterGroups", deserialize_with = "list")]
    pub(super) input_filter_groups: Vec<FilterGroup>,
    #[serde(alias = "CategoryFilterGroups", deserialize_with = "list")]
    pub(super) category_filter_groups: Vec<FilterGroup>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a filter group")]
pub(super) struct FilterGroup {
    #[serde(alias = "Name", deserialize_with = "text")]
    pub(super) name: Option<String>,
    #[serde(alias = "Clauses", deserialize_with = "list")]
    pub(super) clauses: Vec<Clause>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a filter clause")]
pub(super) struct Clause {
    #[serde(alias = "OperatorName", deserialize_with = "text")]
    pub(super) operator_name: Option<String>,
    #[serde(alias = "SourceOperandName", deserialize_with = "text")]
    pub(super) source_operand_name: Option<String>,
    #[serde(alias = "TargetOperand")]
    pub(super) target_operand: Option<Operand>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "an operand")]
pub(super) struct Operand {
    #[serde(alias = "Values", deserialize_with = "list")]
    pub(super) values: Vec<Scalar>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a directory")]
pub(super) struct Directory {
    #[serde(alias = "Name", deserialize_with = "text")]
    pub(super) name: Option<String>,
    #[serde(alias = "Objects", deserialize_with = "list")]
    pub(super) objects: Vec<ObjectDefinition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "an object definition")]
pub(super) struct ObjectDefinition {
    #[serde(alias = "Name", deserialize_with = "text")]
    pub(super) name: Option<String>,
    #[serde(alias = "Attributes", deserialize_with = "list")]
    pub(super) attributes: Vec<AttributeDefinition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    rename_all = "camelCase",
    default,
    expecting = "an attribute definition"
)]
pub(super) struct AttributeDefinition {
    #[serde(alias = "Name", deserialize_with = "text")]
    pub(super) name: Option<String>,
    #[serde(rename = "type", alias = "Type", deserialize_with = "text")]
    pub(super) attribute_type: Option<String>,
    #[serde(alias = "Multivalued", deserialize_with = "flag")]
    pub(super) multivalued: Option<bool>,
    #[serde(alias = "CaseExact", deserialize_with = "flag")]
    pub(super) case_exact: Option<bool>,
    #[serde(alias = "Required", deserialize_with = "flag")]
    pub(super) required: Option<bool>,
    #[serde(alias = "DefaultValue", deserialize_with = "text")]
    pub(super) default_value: Option<String>,
    #[serde(alias = "ApiExpressions", deserialize_with = "list")]
    pub(super) api_expressions: Vec<IgnoredAny>,
    #[serde(alias = "Mutability", deserialize_with = "text")]
    pub(super) mutability: Option<String>,
    #[serde(alias = "Metadata", deserialize_with = "list")]
    pub(super) metadata: Vec<Entry>,
}

/// A key with its value, which is JSON in a text.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a key with its value")]
pub(super) struct Entry {
    #[serde(alias = "Key", deserialize_with = "text")]
    pub(super) key: Option<String>,
    #[serde(alias = "Value", deserialize_with = "text")]
    pub(super) value: Option<String>,
}

/// Everything that the outermost object of a file may be.
#[derive(Debug, Default, Deserialize)]
#[serde(
    rename_all = "camelCase",
    default,
    expecting = "the schema of a provisioning job"
)]
struct Document {
    #[serde(rename = "@odata.context", deserialize_with = "text")]
    context: Option<String>,
    #[serde(alias = "Id", deserialize_with = "text")]
    id: Option<String>,
    #[serde(alias = "Version", deserialize_with = "text")]
    version: Option<String>,
    #[serde(alias = "SynchronizationRules", deserialize_with = "present_list")]
    synchronization_rules: Option<Vec<Rule>>,
    #[serde(alias = "Directories", deserialize_with = "present_list")]
    directories: Option<Vec<Directory>>,
    /// Of a template or a job that was asked for together with its schema.
    #[serde(alias = "Schema")]
    schema: Option<Box<Self>>,
    #[serde(rename = "schema@odata.context", deserialize_with = "text")]
    schema_context: Option<String>,
    #[serde(alias = "Default", deserialize_with = "flag")]
    default: Option<bool>,
    /// Of a list that Graph answered.
    #[serde(alias = "Value", deserialize_with = "list")]
    value: Vec<Self>,
    #[serde(alias = "ObjectMappings", deserialize_with = "is_there")]
    object_mappings: bool,
    #[serde(alias = "AttributeMappings", deserialize_with = "is_there")]
    attribute_mappings: bool,
}

/// Reads a file that holds a schema, a template or a list of them with theirs, or a single rule or
/// object mapping.
pub(super) fn read(bytes: &[u8]) -> Result<Schema, Error> {
    let text = decode(bytes)?;
    if text.bytes().filter(|byte| *byte == b'{').count() > MAX_OBJECTS {
        let message = format!("it holds more than {MAX_OBJECTS} objects");
        return Err(Error::Implausible(message));
    }
    read_text(&text).map_err(|error| cut_off(&text).unwrap_or(error))
}

/// Whether the text is no schema because it was cut off.
fn cut_off(text: &str) -> Option<Error> {
    let at = CUT_OFF.iter().filter_map(|mark| text.find(mark)).min()?;
    let line = text[..at].matches('\n').count() + 1;
    Some(Error::CutOff { line })
}

fn read_text(text: &str) -> Result<Schema, Error> {
    let document: Document = parse(text)?;
    if document.object_mappings && document.synchronization_rules.is_none() {
        return Ok(Schema {
            rules: vec![parse(text)?],
            ..Schema::default()
        });
    }
    if document.attribute_mappings && document.synchronization_rules.is_none() {
        return Ok(Schema {
            rules: vec![Rule {
                object_mappings: vec![parse(text)?],
                ..Rule::default()
            }],
            ..Schema::default()
        });
    }
    let mut schemas = Vec::new();
    document.collect(false, None, &mut schemas);
    // Of several templates, the one that new jobs are made from.
    let chosen = schemas.iter().position(|(is_default, _)| *is_default);
    if schemas.is_empty() {
        let message = "there are neither synchronizationRules nor directories in it";
        return Err(Error::Implausible(message.to_owned()));
    }
    let (_, mut schema) = schemas.remove(chosen.unwrap_or(0));
    let others = schemas.into_iter();
    schema.others = others
        .map(|(_, other)| other.id.unwrap_or_else(|| "another schema".to_owned()))
        .collect();
    Ok(schema)
}

impl Document {
    /// Every schema inside, and whether it is that of a default template.
    fn collect(self, is_default: bool, context: Option<&str>, into: &mut Vec<(bool, Schema)>) {
        let context = self.context.as_deref().or(context);
        if let Some(schema) = self.schema {
            let context = self.schema_context.as_deref().or(context);
            let is_default = self.default == Some(true);
            schema.collect(is_default, context, into);
        }
        for document in self.value {
            document.collect(is_default, context, into);
        }
        if self.synchronization_rules.is_some() || self.directories.is_some() {
            let schema = Schema {
                id: self.id,
                version: self.version,
                context: context.map(str::to_owned),
                rules: self.synchronization_rules.unwrap_or_default(),
                directories: self.directories.unwrap_or_default(),
                others: Vec::new(),
            };
            into.push((is_default, schema));
        }
    }
}

/// UTF-8 with or without a mark, or the UTF-16 that PowerShell redirects into files.
fn decode(bytes: &[u8]) -> Result<String, Error> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16(&units).map_err(|_| Error::NotText("it is not UTF-16"))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => str::from_utf8(rest)
            .map(str::to_owned)
            .map_err(|_| Error::NotText("it is not UTF-8")),
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|err| {
        let place = format!(" at line {} column {}", err.line(), err.column());
        let message = err.to_string();
        Error::Malformed {
            message: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
            line: err.line(),
            column: err.column(),
        }
    })
}

/// Text, a number or a flag, as text; null is none.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }

        fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
            Ok(Some(text))
        }

        fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
            Ok(Some(if flag { "True" } else { "False" }.to_owned()))
        }

        fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }

        fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }

        fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }
    }

    deserializer.deserialize_any(Text)
}

/// What a list of values holds: text, or what can be written as text.
#[derive(Debug)]
pub(super) struct Scalar(pub(super) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer).map(|text| Self(text.unwrap_or_default()))
    }
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let Some(text) = text(deserializer)? else {
        return Ok(None);
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(de::Error::custom("true or false expected")),
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(text) = text(deserializer)? else {
        return Ok(None);
    };
    let number = text.trim().parse();
    number
        .map(Some)
        .map_err(|_| de::Error::custom("whole number expected"))
}

fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    present_list(deserializer).map(Option::unwrap_or_default)
}

/// A list whose elements may be null; null itself is none.
fn present_list<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Option<Vec<T>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = elements.next_element::<Option<T>>()? {
                list.extend(element);
            }
            Ok(Some(list))
        }
    }

    deserializer.deserialize_any(List(PhantomData))
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::<IgnoredAny>::deserialize(deserializer).map(|found| found.is_some())
}

/// The number of deletions above which Entra stops, from the text of `SyncNotificationSettings`.
pub(super) fn deletion_threshold(text: &str) -> Option<u64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    #[derive(Default)]
    struct Notices {
        delete_threshold_enabled: bool,
        delete_threshold_value: Option<u64>,
    }
    let notices: Notices = serde_json::from_str(text).ok()?;
    let value = notices.delete_threshold_value;
    value.filter(|_| notices.delete_threshold_enabled)
}
