//! The source: reads users, groups and assignments of an Entra tenant through Microsoft Graph. Never writes.
