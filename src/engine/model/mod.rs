//! What the rest of the core speaks of: ids, values, source objects, links and completeness.

mod id;
mod value;

pub(crate) use id::{JobName, ObjectKind, SourceId, TargetId};
pub(crate) use value::{Attributes, Value};
