//! The form of the values at one target path: what a mapping makes is converted into it, and what a
//! target shows is brought into it before the two are compared.

use std::borrow::Cow;

use super::Mapping;
use super::convert::{convert_each, convert_one};
use crate::engine::addition;
use crate::engine::model::schema::{self, Definition};
use crate::engine::model::{
    ObjectKind, TargetPath, TargetType, Value, canonical_as, is_whole_list,
};

#[derive(Clone, Debug)]
pub(super) struct Form {
    /// As the mapping says.
    target_type: TargetType,
    multi_valued: bool,
    case_exact: bool,
    /// As the RFC's schemas say; the mapping's own word counts where they do not know the path.
    definition: Definition,
    takes_objects: bool,
    /// The type of a single value that has this form already.
    passes: Option<TargetType>,
}

impl Form {
    pub(super) fn of(kind: ObjectKind, mapping: &Mapping, only_adds: bool) -> Self {
        let Mapping {
            target,
            source: _,
            default: _,
            matching: _,
            apply: _,
            on_empty: _,
            target_type,
            multi_valued,
            case_exact,
            required,
            on_drift: _,
        } = mapping;
        let known = schema::definition(kind, target);
        let own = Definition {
            target_type: *target_type,
            multi_valued: *multi_valued,
            case_exact: *case_exact,
            required: *required,
        };
        let definition = if only_adds {
            addition::ELEMENTS
        } else {
            known.unwrap_or(own)
        };
        let is_whole = target.selector().is_none() && target.sub_attribute().is_none();
        let is_single = !(own.multi_valued || definition.multi_valued && is_whole);
        let is_same_type = own.target_type == definition.target_type;
        Self {
            target_type: own.target_type,
            multi_valued: own.multi_valued,
            case_exact: own.case_exact,
            definition,
            // Entra calls `roles` and its like text; to the RFC each element is an object.
            takes_objects: is_whole_list(known, target),
            passes: (is_single && is_same_type).then_some(own.target_type),
        }
    }

    /// Whether a value that is not empty is sent as it is.
    pub(super) fn passes(&self, value: &Value) -> bool {
        match value {
            Value::Text(_) => self.passes == Some(TargetType::String),
            Value::Boolean(_) => self.passes == Some(TargetType::Boolean),
            Value::Reference(_) => self.passes == Some(TargetType::Reference),
            Value::Integer(_) | Value::List(_) | Value::Object(_) => false,
        }
    }

    /// Makes of a value what is sent; `None` when it carries nothing.
    pub(super) fn make(
        &self,
        path: &TargetPath,
        value: Cow<'_, Value>,
    ) -> Result<Option<Value>, String> {
        if self.passes(&value) && !value.is_empty() {
            return Ok(Some(value.into_owned()));
        }
        let value = self.convert(value.into_owned())?;
        Ok(self.normalize(path, value))
    }

    /// Makes a value fit the target attribute, or says why it cannot.
    pub(super) fn convert(&self, value: Value) -> Result<Value, String> {
        convert_each(value, self.multi_valued, |value| match value {
            object @ Value::Object(_) if self.takes_objects => Ok(object),
            other => convert_one(other, self.target_type).map_err(str::to_owned),
        })
    }

    /// The one form in which values at the path are kept, compared and sent.
    pub(super) fn normalize(&self, path: &TargetPath, value: Value) -> Option<Value> {
        canonical_as(self.definition, path, value)
    }

    /// The form in which values at the path are the same when an object is looked for: without case
    /// where case does not count (RFC 7643 section 2.2, `caseExact`).
    pub(super) fn searched(&self, path: &TargetPath, value: Value) -> Option<Value> {
        let value = self.normalize(path, value)?;
        Some(without_case(value, self.case_exact))
    }
}

pub(super) fn without_case(value: Value, case_exact: bool) -> Value {
    match value {
        Value::Text(text) if !case_exact => Value::text(text.to_lowercase()),
        value @ (Value::Text(_)
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::List(_)
        | Value::Object(_)
        | Value::Reference(_)) => value,
    }
}
