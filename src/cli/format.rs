//! In which format results are printed.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
    /// For spreadsheets; only some commands print it, and their help says so
    #[value(hide = true)]
    Csv,
    /// As Microsoft Entra prints its provisioning log
    #[value(hide = true)]
    Entra,
}
