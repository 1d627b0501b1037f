//! The one integration binary: the list of files, one per subject.
