//! What to do about a failure of the source: the sign-in service's codes in one table, and which
//! permission a refused read needs.

use super::error::{AZURE_CLI, Error, MACHINE, Refusal, TokenRefusal};
use super::permissions::{ADMINISTRATIVE_UNITS, SYNCHRONIZATION};
use crate::engine::denial::Refuses;

/// How a code is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treat {
    /// The same request may well be granted a little later.
    Temporary,
    /// A person has to change something first.
    Lasting,
}

use Treat::{Lasting, Temporary};

/// AADSTS codes (Microsoft, "Microsoft Entra authentication and authorization error codes").
const TOKEN_CODES: &[(&[u64], Treat, &str)] = &[
    (
        &[
            90_006, 90_012, 90_024, 90_033, 90_090, 70_012, 90_055, 50_196,
        ],
        Temporary,
        "the sign-in service is busy or unavailable: wait and try again",
    ),
    (
        &[7_000_215],
        Lasting,
        "the client secret is wrong: copy the secret's value, not its id, from the app \
         registration's page \"Certificates & secrets\", or make a new secret there",
    ),
    (
        &[7_000_222],
        Lasting,
        "every secret of the app registration has expired: make a new one on its page \
         \"Certificates & secrets\"",
    ),
    (
        &[7_000_218],
        Lasting,
        "the sign-in service received neither a secret nor an assertion: check whether a proxy between \
         this machine and the sign-in service changes requests; for device_code, permit public client \
         flows of the app registration",
    ),
    (
        &[700_027, 700_030],
        Lasting,
        "the certificate is not registered in the app registration: upload it on its page \
         \"Certificates & secrets\"",
    ),
    (
        &[700_024],
        Lasting,
        "this machine's clock is wrong: set the time",
    ),
    (
        &[70_021, 700_211, 700_212, 7_002_121, 700_213, 700_229],
        Lasting,
        "the federated credential of the app registration does not fit the token: issuer, subject and audience must be exactly equal",
    ),
    (
        &[530_032, 53_003],
        Lasting,
        "a security policy of the tenant blocks this application: check Conditional Access for workload \
         identities",
    ),
    (
        &[700_016],
        Lasting,
        "source.client_id does not exist in this tenant: compare it and source.tenant_id with the \
         app registration's overview page",
    ),
    (
        &[700_011, 70_001, 7_000_112, 7_000_229],
        Lasting,
        "the application is missing or disabled in this tenant: look it up under \
         \"Enterprise applications\"",
    ),
    (
        &[90_002],
        Lasting,
        "the tenant does not exist: check source.tenant_id and source.cloud",
    ),
    (
        &[50_034],
        Lasting,
        "the account is not in this tenant: sign in with one of the tenant of source.tenant_id",
    ),
    (
        &[90_014, 900_144, 90_023, 9_002_313, 90_100],
        Lasting,
        "the request was changed on its way: check for a proxy between this machine and the sign-in \
         service; if there is none, report a bug",
    ),
    (
        &[90_038, 900_382, 900_432],
        Lasting,
        "the tenant is in another national cloud: set source.cloud",
    ),
    (
        &[9_001_023, 90_124, 90_130],
        Lasting,
        "source.tenant_id must be the tenant's id or one of its domains, not common, \
         organizations or consumers",
    ),
    (
        &[50_001, 500_011, 70_011, 700_022, 700_023],
        Lasting,
        "the cloud does not know the Graph service that the token was requested for: check \
         source.cloud and its overrides",
    ),
];

fn row(code: Option<u64>) -> Option<&'static (&'static [u64], Treat, &'static str)> {
    let code = code?;
    TOKEN_CODES.iter().find(|(codes, ..)| codes.contains(&code))
}

/// Whether the same request may well be granted a little later.
pub(super) fn is_temporary(code: Option<u64>) -> bool {
    row(code).is_some_and(|(_, treat, _)| *treat == Temporary)
}

/// Whether the secret or certificate itself was refused, so that another may be accepted.
pub(super) fn is_of_credential(code: Option<u64>) -> bool {
    code.is_some_and(|code| [7_000_215, 7_000_222, 700_027, 700_030].contains(&code))
}

impl Error {
    /// What the tenant refuses, where that is not only for now.
    pub(crate) fn refuses(&self) -> Option<Refuses> {
        match self {
            Self::Secret { .. } | Self::Credential { .. } => Some(Refuses::SignIn),
            Self::TokenRefused(refusal) if !is_temporary(refusal.code) => Some(Refuses::SignIn),
            Self::Refused(refusal) if refusal.status == 401 => Some(Refuses::SignIn),
            Self::Refused(refusal) if refusal.status == 403 => Some(Refuses::Permission),
            Self::Unreadable { .. } => Some(Refuses::Permission),
            _ => None,
        }
    }

    /// The application permission that is missing, where the tenant refuses a read for that.
    pub(crate) fn missing_permission(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) if refusal.status == 403 => permission_for(&refusal.request),
            _ => None,
        }
    }

    /// What a person can do about it, where there is anything to do. `section` is the place of the source in the
    /// configuration.
    pub(crate) fn remedy(&self, section: &str) -> Option<String> {
        let remedy = of(self)?;
        Some(remedy.replace("source.", &format!("{section}.")))
    }

    /// The same with the key of a source that has this place in the configuration.
    pub(super) fn in_section(mut self, section: &str) -> Self {
        if let Self::Secret { key, .. }
        | Self::Credential { key, .. }
        | Self::Personal { key }
        | Self::Url { key, .. } = &mut self
            && let Some(name) = key.strip_prefix("source.")
        {
            *key = format!("{section}.{name}");
        }
        self
    }
}

/// Of a code that is about the application that a token was requested for, where that is a target's.
pub(super) fn of_application(code: Option<u64>) -> Option<&'static str> {
    match code? {
        50_001 | 500_011 | 70_011 | 700_022 | 700_023 => Some(
            "check target.entra.scope: it names the target's application, which must exist in the \
             tenant of the source",
        ),
        501_051 => {
            Some("give the application of the source a role of the target's application in Entra")
        }
        _ => None,
    }
}

fn of(error: &Error) -> Option<String> {
    let words = match error {
        Error::TokenRefused(refusal) => match (row(refusal.code), refusal.code) {
            (Some((_, _, words)), _) => words,
            (None, Some(_)) => "look the code up in Microsoft's list of AADSTS error codes",
            (None, None) => of_bare_refusal(refusal),
        },
        Error::TokenMalformed { service, .. } => match *service {
            AZURE_CLI => "update the Azure CLI",
            MACHINE => "check what answers at this address of the machine, or sign in another way",
            _ => {
                "check source.login_url, and whether a proxy or a sign-in page of the network answers instead"
            }
        },
        Error::Secret { .. } => "correct the key, or store the secret where it refers to",
        Error::Credential { remedy, .. } => remedy,
        Error::Personal { .. } => {
            "sign in with client_secret, client_certificate, federated_token_file or managed_identity"
        }
        Error::NoManagedIdentity(_) => {
            "run the agent on an Azure virtual machine, in App Service or on a machine of Azure Arc, or sign \
             in another way"
        }
        Error::TokenUnanswered(_) => {
            "check that this machine reaches the sign-in service (firewall, proxy, DNS), and \
             source.login_url"
        }
        Error::Unanswered(_) => {
            "check that this machine reaches Microsoft Graph (firewall, proxy, DNS), and \
             source.graph_url"
        }
        Error::Refused(refusal) => return of_refusal(refusal),
        Error::Unreadable { .. } => {
            "grant the application permissions User.Read.All and GroupMember.Read.All, with admin \
             consent"
        }
        Error::NoCustomSecurityValues { .. } => {
            "grant the application permission CustomSecAttributeAssignment.Read.All with admin \
             consent, and check the name of the attribute set; if no user has a value, remove the mappings and scoping filters that read it"
        }
        Error::NoDefaultDomain => {
            "make a verified domain the primary one, under \"Custom domain names\" of the tenant"
        }
        Error::HiddenMembership { .. } => {
            "grant the application permission Member.Read.Hidden with admin consent"
        }
        Error::NotInSnapshot { .. } => {
            "make a new snapshot with this configuration: entrain source snapshot FILE"
        }
        Error::Url { .. }
        | Error::Setup(_)
        | Error::Unsendable
        | Error::WrongType { .. }
        | Error::NotAPage { .. }
        | Error::Malformed { .. }
        | Error::Link(_)
        | Error::NotAnId { .. }
        | Error::NoApplication { .. }
        | Error::SeveralApplications { .. }
        | Error::Stopped => return None,
    };
    Some(words.to_owned())
}

/// Of an answer without a code of Microsoft Entra.
fn of_bare_refusal(refusal: &TokenRefusal) -> &'static str {
    match refusal.status {
        429 | 500.. => "none needed if it answers again soon: wait and try again",
        _ if refusal.service == MACHINE => {
            "assign a managed identity to this machine; if it has several, select one with client_id"
        }
        300..400 => "check source.login_url: redirects are not followed, to protect the credential",
        _ => {
            "check source.login_url, and whether a proxy between this machine and the sign-in service \
             answers instead"
        }
    }
}

fn of_refusal(refusal: &Refusal) -> Option<String> {
    let is_delta = refusal.request.contains("/delta");
    let words = match refusal.status {
        401 => {
            "Graph does not accept the token: check source.cloud, and that the application is \
             enabled in the tenant"
        }
        403 => {
            let permission = permission_for(&refusal.request)?;
            let also = match permission {
                CUSTOM_SECURITY => ", in addition to User.Read.All,",
                _ => "",
            };
            return Some(format!(
                "grant the application permission {permission}{also} (Microsoft Graph, \"Application \
                 permissions\", not \"Delegated\") to the app registration and give admin consent; \
                 it takes effect with the next token"
            ));
        }
        400 if is_delta => {
            "if the message names properties, remove the mappings and scoping filters that read them"
        }
        429 | 500.. => "wait and try again; nothing needs to be changed",
        _ => return None,
    };
    Some(words.to_owned())
}

const CUSTOM_SECURITY: &str = "CustomSecAttributeAssignment.Read.All";

/// The least application permission for a read, by its path.
pub(super) fn permission_for(request: &str) -> Option<&'static str> {
    const BY_SEGMENT: &[(&str, &str)] = &[
        ("/synchronization/", SYNCHRONIZATION),
        ("/administrativeUnits", ADMINISTRATIVE_UNITS),
        ("/servicePrincipals", "Application.Read.All"),
        ("/applications", "Application.Read.All"),
        ("/domains", "Domain.Read.All"),
        ("/users/", "User.Read.All"),
        // Every user is listed for the custom security attributes alone.
        ("/users", CUSTOM_SECURITY),
        ("/groups", "GroupMember.Read.All"),
    ];
    BY_SEGMENT
        .iter()
        .find(|(segment, _)| request.contains(segment))
        .map(|(_, permission)| *permission)
}
