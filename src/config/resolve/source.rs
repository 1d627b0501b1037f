//! The tenant that is read: its cloud, and who signs in to it.

use std::path::Path;

use super::address::{proxy_address, web_address};
use super::credential::{self, resolve_credential};
use super::name::check_name;
use crate::config::choice::choose;
use crate::config::file;
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::config::secret::environment;
use crate::config::settings::Source;
use crate::engine::model::nearest;
use crate::engine::strategy::{Strategy, Wish};

/// The national clouds: token authority, Graph root and scope are three facts of each, and none
/// follows from another.
const CLOUDS: &[(&str, Cloud)] = &[
    (
        "global",
        Cloud {
            login_url: "https://login.microsoftonline.com",
            graph_url: "https://graph.microsoft.com",
            token_scope: "https://graph.microsoft.com/.default",
        },
    ),
    (
        "us-gov",
        Cloud {
            login_url: "https://login.microsoftonline.us",
            graph_url: "https://graph.microsoft.us",
            token_scope: "https://graph.microsoft.us/.default",
        },
    ),
    (
        "us-gov-dod",
        Cloud {
            login_url: "https://login.microsoftonline.us",
            graph_url: "https://dod-graph.microsoft.us",
            token_scope: "https://dod-graph.microsoft.us/.default",
        },
    ),
    (
        "china",
        Cloud {
            login_url: "https://login.chinacloudapi.cn",
            graph_url: "https://microsoftgraph.chinacloudapi.cn",
            token_scope: "https://microsoftgraph.chinacloudapi.cn/.default",
        },
    ),
];

#[derive(Clone, Copy)]
struct Cloud {
    login_url: &'static str,
    graph_url: &'static str,
    token_scope: &'static str,
}

const READ: &[(&str, Wish)] = &[
    ("auto", Wish::Auto),
    ("whole", Wish::Always(Strategy::Whole)),
    ("in_scope", Wish::Always(Strategy::InScope)),
];

/// Each source, unless something is missing. No two of them have the same name or the same tenant.
pub(super) fn resolve_all(
    sources: &[file::Source],
    folder: &Path,
    log: &mut Log,
) -> Option<Vec<Source>> {
    check_names(sources, log);
    let resolved: Vec<_> = sources
        .iter()
        .map(|source| resolve_source(source, folder, log))
        .collect();
    let resolved = resolved.into_iter().collect::<Option<Vec<Source>>>();
    if let Some(resolved) = &resolved
        && resolved.len() > 1
    {
        check_tenants(sources, resolved, log);
    }
    resolved
}

fn check_names(sources: &[file::Source], log: &mut Log) {
    let names: Vec<_> = sources.iter().filter_map(|one| one.name.as_ref()).collect();
    for (index, name) in names.iter().enumerate() {
        check_name(name, "source", log);
        let is_same =
            |other: &&&Typed<String>| other.value.to_lowercase() == name.value.to_lowercase();
        if let Some(first) = names[..index].iter().find(is_same) {
            log.problem(name.place.problem(
                format!("another source has this name: {}", first.place.line()),
                "give each source a unique name; case is ignored",
            ));
        }
    }
}

/// One tenant by two names would be two, with the same objects.
fn check_tenants(typed: &[file::Source], sources: &[Source], log: &mut Log) {
    for (index, source) in sources.iter().enumerate() {
        let place = typed[index].place.name("tenant_id");
        if uuid::Uuid::parse_str(&source.tenant_id).is_err() {
            log.problem(place.problem(
                "this is a domain, but with several sources each tenant is given by its id, so that all are certainly different",
                "write the tenant's id, as the overview page of Microsoft Entra shows it",
            ));
        } else if let Some(first) = sources[..index]
            .iter()
            .position(|other| other.tenant_id == source.tenant_id)
        {
            let first = typed[first].place.name("tenant_id");
            log.problem(place.problem(
                format!("another source has this tenant: {}", first.line()),
                "remove one of them: several jobs can name the same source",
            ));
        }
    }
}

/// The sources of a job, by their names.
pub(super) fn sources_of(
    job: &file::Job,
    sources: &[file::Source],
    log: &mut Log,
) -> Option<Vec<String>> {
    let place = job.place.name("sources");
    let Some(names) = named(sources) else {
        if job.sources.is_some() {
            log.problem(place.key_problem(
                "there are no [[sources]] that it could name",
                "remove the key, or make [source] one of [[sources]], with a name",
            ));
        }
        return Some(vec![String::new()]);
    };
    let Some(given) = &job.sources else {
        if let [only] = names.as_slice() {
            return Some(vec![only.clone()]);
        }
        let remedy = format!(
            "write sources = [\"…\"], with one or several of {}",
            names.join(", ")
        );
        log.problem(place.problem("missing: there are several sources", remedy));
        return None;
    };
    if given.is_empty() {
        let remedy = format!("name one of {}", names.join(", "));
        log.problem(place.problem("it names no source", remedy));
        return None;
    }
    let mut known: Vec<String> = Vec::new();
    for name in given {
        let same = names
            .iter()
            .find(|one| one.to_lowercase() == name.value.trim().to_lowercase());
        match same {
            Some(same) if known.contains(same) => {
                let words = format!("{same} is named twice");
                log.problem(name.place.problem(words, "remove one of them"));
            }
            Some(same) => known.push(same.clone()),
            None => {
                let remedy = match nearest(&name.value, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("use one of {}", names.join(", ")),
                };
                let words = format!("there is no source named {:?}", name.value);
                log.problem(name.place.problem(words, remedy));
            }
        }
    }
    Some(known)
}

/// The names of the sources; `None`: there is one, and it has no name.
fn named(sources: &[file::Source]) -> Option<Vec<String>> {
    if sources.iter().any(|source| source.is_only) {
        return None;
    }
    let names = sources.iter().filter_map(|source| source.name.as_ref());
    Some(names.map(|name| name.value.trim().to_owned()).collect())
}

fn resolve_source(source: &file::Source, folder: &Path, log: &mut Log) -> Option<Source> {
    let is_workload = matches!(
        source.credentials.as_slice(),
        [file::Credential::WorkloadIdentity(_)]
    );
    let from_platform = |name: &str| environment(name).filter(|_| is_workload);
    let tenant_id = match &source.tenant_id {
        Some(id) => tenant(id, log),
        None => from_platform(credential::TENANT_ID),
    };
    if source.tenant_id.is_none() && tenant_id.is_none() && !source.is_missing {
        log.problem(source.place.name("tenant_id").problem(
            "missing",
            "write the tenant's id, as the overview page of Microsoft Entra shows it",
        ));
    }
    let credential = resolve_credential(source, folder, log);
    let cloud = match &source.cloud {
        Some(cloud) => choose(cloud, CLOUDS, log),
        None => Some(CLOUDS[0].1),
    };
    let read = match &source.read {
        Some(read) => choose(read, READ, log),
        None => Some(Wish::default()),
    };
    let mut address = |typed: &Option<Typed<String>>, versions: &[&str], default: &str| match typed
    {
        Some(typed) => {
            let url = web_address(typed, log)?;
            if url.contains('?') {
                let remedy = "remove the question mark and everything after it";
                log.problem(typed.place.problem("the address contains a query", remedy));
                return None;
            }
            let last = url.rsplit('/').next().unwrap_or_default().to_lowercase();
            if versions.contains(&last.as_str()) || uuid::Uuid::parse_str(&last).is_ok() {
                log.problem(typed.place.problem(
                    format!("the address ends in {last}"),
                    format!("remove tenant and version, as in {default:?}"),
                ));
                return None;
            }
            Some(url)
        }
        None => Some(default.to_owned()),
    };
    let defaults = cloud.unwrap_or(CLOUDS[0].1);
    let authority = from_platform(credential::AUTHORITY_HOST);
    let authority = authority.as_deref().map(|url| url.trim_end_matches('/'));
    let login_url = address(
        &source.login_url,
        &["oauth2", "v2.0", "token"],
        authority.unwrap_or(defaults.login_url),
    );
    let graph_url = address(&source.graph_url, &["v1.0", "beta"], defaults.graph_url);
    let token_scope = match &source.token_scope {
        Some(scope) => token_scope(scope, log),
        None => cloud.map(|cloud| cloud.token_scope.to_owned()),
    };
    Some(Source {
        name: if source.is_only {
            String::new()
        } else {
            source.name.as_ref()?.value.trim().to_owned()
        },
        tenant_id: tenant_id?,
        credential: credential?,
        login_url: login_url?,
        graph_url: graph_url?,
        proxy: match &source.proxy {
            Some(typed) => Some(proxy_address(typed, log)?),
            None => None,
        },
        token_scope: token_scope.filter(|_| cloud.is_some())?,
        read: read?,
    })
}

/// Exactly one resource, in the form that application permissions need.
fn token_scope(typed: &Typed<String>, log: &mut Log) -> Option<String> {
    let scope = typed.value.trim();
    let resource = scope.strip_suffix("/.default");
    if resource.is_none_or(str::is_empty) || scope.contains(char::is_whitespace) {
        log.problem(typed.place.problem(
            "this is not the scope of one resource",
            "write it like \"https://graph.microsoft.com/.default\"",
        ));
        return None;
    }
    Some(scope.to_owned())
}

pub(super) fn tenant(id: &Typed<String>, log: &mut Log) -> Option<String> {
    let text = id.value.trim();
    if uuid::Uuid::parse_str(text).is_ok() {
        return Some(text.to_lowercase());
    }
    let remedy = "write the tenant's id, or a domain of it such as \"contoso.onmicrosoft.com\"";
    if ["common", "organizations", "consumers"].contains(&text) {
        let message = format!("{text} is not a tenant; an agent can sign in to exactly one tenant");
        log.problem(id.place.problem(message, remedy));
        return None;
    }
    let is_domain = text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
    if !is_domain {
        log.problem(
            id.place
                .problem("this is neither an id nor a domain name", remedy),
        );
        return None;
    }
    Some(text.to_lowercase())
}
