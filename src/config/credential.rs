//! How an application signs in to a tenant, and where secrets are to be found.

use std::path::PathBuf;

use chrono::NaiveDate;

/// Where a secret is to be found. It is read when it is used, and never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Secret {
    Env(String),
    File(PathBuf),
    /// A file in systemd's credentials directory.
    Credential(String),
}

/// How the agent signs in to the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    App {
        client_id: String,
        /// The first is used until it is refused, then the next.
        proofs: Vec<Proof>,
    },
    ManagedIdentity(Identity),
    /// The token of the user who is signed in to the Azure CLI.
    AzureCli,
    /// A person signs in with a browser.
    DeviceCode {
        client_id: Option<String>,
    },
}

impl Credential {
    /// The key of one that stands for a person, and so is for tries alone.
    pub(crate) fn personal(&self) -> Option<&'static str> {
        match self {
            Self::AzureCli => Some("azure_cli"),
            Self::DeviceCode { .. } => Some("device_code"),
            Self::App { .. } | Self::ManagedIdentity(_) => None,
        }
    }
}

/// By what an application proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Secret {
        secret: Secret,
        expires: Option<NaiveDate>,
    },
    Certificate(Certificate),
    /// Rewritten by the platform, and so read again for each token.
    FederatedToken(PathBuf),
}

/// A certificate with its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// Without `private_key`, the key stands in the same file.
    Pem {
        certificate: Secret,
        private_key: Option<Secret>,
    },
    Pkcs12 {
        file: Secret,
        password: Option<Secret>,
    },
}

/// Which of a machine's identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    SystemAssigned,
    ClientId(String),
    ObjectId(String),
    ResourceId(String),
}
