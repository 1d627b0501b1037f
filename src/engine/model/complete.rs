//! Completeness as a type: removals are derived from nothing else (product rule 3).

/// A reading of which the last page was seen. Only a pager that saw it may say so
/// (`tests/it/tidy.rs` holds the callers of [`Complete::after_last_page`] to the edges' pagers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complete<T>(T);

impl<T> Complete<T> {
    pub(crate) fn after_last_page(read: T) -> Self {
        Self(read)
    }

    pub(crate) fn get(&self) -> &T {
        &self.0
    }

    /// That it was read completely, without what was read.
    pub(crate) fn seen(&self) -> Complete<()> {
        let Self(_) = self;
        Complete(())
    }
}

impl Complete<()> {
    /// Several complete readings as one.
    pub(crate) fn all(readings: impl IntoIterator<Item = Self>) -> Self {
        readings.into_iter().for_each(|Self(())| ());
        Self(())
    }
}

impl<T: Clone> Complete<Vec<T>> {
    /// Several complete lists as one.
    pub(crate) fn joined<'l>(lists: impl IntoIterator<Item = &'l Self>) -> Self
    where
        T: 'l,
    {
        let values = lists.into_iter().flat_map(|Self(values)| values);
        Self(values.cloned().collect())
    }
}
