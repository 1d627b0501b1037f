//! The version of the JSON that is printed.

/// Of every document.
pub(crate) const FORMAT: u64 = 1;
