//! Typed ids and names, so that a source id can never be sent where a target id belongs.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

// An id is in many places of a plan, so a clone of one shares its text.
macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(Arc<str>);

        impl $name {
            pub(crate) fn new<'a>(text: impl Into<Cow<'a, str>>) -> Self {
                Self(text.into().into())
            }

            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype! {
    /// Object id of a user or group in the Entra tenant: a GUID in lower case.
    SourceId
}
text_newtype! {
    /// `id` of a resource in the target; opaque text, never parsed (RFC 7643 section 3.1).
    TargetId
}
text_newtype! {
    /// A job's name, as written in the config.
    JobName
}

impl SourceId {
    /// The text itself, which is shared and not copied.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl TargetId {
    /// Half of its SHA-256. A million ids are remembered by it in little memory.
    pub(crate) fn digest(&self) -> u128 {
        let digest = Sha256::digest(self.as_str());
        u128::from_le_bytes(std::array::from_fn(|place| digest[place]))
    }
}

/// The number by which the state knows a source object. Users and groups share one sequence, and a
/// number is never used again for another object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(u32);

impl Key {
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    pub(crate) const fn get(self) -> u32 {
        self.0
    }
}

/// The number of a source in the state: of the tenant that an object was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SourceNumber(u32);

impl SourceNumber {
    /// Of the only source, where there are no others.
    pub(crate) const FIRST: Self = Self(0);

    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    pub(crate) const fn get(self) -> u32 {
        self.0
    }
}

/// What kind of object an id names. Users come before groups wherever order matters (product rule 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ObjectKind {
    User,
    Group,
}

impl ObjectKind {
    pub(crate) const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The word used in reports, logs and the state file.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
