//! The section `source`, or those of `sources`: which tenant, and how to sign in to it.

use figment::value::Value;

use super::{Certificate, Credential, ExpiringSecret, Identity, Source};
use crate::config::keys::{CERTIFICATE, CREDENTIALS, SECRET_WITH_DATE, SECTIONS};
use crate::config::problem::Log;
use crate::config::reader::{Table, Typed, secret_with, wrong};

impl Source {
    pub(super) fn read_all(top: &Table, log: &mut Log) -> Vec<Self> {
        if !top.has("sources") {
            top.is_missing("source", log);
            let table = top.table("source", log);
            let is_missing = table.is_none();
            let table = table.unwrap_or_else(|| top.table_or_empty("source", &mut Log::default()));
            let source = Self::read(table, None, log);
            return vec![Self {
                is_only: true,
                is_missing,
                ..source
            }];
        }
        if top.has("source") {
            log.problem(top.place.name("source").key_problem(
                "[source] and [[sources]] are both set",
                "keep [[sources]], and make [source] one of them, with a name",
            ));
        }
        let tables = top.tables("sources", log);
        if tables.as_ref().is_some_and(Vec::is_empty) {
            let place = top.place.name("sources");
            log.problem(place.problem("no source is configured", "add a section [[sources]]"));
        }
        let tables = tables.unwrap_or_default().into_iter();
        let sources = tables.map(|table| {
            let name = table.required_text("name", log);
            Self::read(table, name, log)
        });
        sources.collect()
    }

    fn read(table: Table, name: Option<Typed<String>>, log: &mut Log) -> Self {
        table.check_keys(SECTIONS, log);
        let table = table.prefer_overriding(CREDENTIALS);
        let credentials = CREDENTIALS
            .iter()
            .filter(|key| table.has(key))
            .filter_map(|key| credential(&table, key, log))
            .collect();
        Self {
            name,
            is_only: false,
            tenant_id: table.text("tenant_id", log),
            client_id: table.text("client_id", log),
            credentials,
            cloud: table.text("cloud", log),
            login_url: table.text("login_url", log),
            graph_url: table.text("graph_url", log),
            proxy: table.text("proxy", log),
            token_scope: table.text("token_scope", log),
            read: table.text("read", log),
            is_missing: false,
            place: table.place,
        }
    }
}

/// What the key holds; `None` for `false`.
fn credential(table: &Table, key: &str, log: &mut Log) -> Option<Credential> {
    let read = match key {
        "client_secret" => each(table, key)
            .into_iter()
            .map(|typed| expiring(typed, log))
            .collect::<Option<_>>()
            .map(Credential::Secrets),
        "client_certificate" => each(table, key)
            .into_iter()
            .map(|typed| certificate(typed, log))
            .collect::<Option<_>>()
            .map(Credential::Certificates),
        "federated_token_file" => {
            let file = table.required_text(key, log);
            file.map(Credential::FederatedTokenFile)
        }
        "managed_identity" => match table.any(key)?.value {
            Value::Dict(..) => identity(&table.table(key, log)?, log),
            _ => switch(
                table,
                key,
                Credential::ManagedIdentity(Identity::Usual),
                log,
            )?,
        },
        "workload_identity" => {
            let place = table.place.name(key);
            switch(table, key, Credential::WorkloadIdentity(place), log)?
        }
        "azure_cli" => switch(table, key, Credential::AzureCli, log)?,
        _ => switch(table, key, Credential::DeviceCode, log)?,
    };
    Some(read.unwrap_or(Credential::Unreadable))
}

/// One of them, or a list.
pub(super) fn each(table: &Table, key: &str) -> Vec<Typed<Value>> {
    let Some(Typed { value, place }) = table.any(key) else {
        return Vec::new();
    };
    match value {
        Value::Array(_, values) if !values.is_empty() => values
            .into_iter()
            .enumerate()
            .map(|(index, value)| Typed {
                value,
                place: place.index(index),
            })
            .collect(),
        value => vec![Typed { value, place }],
    }
}

pub(super) fn expiring(typed: Typed<Value>, log: &mut Log) -> Option<ExpiringSecret> {
    let (secret, table) = secret_with(typed, &SECRET_WITH_DATE, log)?;
    Some(ExpiringSecret {
        secret,
        expires: table.text("expires", log),
    })
}

pub(super) fn certificate(
    Typed { value, place }: Typed<Value>,
    log: &mut Log,
) -> Option<Certificate> {
    let remedy = "write { certificate = { file = \"PATH\" }, private_key = { file = \"PATH\" } }, or \
                  { pkcs12 = { file = \"PATH\" }, password = { file = \"PATH\" } }";
    let Value::Dict(_, members) = value else {
        return wrong(&place, "a table", &value, remedy, log);
    };
    let table = Table::new(members, place, &CERTIFICATE);
    table.check_keys(SECTIONS, log);
    let [has_pem, has_pkcs12] = ["certificate", "pkcs12"].map(|key| table.has(key));
    let has_foreign = table.has(if has_pem { "password" } else { "private_key" });
    if has_pem == has_pkcs12 || has_foreign {
        let message = "this is neither a PEM certificate nor a PKCS#12 file";
        log.problem(table.place.problem(message, remedy));
        return None;
    }
    if has_pem {
        return Some(Certificate::Pem {
            certificate: table.secret("certificate", log)?,
            private_key: table.secret("private_key", log),
        });
    }
    Some(Certificate::Pkcs12 {
        file: table.secret("pkcs12", log)?,
        password: table.secret("password", log),
    })
}

fn identity(table: &Table, log: &mut Log) -> Option<Credential> {
    table.check_keys(SECTIONS, log);
    let object_id = table.text("object_id", log);
    let resource_id = table.text("resource_id", log);
    let identity = match (object_id, resource_id) {
        (Some(id), None) => Identity::ObjectId(id),
        (None, Some(id)) => Identity::ResourceId(id),
        (Some(_), Some(_)) | (None, None) => {
            log.problem(table.place.problem(
                "object_id and resource_id cannot both be set",
                "keep one of them; or write managed_identity = true, and client_id for a \
                 user-assigned identity",
            ));
            return None;
        }
    };
    Some(Credential::ManagedIdentity(identity))
}

/// What `true` means; the outer `None` is `false`.
#[expect(
    clippy::option_option,
    reason = "false says nothing, and anything else is a problem"
)]
fn switch(table: &Table, key: &str, on: Credential, log: &mut Log) -> Option<Option<Credential>> {
    match table.boolean(key, log) {
        Some(typed) => typed.value.then_some(Some(on)),
        None => Some(None),
    }
}
