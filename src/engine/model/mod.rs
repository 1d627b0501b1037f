//! What the rest of the core speaks of: ids, values, source objects, links and completeness.

mod binary;
mod canonical;
mod change;
mod complete;
mod custom_security;
mod id;
mod nearest;
mod object;
mod path;
mod path_map;
pub(crate) mod schema;
pub(crate) mod source;
mod value;

pub(crate) use binary::is_base64;
pub(crate) use canonical::{canonical, canonical_as, is_whole_list};
pub(crate) use change::{MemberChange, SourceChange};
pub(crate) use complete::Complete;
pub(crate) use custom_security::{CustomSecurityAttribute, CustomSecurityValues};
pub(crate) use id::{JobName, Key, ObjectKind, SourceId, SourceNumber, TargetId};
pub(crate) use nearest::{near, nearest};
pub(crate) use object::{
    AppRole, Assignment, DEFAULT_ACCESS_ROLE, Grant, Held, HeldReference, Link, MatchKey, Origin,
    Presence, References, SourceObject, TargetObject, Via,
};
pub(crate) use path::{Selector, TargetPath};
pub(crate) use path_map::PathMap;
pub(crate) use schema::TargetType;
pub(crate) use value::{Attributes, Value};
