//! How the agent signs in: one of several ways, with what each of them needs.

use std::path::Path;

use chrono::NaiveDate;

use super::{guid, secret, secret_for};
use crate::config::credential::{Certificate, Credential, Identity, Proof, Secret};
use crate::config::document::Place;
use crate::config::file::{self, Credential as Typed};
use crate::config::problem::Log;
use crate::config::reader;
use crate::config::secret::{Purpose, environment};

/// What the webhook of Azure workload identity puts into the environment of a pod.
pub(super) const CLIENT_ID: &str = "AZURE_CLIENT_ID";
pub(super) const TENANT_ID: &str = "AZURE_TENANT_ID";
pub(super) const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

pub(super) fn resolve_credential(
    source: &file::Source,
    folder: &Path,
    log: &mut Log,
) -> Option<Credential> {
    if let [first, second, ..] = source.credentials.as_slice() {
        let (first, second) = (name(first), name(second));
        log.problem(source.place.name(second).key_problem(
            format!("{second} and {first} are both set"),
            "keep one of them: only one way to sign in is possible; to replace a secret or certificate, \
             write the old and the new one as a list",
        ));
        return None;
    }
    let remedy = "copy the application (client) id of the app registration";
    // One that is no id has been reported.
    let client_id = source.client_id.as_ref();
    let client_id = client_id.map(|id| guid(id, remedy, log).ok_or(()));
    let client_id = client_id.transpose();
    match source.credentials.first() {
        Some(Typed::WorkloadIdentity(place)) => workload_identity(place, client_id.ok()?, log),
        Some(Typed::ManagedIdentity(identity)) => {
            let identity = managed_identity(source, identity, client_id.ok()?, log)?;
            Some(Credential::ManagedIdentity(identity))
        }
        Some(personal @ (Typed::AzureCli | Typed::DeviceCode)) => {
            log.warning(source.place.name(name(personal)).key_problem(
                "this signs in a user, and works only for the commands plan, test and import",
                "use client_secret, client_certificate, federated_token_file or managed_identity for sync \
                 and run",
            ));
            let client_id = client_id.ok()?;
            Some(match personal {
                Typed::DeviceCode => Credential::DeviceCode { client_id },
                _ => Credential::AzureCli,
            })
        }
        credential => {
            if client_id == Ok(None) && !source.is_missing {
                log.problem(source.place.name("client_id").problem(
                    "missing",
                    "write the application (client) id of the app registration that reads the tenant",
                ));
            }
            let proofs = proofs(source, credential, folder, log);
            Some(Credential::App {
                client_id: client_id.ok()??,
                proofs: proofs?,
            })
        }
    }
}

/// How an application proves who it is.
fn proofs(
    source: &file::Source,
    credential: Option<&Typed>,
    folder: &Path,
    log: &mut Log,
) -> Option<Vec<Proof>> {
    let Some(credential) = credential else {
        if !source.is_missing {
            log.problem(source.place.name("client_secret").problem(
                "missing",
                "write client_secret = { env = \"NAME\" }, or one of client_certificate, \
                 federated_token_file, workload_identity and managed_identity",
            ));
        }
        return None;
    };
    // Everything is looked at before the first thing that is wrong ends it.
    let proofs: Vec<_> = match credential {
        Typed::Secrets(secrets) => secrets
            .iter()
            .map(|one| expiring(one, folder, log))
            .collect(),
        Typed::Certificates(certificates) => certificates
            .iter()
            .map(|one| certificate(one, folder, log).map(Proof::Certificate))
            .collect(),
        Typed::FederatedTokenFile(file) => {
            let path = folder.join(&file.value);
            if let Some((message, remedy)) = Secret::File(path.clone()).file_fault(Purpose::Public)
            {
                log.warning(file.place.problem(message, remedy));
            }
            vec![Some(Proof::FederatedToken(path))]
        }
        _ => return None,
    };
    proofs.into_iter().collect()
}

fn workload_identity(
    place: &Place,
    client_id: Option<String>,
    log: &mut Log,
) -> Option<Credential> {
    let mut needed = |name: &str| {
        let found = environment(name);
        if found.is_none() {
            log.problem(place.problem(
                format!("the environment variable {name} is not set"),
                "start the agent in a pod that the Azure workload identity webhook prepares, or write \
                 federated_token_file = \"PATH\"",
            ));
        }
        found
    };
    let file = needed(TOKEN_FILE);
    let client_id = client_id.or_else(|| needed(CLIENT_ID));
    Some(Credential::App {
        client_id: client_id?,
        proofs: vec![Proof::FederatedToken(file?.into())],
    })
}

fn managed_identity(
    source: &file::Source,
    identity: &file::Identity,
    client_id: Option<String>,
    log: &mut Log,
) -> Option<Identity> {
    let other = match identity {
        file::Identity::Usual => None,
        file::Identity::ObjectId(id) => {
            let remedy = "copy the object (principal) id of the managed identity";
            Some(Identity::ObjectId(guid(id, remedy, log)?))
        }
        file::Identity::ResourceId(id) => Some(Identity::ResourceId(id.value.clone())),
    };
    match (other, client_id.map(Identity::ClientId)) {
        (None, None) => Some(Identity::SystemAssigned),
        (Some(identity), None) | (None, Some(identity)) => Some(identity),
        (Some(_), Some(_)) => {
            log.problem(source.place.name("client_id").key_problem(
                "the managed identity is given twice",
                "keep one of client_id, object_id and resource_id",
            ));
            None
        }
    }
}

fn expiring(one: &file::ExpiringSecret, folder: &Path, log: &mut Log) -> Option<Proof> {
    let expires = one.expires.as_ref().map(|date| day(date, log).ok_or(()));
    Some(Proof::Secret {
        secret: secret(Some(&one.secret), folder, log)?,
        expires: expires.transpose().ok()?,
    })
}

pub(super) fn certificate(
    typed: &file::Certificate,
    folder: &Path,
    log: &mut Log,
) -> Option<Certificate> {
    let optional = |typed: &Option<reader::Typed<Secret>>, log: &mut Log| match typed {
        Some(typed) => secret(Some(typed), folder, log).map(Some),
        None => Some(None),
    };
    Some(match typed {
        file::Certificate::Pem {
            certificate,
            private_key,
        } => {
            let private_key = optional(private_key, log)?;
            // A certificate alone is no secret.
            let purpose = if private_key.is_some() {
                Purpose::Public
            } else {
                Purpose::Other
            };
            let certificate = secret_for(purpose, Some(certificate), folder, log)?;
            Certificate::Pem {
                certificate,
                private_key,
            }
        }
        file::Certificate::Pkcs12 { file, password } => Certificate::Pkcs12 {
            file: secret_for(Purpose::Bytes, Some(file), folder, log)?,
            password: optional(password, log)?,
        },
    })
}

pub(super) fn day(typed: &reader::Typed<String>, log: &mut Log) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(typed.value.trim(), "%Y-%m-%d").ok();
    if day.is_none() {
        let remedy = "write it like \"2027-01-31\"";
        log.problem(typed.place.problem("this is not a date", remedy));
    }
    day
}

fn name(credential: &Typed) -> &'static str {
    match credential {
        Typed::Secrets(_) | Typed::Unreadable => "client_secret",
        Typed::Certificates(_) => "client_certificate",
        Typed::FederatedTokenFile(_) => "federated_token_file",
        Typed::WorkloadIdentity(_) => "workload_identity",
        Typed::ManagedIdentity(_) => "managed_identity",
        Typed::AzureCli => "azure_cli",
        Typed::DeviceCode => "device_code",
    }
}
